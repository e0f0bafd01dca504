"""Few features are active where the SAE was trained, and hardly more beyond."""

from sae_checks import Cell, Estimate, check


@check(cells="in_context", needs=("l0",), unit="features")
def check_l0(cell: Cell) -> Estimate:
    """Up to the training context, few features are active, but some are."""
    return cell.mean("l0").with_notes(massive_tokens=cell.massive_tokens)


@check(cells="past_context", needs=("l0",), unit="times", topic="SAE past context")
def check_l0_growth(cell: Cell) -> Estimate:
    """Past the training context, L0 stays near what it is inside."""
    return cell.growth("l0")


@check(cells="past_context", needs=("l1",), unit="times", topic="SAE past context")
def check_l1_growth(cell: Cell) -> Estimate:
    """Past the training context, L1 stays near what it is inside, massive tokens aside."""
    return cell.growth("l1", massive=False).with_notes(
        value_all_tokens=cell.growth("l1").value, massive_tokens=cell.massive_tokens
    )
