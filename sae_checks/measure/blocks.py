"""Measuring block by block: SAEs that need no more texts (or items) drop out of the later ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from sae_checks.records import SaeRef

# The first look is after so many, as fewer independent units decide nothing (judge/verdict.py);
# each further one when there are that much more. A look costs judging, and nothing in error.
FIRST_TEXTS, FIRST_ITEMS, GROWTH = 64, 100, 1.3

Table = TypeVar("Table")


class OfSae(Protocol):
    """An SAE to measure, loaded or not."""

    @property
    def ref(self) -> SaeRef:
        """Which one it is."""


Sae = TypeVar("Sae", bound=OfSae)


def schedule(size: int, first: int) -> list[int]:
    """Where blocks end: first, 1.3 · first, 1.69 · first, ..., size."""
    stops = []
    stop = float(first)
    while int(stop) < size:
        stops.append(int(stop))
        stop = max(stop * GROWTH, stop + 1)
    return [*stops, size]


@dataclass(frozen=True)
class Blocks(Generic[Sae, Table]):
    """What growing tables takes, of texts or of items.

    Attributes:
        size: how many texts or items there are.
        first: how many the first block has.
        length: how many a table has.
        measure: some SAEs on a stretch of them.
        join: two tables of one SAE, one after the other.
        unsettled: which SAEs need more than they have, by SAE id; asked before every block.
        progress: told how many of all SAEs' texts or items are dealt with: measured or not needed.
    """

    size: int
    first: int
    length: Callable[[Table], int]
    measure: Callable[[Sequence[Sae], slice], Mapping[str, Table]]
    join: Callable[[Table, Table], Table]
    unsettled: Callable[[], Set[str]]
    progress: Callable[[int], None]

    def grow(self, tables: dict[str, Table], saes: Sequence[Sae]) -> None:
        """Let the SAEs' tables grow, in place, until each is settled or has all there is."""
        done = {sae.ref.sae_id: self._length(tables, sae) for sae in saes}
        for stop in schedule(self.size, self.first):
            wanted = self.unsettled()
            behind = [s for s in saes if s.ref.sae_id in wanted and done[s.ref.sae_id] < stop]
            # SAEs that an earlier run took further are measured from there.
            for start in sorted({done[sae.ref.sae_id] for sae in behind}):
                some = [sae for sae in behind if done[sae.ref.sae_id] == start]
                for sae_id, table in self.measure(some, slice(start, stop)).items():
                    tables[sae_id] = self.join(tables[sae_id], table) if start else table
                    done[sae_id] = stop
        self.progress(sum(self.size - length for length in done.values()))

    def _length(self, tables: Mapping[str, Table], sae: Sae) -> int:
        table = tables.get(sae.ref.sae_id)
        return 0 if table is None else self.length(table)
