"""The activity evaluation: on how many tokens and documents of texts each feature is active."""

from sae_checks.evals.activity.table import (
    ACTIVE_FEATURES,
    COUNTED,
    DUPLICATES,
    ActivityTable,
)
from sae_checks.measure.evaluation import Evaluation, Measurer, Measuring
from sae_checks.records.column import Column

COLUMNS = (
    # Which tokens count, and whether features are finite there.
    Column(COUNTED, encodes=True, hidden=True),
    Column(ACTIVE_FEATURES, encodes=True, side_table=True, brings=(COUNTED,)),
    # Features of which the decoder writes the same direction; of the weights alone.
    Column(DUPLICATES, encodes=True, side_table=True, brings=(COUNTED,)),
)
NEEDS = frozenset(column.name for column in COLUMNS if not column.hidden)


def _measurer(measuring: Measuring) -> Measurer:
    from sae_checks.evals.activity.measuring import ActivityMeasurer

    return ActivityMeasurer(measuring)


EVALUATION = Evaluation(ActivityTable, COLUMNS, "text", "token in context", _measurer)
