"""The tasks evaluation: figures per item of tasks whose answers are known."""

from sae_checks.evals.tasks.columns import COLUMNS
from sae_checks.evals.tasks.follow_up import Ablations
from sae_checks.evals.tasks.table import TaskTable
from sae_checks.measure.evaluation import Evaluation, FollowUp, Measurer, Measuring


def _measurer(measuring: Measuring) -> Measurer:
    from sae_checks.evals.tasks.measuring import TaskMeasurer

    return TaskMeasurer(measuring)


def _follow_up(ablate: int) -> FollowUp | None:
    return Ablations(ablate) if ablate else None


EVALUATION = Evaluation(
    TaskTable, COLUMNS, "item", "item of a task", _measurer, follow_up=_follow_up
)
