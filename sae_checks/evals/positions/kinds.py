"""The kind of cells of first-layer SAEs: one each, past the training context."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sae_checks.evals.collect import CellCollector
from sae_checks.evals.context.kinds import NAME as ON_TEXTS
from sae_checks.evals.context.kinds import text_cell
from sae_checks.evals.kind import CellKind, Registration
from sae_checks.evals.positions import EVALUATION, HOOK_POINT, PositionTable, at_first_layer
from sae_checks.evals.positions.cells import PositionCell
from sae_checks.evals.selector import CellSelector, refuse_less
from sae_checks.judge.check import Check
from sae_checks.records import TEXTS
from sae_checks.records.place import CellRef, Place
from sae_checks.records.ranges import past_context_range
from sae_checks.records.selectors import POSITIONS

NAME = EVALUATION.name


def _per_sae(collector: CellCollector, check: Check) -> Iterable[CellRef]:
    """Of first-layer SAEs; where a release has none, its first SAE says so."""
    saes = at_first_layer(collector.release.saes) or collector.release.saes[:1]
    for sae in saes:
        past = past_context_range(sae.training_context, collector.context)
        if past is not None:
            place = Place.of_sae(collector.release.name, sae)
            yield CellRef(check.cells, place.at(POSITIONS, past), (sae,))


def _given(selector: CellSelector, check: Check, ref: CellRef) -> PositionCell:
    (sae,) = ref.saes
    if sae.hook_point != HOOK_POINT:
        return PositionCell(ref.place, check.name, selector.thresholds, None)
    cell = text_cell(selector, check, sae, ref.place)
    table = selector.measurement.find(PositionTable, TEXTS, sae.sae_id)
    if table is None:
        raise selector.unmeasured(sae, "without positional vectors")
    refuse_less(check, sae.sae_id, check.needs & EVALUATION.names, table.measured)
    texts = min(cell.table.texts, table.texts)
    both = cell.table.keep(slice(texts))
    both = replace(both, columns={**both.columns, **table.keep(slice(texts)).columns})
    coverage = selector.coverage_of(cell.table.complete and table.complete)
    whole = replace(cell, table=both, coverage=coverage)
    return PositionCell(ref.place, check.name, selector.thresholds, whole, coverage)


def _evaluations(check: Check) -> frozenset[str]:
    return frozenset({ON_TEXTS, NAME})


AT_FIRST_LAYER = CellKind("first_layer", _per_sae, _given, _evaluations)
POSITION = Registration((AT_FIRST_LAYER,), EVALUATION)
