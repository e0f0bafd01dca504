"""Is it the positional embedding that a first-layer SAE fails on past its training context?"""

from sae_checks import Estimate, PositionCell, check


@check(
    cells="first_layer",
    needs=("ce_clean", "ce_sae", "ce_token_part"),
    unit="fraction",
    topic="loss past context",
)
def check_position_share(cell: PositionCell) -> Estimate:
    """Reported: the share of ΔCE past the context that is gone with the token part alone."""
    return cell.share_removed("ce_token_part")


@check(
    cells="first_layer",
    needs=("ce_clean", "ce_sae", "ce_mean_position"),
    unit="fraction",
    topic="loss past context",
)
def check_mean_position_share(cell: PositionCell) -> Estimate:
    """Reported: the share that is gone with every token at the mean position of training."""
    return cell.share_removed("ce_mean_position")
