"""The kinds of cells on pairs of SAEs: one pair, or all of a release."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from sae_checks.evals.collect import CellCollector
from sae_checks.evals.context.columns import NEEDS as CONTEXT_NEEDS
from sae_checks.evals.context.kinds import NAME as ON_TEXTS
from sae_checks.evals.context.table import ContextTable
from sae_checks.evals.kind import CellKind, Registration
from sae_checks.evals.propagation import EVALUATION
from sae_checks.evals.propagation.cells import PropagationCell, PropagationReleaseCell
from sae_checks.evals.propagation.columns import NEEDS
from sae_checks.evals.propagation.pairs import (
    MOST_LATER,
    PAIR,
    Pair,
    all_pairs,
    both_residual,
)
from sae_checks.evals.propagation.table import PropagationTable, first_positions, first_texts
from sae_checks.evals.selector import CellSelector, refuse_less
from sae_checks.judge.check import Check
from sae_checks.judge.thresholds import Gate
from sae_checks.records import TEXTS, SaeRef, TableKey
from sae_checks.records.place import CellRef, Place

NAME = EVALUATION.name


def _any(spliced: SaeRef, observed: SaeRef) -> bool:
    return True


def _per_pair(
    chosen: Callable[[SaeRef, SaeRef], bool], collector: CellCollector, check: Check
) -> Iterable[CellRef]:
    for spliced, observed in all_pairs(collector.release.saes):
        if chosen(spliced, observed):
            place = _place(collector.release.name, spliced, observed)
            yield CellRef(check.cells, place, (spliced, observed))


def _one(collector: CellCollector, check: Check) -> Iterable[CellRef]:
    if all_pairs(collector.release.saes):
        yield CellRef(check.cells, Place.of_release(collector.release.name))


def _given(selector: CellSelector, check: Check, ref: CellRef) -> PropagationCell:
    spliced, observed = ref.saes
    return _cell(selector, check, ref.place, spliced, observed)


def _given_release(selector: CellSelector, check: Check, ref: CellRef) -> PropagationReleaseCell:
    release = selector.measurement.release
    pairs = all_pairs(release.saes)
    cells = [_cell(selector, check, _place(release.name, *pair), *pair) for pair in pairs]
    texts = min(cell.spliced.texts for cell in cells)
    return PropagationReleaseCell(
        tuple(_cell(selector, check, _place(release.name, *pair), *pair, texts) for pair in pairs)
    )


def _place(release: str, spliced: SaeRef, observed: SaeRef) -> Place:
    return Place.of_release(release).at(PAIR, Pair.of(spliced, observed))


def _cell(
    selector: CellSelector,
    check: Check,
    place: Place,
    spliced: SaeRef,
    observed: SaeRef,
    most: int | None = None,
) -> PropagationCell:
    """A pair on the texts that both sides have, and no more than so many.

    Raises:
        UnmeasuredError: either SAE was not measured, or not all that the check needs.
    """
    tables = selector.measurement.tables
    for sae in (spliced, observed):
        if sae.sae_id in selector.measurement.failures:
            raise selector.unmeasured(sae, "on texts")
    found = tables.get(TableKey(NAME, TEXTS, spliced.sae_id, observed.sae_id))
    if not isinstance(found, PropagationTable):
        raise selector.unmeasured(observed, f"with {spliced.sae_id} spliced in")
    clean = selector.measurement.find(ContextTable, TEXTS, observed.sae_id)
    if clean is None:
        raise selector.unmeasured(observed, "on texts")
    refuse_less(check, str(place[PAIR.name]), check.needs & NEEDS, found.measured)
    refuse_less(check, observed.sae_id, check.needs & NEEDS & CONTEXT_NEEDS, clean.measured)
    texts = min(found.texts, clean.texts, most or found.texts)
    whole = found.complete and clean.complete and texts == found.texts == clean.texts
    return PropagationCell(
        place,
        first_texts(found, texts),
        first_positions(first_texts(clean, texts), found.context),
        check.name,
        selector.thresholds,
        selector.coverage_of(whole),
    )


def _evaluations(check: Check) -> frozenset[str]:
    return frozenset({NAME, ON_TEXTS})


def _per_sae(gate: Gate, saes: int) -> int:
    """Of L SAEs there are L(L-1)/2 pairs at most: with half of each to either SAE, (L-1)/2 each."""
    return min(max(saes // 2, 1), MOST_LATER)


OF_PAIR = CellKind(
    "propagation",
    partial(_per_pair, _any),
    _given,
    _evaluations,
    of_positions=False,
    parts=_per_sae,
)
OF_RESIDUAL_PAIR = CellKind(
    "propagation_direct",
    partial(_per_pair, both_residual),
    _given,
    _evaluations,
    of_positions=False,
    parts=_per_sae,
)
OF_RELEASE = CellKind(
    "propagation_release",
    _one,
    _given_release,
    _evaluations,
    whole_release=True,
    of_positions=False,
)

PROPAGATION = Registration((OF_PAIR, OF_RESIDUAL_PAIR, OF_RELEASE), EVALUATION, (PAIR,))
