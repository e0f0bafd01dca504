"""The kinds of cells for declared figures: one claim per SAE that declares the figure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from sae_checks.evals.collect import CellCollector
from sae_checks.evals.context import EVALUATION
from sae_checks.evals.context.kinds import text_cell
from sae_checks.evals.declared.cells import DeclaredCell
from sae_checks.evals.kind import CellKind, Registration
from sae_checks.evals.selector import CellSelector
from sae_checks.judge.check import Check
from sae_checks.records import DeclaredFigure, SaeRef
from sae_checks.records.place import CellRef, Place
from sae_checks.records.ranges import in_context_range
from sae_checks.records.selectors import POSITIONS

_Figure = Callable[[SaeRef], DeclaredFigure | None]


def _cells(figure: _Figure, collector: CellCollector, check: Check) -> Iterable[CellRef]:
    for sae in collector.release.saes:
        # Of which positions the figure is, is not known without a training context.
        if figure(sae) is not None and sae.training_context is not None:
            inside = in_context_range(sae.training_context, collector.context)
            place = Place.of_sae(collector.release.name, sae).at(POSITIONS, inside)
            yield CellRef(check.cells, place, (sae,))


def _given(figure: _Figure, selector: CellSelector, check: Check, ref: CellRef) -> DeclaredCell:
    (sae,) = ref.saes
    declared = figure(sae)
    assert declared is not None, "cells are of SAEs that declare the figure"
    cell = text_cell(selector, check, sae, ref.place)
    manifest = selector.measurement.manifest
    corpus = manifest.provenance.get("corpus", "an unknown corpus")
    return DeclaredCell(
        cell.place,
        cell.table,
        cell.positions,
        cell.check,
        cell.thresholds,
        cell.coverage,
        figure=declared,
        corpus=str(corpus),
    )


def _l0(sae: SaeRef) -> DeclaredFigure | None:
    return sae.declared.l0


def _explained_variance(sae: SaeRef) -> DeclaredFigure | None:
    return sae.declared.explained_variance


def _kind(name: str, figure: _Figure) -> CellKind:
    evaluations = frozenset({EVALUATION.name})
    return CellKind(
        name,
        partial(_cells, figure),
        partial(_given, figure),
        lambda _: evaluations,
        of_tables=False,  # the manifest tells the corpus
    )


DECLARED = Registration(
    (_kind("declared_l0", _l0), _kind("declared_explained_variance", _explained_variance))
)
