"""The activations themselves: guards on the measurement, which hold whatever the SAE does."""

from sae_checks import Cell, Estimate, check


@check(cells="past_context", needs=("norm",), unit="times")
def check_norm_growth(cell: Cell) -> Estimate:
    """The residual norm barely changes with position, so it does not explain a failing SAE."""
    return cell.growth("norm", massive=False).with_notes(
        value_all_tokens=cell.growth("norm").value, massive_tokens=cell.massive_tokens
    )


@check(cells="sae", needs=("norm",), unit="fraction")
def check_massive_activations(cell: Cell) -> Estimate:
    """Reported: the share of tokens whose norm is far above the median."""
    return cell.share_massive()
