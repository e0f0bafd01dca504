"""What an evaluation registers: its kinds of cells, and the selectors that it adds to places."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from sae_checks.judge.check import Check
from sae_checks.judge.thresholds import Gate, Limit
from sae_checks.measure.evaluation import Evaluation
from sae_checks.records import TEXTS, PositionRange, Release
from sae_checks.records.place import CellRef, Kind
from sae_checks.records.ranges import PositionRanges
from sae_checks.records.selectors import Selector

if TYPE_CHECKING:
    from sae_checks.evals.collect import CellCollector
    from sae_checks.evals.selector import CellSelector


class AnyCell(Protocol):
    """What a check's function is given, as far as judging has to know it."""

    def limit(self) -> Limit:
        """What the cell is held to by its check."""


def _once(gate: Gate, saes: int) -> int:
    return 1


def _no_ranges(ranges: PositionRanges) -> Sequence[PositionRange]:
    return ()


@dataclass(frozen=True)
class CellKind:
    """A kind of cells: which there are, what they are given, and how they are judged together.

    Attributes:
        name: as in @check(cells=...).
        refs: the cells that a check has, in their order: claims before the ranges within them.
        given: what a check's function gets to see of a measurement; raises `UnmeasuredError` where
            what the check needs could not be measured.
        evaluations: names of those whose tables a check needs.
        whole_release: whether the cells are about all SAEs of a release together.
        of_positions: whether a cell that names no positions is about all that were measured.
        texts: the data sets of texts that its cells are cut from, where they are cut from texts.
        parts: how many equal parts of an SAE's error (of the release's, where the cells are of the
            whole release) a check takes: as many as it may have cells there; given the gate, and
            how many SAEs the release has.
        ranges: those of an SAE's position ranges that stand beside a claim.
        of_tables: whether its cells see nothing of a measurement but release, context, tables and
            failures; others see the manifest, which is not there before all is measured.
    """

    name: str
    refs: Callable[[CellCollector, Check], Iterable[CellRef]] = field(repr=False)
    given: Callable[[CellSelector, Check, CellRef], AnyCell] = field(repr=False)
    evaluations: Callable[[Check], frozenset[str]] = field(repr=False)
    whole_release: bool = False
    of_positions: bool = True
    texts: tuple[str, ...] = (TEXTS,)
    parts: Callable[[Gate, int], int] = field(default=_once, repr=False)
    ranges: Callable[[PositionRanges], Sequence[PositionRange]] = field(
        default=_no_ranges, repr=False
    )
    of_tables: bool = True


def _nothing_to_note(release: Release, stored: Collection[str] | None) -> str:
    return ""


@dataclass(frozen=True)
class Registration:
    """An evaluation as `evals/registry.py` lists it.

    Attributes:
        kinds: of cells.
        evaluation: what is measured for them, whose name stands in `CellKind.evaluations`; None
            where they are cut from the tables of other evaluations alone.
        selectors: which the places of these cells have beside those of `records/selectors.py`.
        note: what the start of a run says of how a release's SAEs are put together for these cells;
            "" where that goes without saying. It is given the release, and the interventions
            that are stored where a part of what was measured is judged (`CellCollector.stored`).
    """

    kinds: tuple[CellKind, ...]
    evaluation: Evaluation | None = None
    selectors: tuple[Selector, ...] = ()
    note: Callable[[Release, Collection[str] | None], str] = _nothing_to_note


def kind_of(kind: Kind) -> CellKind:
    """The whole of the kind of a check or of a cell."""
    assert isinstance(kind, CellKind), "checks and cells are made with the kinds of evaluations"
    return kind


def evaluations_of(check: Check) -> frozenset[str]:
    """Names of the evaluations whose tables a check needs."""
    return kind_of(check.cells).evaluations(check)
