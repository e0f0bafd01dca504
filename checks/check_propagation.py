"""Errors of one SAE hardly carry over to later ones: each pair on the same tokens, with an earlier
SAE spliced in and without.

Changes are relative to the later SAE's own figure without the splice: 0.1 is a tenth more.
"""

from sae_checks import Estimate, PropagationCell, PropagationReleaseCell, check

LAST = ("last_position",)


@check(cells="propagation", needs=("mse",), unit="fraction", parameters=LAST)
def check_propagation_mse(cell: PropagationCell) -> Estimate:
    """With an earlier SAE spliced in, a later one's squared error is hardly larger."""
    return cell.change("mse", massive=False).with_notes(
        value_all_tokens=cell.change("mse").value, massive_tokens=cell.massive_tokens
    )


@check(cells="propagation", needs=("l0",), unit="fraction", parameters=LAST)
def check_propagation_l0(cell: PropagationCell) -> Estimate:
    """With an earlier SAE spliced in, hardly more features of a later one are active, or fewer."""
    return cell.change("l0")


@check(cells="propagation", needs=("norm",), unit="fraction", parameters=LAST)
def check_propagation_norm(cell: PropagationCell) -> Estimate:
    """With an earlier SAE spliced in, activations at a later one are about as large."""
    return cell.change("norm", massive=False).with_notes(
        value_all_tokens=cell.change("norm").value, massive_tokens=cell.massive_tokens
    )


@check(
    cells="propagation",
    needs=("mse", "squared_distance", "position_sums"),
    unit="fraction",
    parameters=LAST,
)
def check_propagation_explained_variance(cell: PropagationCell) -> Estimate:
    """Reported: a later SAE's explained variance with an earlier one spliced in."""
    return cell.explained_variance()


@check(cells="propagation_direct", needs=("direct_mse", "mse"), unit="fraction", parameters=LAST)
def check_propagation_direct_mse(cell: PropagationCell) -> Estimate:
    """Reported: of the change of squared error, what the residual stream carries directly."""
    return cell.direct("mse", massive=False)


@check(cells="propagation_direct", needs=("direct_l0", "l0"), unit="fraction", parameters=LAST)
def check_propagation_direct_l0(cell: PropagationCell) -> Estimate:
    """Reported: of the change of L0, what the residual stream carries directly."""
    return cell.direct("l0")


@check(cells="propagation_direct", needs=("direct_norm", "norm"), unit="fraction", parameters=LAST)
def check_propagation_direct_norm(cell: PropagationCell) -> Estimate:
    """Reported: of the change of the norm, what the residual stream carries directly."""
    return cell.direct("norm", massive=False)


@check(cells="propagation_release", needs=("mse",), unit="fraction", parameters=LAST)
def check_propagation_mse_after(cell: PropagationReleaseCell) -> Estimate:
    """Reported: the SAE after which later ones' squared errors grow most, on average."""
    return cell.largest("mse", "spliced", massive=False)


@check(cells="propagation_release", needs=("mse",), unit="fraction", parameters=LAST)
def check_propagation_mse_at(cell: PropagationReleaseCell) -> Estimate:
    """Reported: the SAE whose squared error grows most after earlier ones, on average."""
    return cell.largest("mse", "observed", massive=False)


@check(cells="propagation_release", needs=("l0",), unit="fraction", parameters=LAST)
def check_propagation_l0_after(cell: PropagationReleaseCell) -> Estimate:
    """Reported: the SAE after which later ones' L0 grows most, on average."""
    return cell.largest("l0", "spliced")


@check(cells="propagation_release", needs=("l0",), unit="fraction", parameters=LAST)
def check_propagation_l0_at(cell: PropagationReleaseCell) -> Estimate:
    """Reported: the SAE whose L0 grows most after earlier ones, on average."""
    return cell.largest("l0", "observed")
