"""A made-up evaluation of pairs of SAEs: all that one has to be, outside the package."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from sae_checks.evals.collect import CellCollector
from sae_checks.evals.context.cells import Cell
from sae_checks.evals.context.kinds import text_cell
from sae_checks.evals.kind import CellKind, Registration
from sae_checks.evals.selector import CellSelector
from sae_checks.judge.check import Check
from sae_checks.judge.estimate import Estimate
from sae_checks.judge.thresholds import Gate, Limit
from sae_checks.records.place import CellRef, Place
from sae_checks.records.selectors import Selector


@dataclass(frozen=True)
class Pair:
    """The ids of two SAEs."""

    upstream: str
    downstream: str

    def __str__(self) -> str:
        return f"{self.upstream}->{self.downstream}"


def _renamed(pair: Pair, matches: Mapping[str, str]) -> Pair | None:
    if {pair.upstream, pair.downstream} <= matches.keys():
        return Pair(matches[pair.upstream], matches[pair.downstream])
    return None


PAIR = Selector("pair", properties=(("pair", str),), renamed=_renamed)


@dataclass(frozen=True)
class PairCell:
    """Two SAEs on the same texts."""

    upstream: Cell
    downstream: Cell
    place: Place

    def limit(self) -> Limit:
        """What the pair is held to by its check."""
        return self.downstream.thresholds.limit(self.downstream.check, self.place)

    def delta_ce(self) -> Estimate:
        """Of the downstream SAE."""
        return self.downstream.mean_difference("ce_sae", "ce_clean")


def _pairs(collector: CellCollector, check: Check) -> Iterable[CellRef]:
    release = collector.release
    for saes in pairwise(release.saes):
        pair = Pair(*(sae.sae_id for sae in saes))
        yield CellRef(check.cells, Place.of_release(release.name).at(PAIR, pair), saes)


def _given(selector: CellSelector, check: Check, ref: CellRef) -> PairCell:
    release = selector.measurement.release.name
    cells = [text_cell(selector, check, sae, Place.of_sae(release, sae)) for sae in ref.saes]
    return PairCell(*cells, ref.place)


def _evaluations(check: Check) -> frozenset[str]:
    return frozenset({"context"})


def _per_neighbour(gate: Gate, saes: int) -> int:
    return saes - 1


OF_PAIRS = CellKind("pair", _pairs, _given, _evaluations, parts=_per_neighbour)
PAIRS = Registration((OF_PAIRS,), selectors=(PAIR,))
