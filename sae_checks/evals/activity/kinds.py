"""The cells of the activity evaluation: the features of one SAE, in its training context."""

from __future__ import annotations

from collections.abc import Iterable

from sae_checks.evals.activity import EVALUATION, NEEDS
from sae_checks.evals.activity.cells import ActivityCell
from sae_checks.evals.activity.table import ActivityTable
from sae_checks.evals.collect import CellCollector
from sae_checks.evals.kind import CellKind, Registration
from sae_checks.evals.selector import CellSelector, refuse_less
from sae_checks.judge.check import Check
from sae_checks.records import TEXTS
from sae_checks.records.place import CellRef, Place
from sae_checks.records.ranges import in_context_range
from sae_checks.records.selectors import POSITIONS


def _per_sae(collector: CellCollector, check: Check) -> Iterable[CellRef]:
    for sae in collector.release.saes:
        inside = in_context_range(sae.training_context, collector.context)
        place = Place.of_sae(collector.release.name, sae).at(POSITIONS, inside)
        yield CellRef(check.cells, place, (sae,))


def _given(selector: CellSelector, check: Check, ref: CellRef) -> ActivityCell:
    (sae,) = ref.saes
    table = selector.measurement.find(ActivityTable, TEXTS, sae.sae_id)
    if table is None:
        raise selector.unmeasured(sae, "on texts")
    refuse_less(check, sae.sae_id, check.needs & NEEDS, table.measured)
    coverage = selector.coverage_of(table.complete)
    return ActivityCell(ref.place, table, check.name, selector.thresholds, coverage)


OF_FEATURES = CellKind("activity", _per_sae, _given, lambda check: frozenset({EVALUATION.name}))
ACTIVITY = Registration((OF_FEATURES,), EVALUATION)
