"""Which features go with answers that the splice makes more probable, and which cause it.

A feature's score is, over the items on which it is active, the number on which ln p(answer) does
not fall minus the number on which it does.
"""

from sae_checks import Estimate, TaskCell, check


@check(cells="task", needs=("features",), unit="fraction")
def check_positive_features(cell: TaskCell) -> Estimate:
    """Reported: the share of active features whose score is above 0."""
    return cell.positive_features()


@check(cells="task", needs=("features",), unit="features", parameters=("share",))
def check_always_active_harmful(cell: TaskCell) -> Estimate:
    """Reported: how many features are active on nearly all items, with a score below 0."""
    return cell.always_active_harmful(cell.parameter("share"))


@check(cells="task", needs=("ablations",), unit="nats")
def check_ablated_best(cell: TaskCell) -> Estimate:
    """Reported: what ablating each of the features with the best scores does to ln p(answer)."""
    return cell.ablation(best=True)


@check(cells="task", needs=("ablations",), unit="nats")
def check_ablated_worst(cell: TaskCell) -> Estimate:
    """Reported: what ablating each of the features with the worst scores does to ln p(answer)."""
    return cell.ablation(best=False)
