"""The propagation evaluation: an SAE on what the model makes of an earlier one's reconstructions.

The passes are those that ΔCE takes; only encoding at the later SAE is added.
"""

from collections.abc import Sequence

from sae_checks.evals.propagation.columns import COLUMNS
from sae_checks.evals.propagation.pairs import later_saes
from sae_checks.evals.propagation.table import PropagationTable
from sae_checks.measure.evaluation import Evaluation, Measurer, Measuring
from sae_checks.records import Intervention, SaeRef


def _measurer(measuring: Measuring) -> Measurer:
    from sae_checks.evals.propagation.measuring import PropagationMeasurer

    return PropagationMeasurer(measuring)


def _interventions(saes: Sequence[SaeRef]) -> list[Intervention]:
    return [Intervention((sae,)) for sae in saes if later_saes(sae, saes)]


def _observed(intervention: Intervention, saes: Sequence[SaeRef]) -> Sequence[SaeRef]:
    (spliced,) = intervention.saes
    return later_saes(spliced, saes)


EVALUATION = Evaluation(
    PropagationTable,
    COLUMNS,
    "text",
    "token at a later SAE",
    _measurer,
    _interventions,
    _observed,
)
