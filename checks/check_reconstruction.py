"""The reconstruction is near the activation where the SAE was trained, and not far off beyond.

Massive tokens, whose norm is far above the median, would each outweigh hundreds of others in sums
of squares: figures are judged without them, and the figure with them is reported beside.
"""

from sae_checks import Cell, Estimate, check


@check(cells="in_context", needs=("mse", "squared_distance", "position_sums"), unit="fraction")
def check_explained_variance(cell: Cell) -> Estimate:
    """Up to the training context, the reconstruction explains most of the activations' variance."""
    return cell.explained_variance(massive=False).with_notes(
        value_all_tokens=cell.explained_variance(massive=True).value,
        massive_tokens=cell.massive_tokens,
    )


@check(cells="in_context", needs=("mse",), unit="activation²")
def check_mse(cell: Cell) -> Estimate:
    """Reported: the error's size depends on the activations', so no limit suits all releases."""
    return cell.mean("mse", massive=False).with_notes(
        value_all_tokens=cell.mean("mse").value, massive_tokens=cell.massive_tokens
    )


@check(cells="past_context", needs=("mse",), unit="times", topic="SAE past context")
def check_mse_growth(cell: Cell) -> Estimate:
    """Past the training context, the squared error stays near what it is inside."""
    return cell.growth("mse", massive=False).with_notes(
        value_all_tokens=cell.growth("mse").value, massive_tokens=cell.massive_tokens
    )
