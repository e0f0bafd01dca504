"""The context evaluation: figures per token of texts, by position."""

from sae_checks.evals.context.columns import COLUMNS
from sae_checks.evals.context.table import ContextTable
from sae_checks.measure.evaluation import Evaluation, Measurer, Measuring


def _measurer(measuring: Measuring) -> Measurer:
    from sae_checks.evals.context.measuring import ContextMeasurer

    return ContextMeasurer(measuring)


EVALUATION = Evaluation(ContextTable, COLUMNS, "text", "token", _measurer)
