"""Within the training context, an SAE is about as good in every range of positions.

Of each quantity, the largest mean in 4:7, 8:15, ... is held against the mean over all positions.
"""

from sae_checks import Cell, Estimate, check


@check(
    cells="evenness",
    needs=("ce_clean", "ce_sae"),
    unit="times",
    parameters=("floor",),
    topic="loss in context",
)
def check_delta_ce_evenness(cell: Cell) -> Estimate:
    """In no range up to the training context is ΔCE much larger than on the whole."""
    return cell.unevenness(("ce_sae", "ce_clean"), floor=cell.parameter("floor"))


@check(cells="evenness", needs=("l0",), unit="times", topic="sparsity")
def check_l0_evenness(cell: Cell) -> Estimate:
    """In no range up to the training context is L0 much larger than on the whole."""
    return cell.unevenness("l0")


@check(cells="evenness", needs=("mse",), unit="times", topic="reconstruction")
def check_mse_evenness(cell: Cell) -> Estimate:
    """In no range up to the training context is the error much larger than on the whole."""
    return cell.unevenness("mse", massive=False)
