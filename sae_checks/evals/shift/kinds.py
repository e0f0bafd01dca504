"""The kind of cells on two corpora: of each SAE one, over its training context."""

from __future__ import annotations

from collections.abc import Iterable

from sae_checks.evals.collect import CellCollector
from sae_checks.evals.context.kinds import NAME as ON_TEXTS
from sae_checks.evals.context.kinds import text_cell
from sae_checks.evals.kind import CellKind, Registration
from sae_checks.evals.selector import CellSelector
from sae_checks.evals.shift.cells import ShiftCell
from sae_checks.judge.check import Check
from sae_checks.records import SHIFT, TEXTS
from sae_checks.records.place import CellRef, Place
from sae_checks.records.ranges import in_context_range
from sae_checks.records.selectors import POSITIONS, Selector

CORPUS = Selector("shift", properties=(("shift", str),), dataset=True)


def _per_sae(collector: CellCollector, check: Check) -> Iterable[CellRef]:
    """None without a second corpus."""
    if not collector.shift:
        return
    for sae in collector.saes_for(check):
        whole = in_context_range(sae.training_context, collector.context)
        place = Place.of_sae(collector.release.name, sae).at(POSITIONS, whole)
        yield CellRef(check.cells, place.at(CORPUS, collector.shift), (sae,))


def _given(selector: CellSelector, check: Check, ref: CellRef) -> ShiftCell:
    (sae,) = ref.saes
    first, second = (
        text_cell(selector, check, sae, ref.place, dataset) for dataset in (TEXTS, SHIFT)
    )
    coverage = selector.coverage_of(first.table.complete and second.table.complete)
    return ShiftCell(ref.place, check.name, selector.thresholds, first, second, coverage)


def _evaluations(check: Check) -> frozenset[str]:
    return frozenset({ON_TEXTS})


ON_BOTH = CellKind("shift", _per_sae, _given, _evaluations, texts=(TEXTS, SHIFT))
SHIFTS = Registration((ON_BOTH,), selectors=(CORPUS,))
