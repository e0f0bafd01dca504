"""Splicing the SAE in costs little loss where it was trained, and how much more beyond."""

from sae_checks import Cell, Estimate, check


@check(cells="in_context", needs=("ce_clean", "ce_sae"), unit="nats", topic="loss in context")
def check_delta_ce(cell: Cell) -> Estimate:
    """Up to the training context, the mean of ce_sae - ce_clean stays small."""
    return cell.mean_difference("ce_sae", "ce_clean")


@check(
    cells="past_context",
    needs=("ce_clean", "ce_sae"),
    unit="times",
    parameters=("floor",),
    topic="loss past context",
)
def check_delta_ce_growth(cell: Cell) -> Estimate:
    """Past the training context, ΔCE stays near what it is inside."""
    return cell.growth(("ce_sae", "ce_clean"), floor=cell.parameter("floor"))


@check(
    cells="sae",
    needs=("ce_clean", "ce_sae"),
    unit="training contexts",
    parameters=("window",),
    limits=("delta_ce",),
    beyond_training=True,
    topic="loss past context",
)
def check_usable_context(cell: Cell) -> Estimate:
    """ΔCE holds the limit of `delta_ce` from the first position up to some way past training."""
    return cell.usable_context(cell.limit("delta_ce").max, window=int(cell.parameter("window")))


@check(cells="in_context", needs=("kl",), unit="nats", topic="loss in context")
def check_kl(cell: Cell) -> Estimate:
    """The spliced model's predictions stay near the clean ones: mean KL(p_clean ‖ p_sae)."""
    return cell.mean("kl").with_notes(massive_tokens=cell.massive_tokens)
