"""How quality goes with depth: in context it falls; past it, early layers are worst.

Both are findings about a release, not demands on it, and so are reported without a limit.
"""

from sae_checks import Estimate, ReleaseCell, check


@check(cells="release", needs=("ce_clean", "ce_sae"), unit="correlation", topic="loss in context")
def check_depth_trend_in_context(cell: ReleaseCell) -> Estimate:
    """Reported: rank correlation of layer and mean ΔCE up to the training context."""
    return cell.depth_trend(("ce_sae", "ce_clean"), "in_context")


@check(
    cells="release",
    needs=("ce_clean", "ce_sae"),
    unit="correlation",
    beyond_training=True,
    topic="loss past context",
)
def check_depth_trend_past_context(cell: ReleaseCell) -> Estimate:
    """Reported: rank correlation of layer and mean ΔCE past the training context."""
    return cell.depth_trend(("ce_sae", "ce_clean"), "past_context")
