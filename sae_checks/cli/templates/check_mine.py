"""A check of our own: `sae-checks gate NAME check_mine.py` gates it beside the suite.

docs/writing-a-check.md of sae-checks says which cells there are, and what each can be asked.
"""

from sae_checks import Cell, Estimate, check


@check(cells="in_context", needs=("l0", "l1"), unit="activation", max=50, margin=1)
def check_strength(cell: Cell) -> Estimate:
    """Up to the training context, a feature that is active is not arbitrarily strong."""
    return cell.ratio("l1", "l0")
