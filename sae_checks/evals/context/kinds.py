"""The kinds of cells on texts: ranges of positions of an SAE, an SAE, or a whole release."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial

from sae_checks.evals.collect import CellCollector
from sae_checks.evals.context import EVALUATION
from sae_checks.evals.context.cells import Cell, ReleaseCell
from sae_checks.evals.context.columns import NEEDS
from sae_checks.evals.context.evenness import ranges_of
from sae_checks.evals.context.reconstruction import is_shrunk
from sae_checks.evals.context.table import ContextTable
from sae_checks.evals.kind import CellKind, Registration
from sae_checks.evals.selector import CellSelector, refuse_less
from sae_checks.judge.check import Check
from sae_checks.records import TEXTS, PositionRange, SaeRef
from sae_checks.records.place import CellRef, Place
from sae_checks.records.ranges import PositionRanges, in_context_range, past_context_range
from sae_checks.records.selectors import POSITIONS

NAME = EVALUATION.name

# The whole of a regime, from the training context and the measured one; None where it is empty.
_Regime = Callable[[int | None, int], PositionRange | None]
_Ranges = Callable[[PositionRanges], tuple[PositionRange, ...]]
# Whether an SAE is asked at all, measured up to so many positions.
_Fits = Callable[[SaeRef, int], bool]


def text_cell(
    selector: CellSelector, check: Check, sae: SaeRef, place: Place, dataset: str = TEXTS
) -> Cell:
    """An SAE on texts, in the positions of a place, or in all where it names none.

    Raises:
        UnmeasuredError: the SAE was not measured on texts, or not all that the check needs.
    """
    table = selector.measurement.find(ContextTable, dataset, sae.sae_id)
    if table is None:
        where = "on texts" if dataset == TEXTS else "on the second corpus"
        raise selector.unmeasured(sae, where)
    refuse_less(check, sae.sae_id, check.needs & NEEDS, table.measured)
    positions = place.get("positions") or PositionRange(1, selector.measurement.context - 2)
    coverage = selector.coverage_of(table.complete)
    return Cell(place, table, positions, check.name, selector.thresholds, coverage)


def on_the_same_texts(
    selector: CellSelector, check: Check, saes: Sequence[SaeRef]
) -> tuple[Cell, ...]:
    """SAEs may have been measured on more or fewer of the same texts: those that all have.

    Raises:
        UnmeasuredError: any of the SAEs was not measured on texts.
    """
    release = selector.measurement.release.name
    cells = [text_cell(selector, check, sae, Place.of_sae(release, sae)) for sae in saes]
    fewest = min((cell.table.texts for cell in cells), default=0)
    part = selector.coverage_of(False)
    return tuple(
        cell
        if cell.table.texts == fewest
        else replace(cell, table=cell.table.keep(slice(fewest)), coverage=part)
        for cell in cells
    )


def _in_a_regime(
    regime: _Regime, ranges: _Ranges, collector: CellCollector, check: Check
) -> Iterable[CellRef]:
    """Of each SAE the claim over a whole regime, then the ranges of positions within it."""
    for sae in collector.release.saes:
        whole = regime(sae.training_context, collector.context)
        if whole is None:
            continue
        place = Place.of_sae(collector.release.name, sae)
        yield CellRef(check.cells, place.at(POSITIONS, whole), (sae,))
        for each in ranges(collector.ranges[sae.sae_id]):
            if each != whole:
                yield CellRef(check.cells, place.at(POSITIONS, each), (sae,), family="range")


def _per_sae(collector: CellCollector, check: Check) -> Iterable[CellRef]:
    name = collector.release.name
    for sae in collector.saes_for(check):
        yield CellRef(check.cells, Place.of_sae(name, sae), (sae,))


def _over_training(fits: _Fits, collector: CellCollector, check: Check) -> Iterable[CellRef]:
    """Of each SAE that is fit to be asked, the claim over its training context."""
    for sae in collector.release.saes:
        if fits(sae, collector.context):
            place = Place.of_sae(collector.release.name, sae)
            inside = in_context_range(sae.training_context, collector.context)
            yield CellRef(check.cells, place.at(POSITIONS, inside), (sae,))


def _has_ranges(sae: SaeRef, context: int) -> bool:
    return len(ranges_of(sae.training_context, context)) > 1


def _is_not_shrunk(sae: SaeRef, context: int) -> bool:
    return not is_shrunk(sae.trained_as)


def _decodes_features(sae: SaeRef, context: int) -> bool:
    """Whether its reconstructions are what encoder and decoder make of features that they fit.

    A temporal SAE's hold what it predicts from earlier tokens, too; matching pursuit has no encoder
    that training brings to rest.
    """
    return sae.trained_as not in ("temporal", "matching_pursuit")


def _one(collector: CellCollector, check: Check) -> Iterable[CellRef]:
    if collector.have_a_trend(check):
        yield CellRef(check.cells, Place.of_release(collector.release.name))


def _given_sae(selector: CellSelector, check: Check, ref: CellRef) -> Cell:
    (sae,) = ref.saes
    return text_cell(selector, check, sae, ref.place)


def _given_release(selector: CellSelector, check: Check, ref: CellRef) -> ReleaseCell:
    return ReleaseCell(on_the_same_texts(selector, check, selector.measurement.release.saes))


def _evaluations(check: Check) -> frozenset[str]:
    return frozenset({NAME})


def _inside(ranges: PositionRanges) -> tuple[PositionRange, ...]:
    return ranges.in_context


def _past(ranges: PositionRanges) -> tuple[PositionRange, ...]:
    return ranges.past_context


IN_CONTEXT = CellKind(
    "in_context",
    partial(_in_a_regime, in_context_range, _inside),
    _given_sae,
    _evaluations,
    ranges=_inside,
)
PAST_CONTEXT = CellKind(
    "past_context",
    partial(_in_a_regime, past_context_range, _past),
    _given_sae,
    _evaluations,
    ranges=_past,
)
EVENNESS = CellKind("evenness", partial(_over_training, _has_ranges), _given_sae, _evaluations)
IN_TRAINING = CellKind(
    "in_training", partial(_over_training, _decodes_features), _given_sae, _evaluations
)
SHRINKAGE = CellKind("shrinkage", partial(_over_training, _is_not_shrunk), _given_sae, _evaluations)
WHOLE_SAE = CellKind("sae", _per_sae, _given_sae, _evaluations)
WHOLE_RELEASE = CellKind("release", _one, _given_release, _evaluations, whole_release=True)

CONTEXT = Registration(
    (IN_CONTEXT, PAST_CONTEXT, WHOLE_SAE, WHOLE_RELEASE, EVENNESS, IN_TRAINING, SHRINKAGE),
    EVALUATION,
)
