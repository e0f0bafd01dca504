"""Stacked splices: several SAEs spliced in at once, each reading what the ones before left."""

from collections.abc import Sequence

from sae_checks.evals.stack.choice import interventions
from sae_checks.evals.stack.tables import StackTable, StackTaskTable
from sae_checks.measure.evaluation import Evaluation, Measurer, Measuring
from sae_checks.records import Intervention, SaeRef
from sae_checks.records.column import Column

COLUMNS = (
    Column("norm", always=True),
    Column("ce_clean", unembeds=True, always=True, at_last_position=False),
    Column("ce_sae", splices=True, unembeds=True, always=True, at_last_position=False),
    Column("kl", splices=True, unembeds=True, at_last_position=False),
)
TASK_COLUMNS = tuple(
    column
    for name in ("ln_p", "rank")
    for column in (
        Column(f"clean_{name}", unembeds=True, always=True),
        Column(f"sae_{name}", splices=True, unembeds=True, always=True),
    )
)


def _each_prefix(intervention: Intervention, saes: Sequence[SaeRef]) -> Sequence[SaeRef]:
    return intervention.saes


def _measurer(measuring: Measuring) -> Measurer:
    from sae_checks.evals.stack.measuring import StackMeasurer

    return StackMeasurer(measuring)


def _task_measurer(measuring: Measuring) -> Measurer:
    from sae_checks.evals.stack.tasks.measuring import TaskStackMeasurer

    return TaskStackMeasurer(measuring)


EVALUATION = Evaluation(
    StackTable, COLUMNS, "text", "token of a stack", _measurer, interventions, _each_prefix
)
ON_TASKS = Evaluation(
    StackTaskTable,
    TASK_COLUMNS,
    "item",
    "item of a task, of a stack",
    _task_measurer,
    interventions,
)
