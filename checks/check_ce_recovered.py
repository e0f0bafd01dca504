"""The SAE keeps most of the loss, and of the predictions, that ablating the activation costs."""

from sae_checks import Cell, Estimate, check


@check(
    cells="in_context",
    needs=("ce_clean", "ce_sae", "ce_zero"),
    unit="fraction",
    topic="loss in context",
)
def check_ce_recovered(cell: Cell) -> Estimate:
    """Of the loss that setting the activation to zero costs, the SAE recovers nearly all."""
    return cell.ce_recovered("ce_zero")


@check(
    cells="in_context",
    needs=("ce_clean", "ce_sae", "ce_mean"),
    unit="fraction",
    topic="loss in context",
)
def check_ce_recovered_mean(cell: Cell) -> Estimate:
    """The same against the mean activation, which is harder to beat than zero."""
    return cell.ce_recovered("ce_mean")


@check(cells="in_context", needs=("kl", "kl_zero"), unit="fraction", topic="loss in context")
def check_kl_recovered(cell: Cell) -> Estimate:
    """Of how far setting the activation to zero moves predictions, the SAE leaves little."""
    return cell.kl_recovered("kl_zero")


@check(cells="in_context", needs=("kl", "kl_mean"), unit="fraction", topic="loss in context")
def check_kl_recovered_mean(cell: Cell) -> Estimate:
    """The same against the mean activation, which is harder to beat than zero."""
    return cell.kl_recovered("kl_mean")
