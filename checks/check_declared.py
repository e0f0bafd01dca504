"""The release is what it says: what it declares of its SAEs is what they do.

The declared figures come from the SAEs' own files, from their paths, or from sae_lens's directory.
Many are what training aimed at, or rounded, or of other texts, so that the limits are wide.
"""

from sae_checks import DeclaredCell, Estimate, check


@check(cells="declared_l0", needs=("l0",), unit="times")
def check_declared_l0(cell: DeclaredCell) -> Estimate:
    """Up to the training context, as many features are active as the release declares."""
    return cell.ratio_to_declared(cell.mean("l0"))


@check(
    cells="declared_explained_variance",
    needs=("mse", "squared_distance", "position_sums"),
    unit="fraction",
)
def check_declared_explained_variance(cell: DeclaredCell) -> Estimate:
    """Up to the training context, as much variance is explained as the release declares."""
    return cell.difference_to_declared(cell.explained_variance(massive=False)).with_notes(
        measured_all_tokens=cell.explained_variance(massive=True).value
    )
