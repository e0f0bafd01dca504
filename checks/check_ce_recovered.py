"""The SAE keeps most of the loss that ablating the activation would cost."""

from sae_checks import Cell, Estimate, check


@check(cells="in_context", needs=("ce_clean", "ce_sae", "ce_zero"), unit="fraction")
def check_ce_recovered(cell: Cell) -> Estimate:
    """Of the loss that setting the activation to zero costs, the SAE recovers nearly all."""
    return cell.ce_recovered("ce_zero")


@check(cells="in_context", needs=("ce_clean", "ce_sae", "ce_mean"), unit="fraction")
def check_ce_recovered_mean(cell: Cell) -> Estimate:
    """The same against the mean activation, which is harder to beat than zero."""
    return cell.ce_recovered("ce_mean")
