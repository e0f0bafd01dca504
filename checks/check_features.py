"""Features are alive, few are dense, and no two are the same: on texts, in the training context."""

from sae_checks import ActivityCell, Estimate, check


@check(cells="activity", needs=("active_features",), unit="fraction", parameters=("rate",))
def check_alive_features(cell: ActivityCell) -> Estimate:
    """Most features are active on some document."""
    return cell.share_alive(cell.parameter("rate"))


@check(cells="activity", needs=("active_features",), unit="fraction")
def check_silent_features(cell: ActivityCell) -> Estimate:
    """Reported: the share of features active nowhere; against a baseline, feature by feature."""
    return cell.share_silent()


@check(cells="activity", needs=("active_features",), unit="fraction", parameters=("density",))
def check_dense_features(cell: ActivityCell) -> Estimate:
    """Few features are active on more than one token in ten."""
    return cell.share_dense(cell.parameter("density"))


@check(cells="activity", needs=("active_features", "duplicates"), unit="fraction")
def check_duplicate_features(cell: ActivityCell) -> Estimate:
    """Hardly any two active features write the same direction."""
    return cell.share_duplicate()
