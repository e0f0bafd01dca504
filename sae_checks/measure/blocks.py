"""Where blocks end, and where measuring goes on from what is stored.

After each block the stopping rule is asked which SAEs need more. A block is measured part by part,
and each part is stored at once: a run that was stopped goes on from the last whole part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from sae_checks.records import IntArray

# The first look is after so many texts or items, as fewer independent units decide nothing
# (judge/verdict.py).
FIRST_TEXTS, FIRST_ITEMS = 64, 100
# Each further look is when there is that much more. A look costs judging, and nothing in error.
GROWTH = 1.3


def schedule(size: int, first: int) -> list[int]:
    """Where blocks end: first, 1.3 · first, 1.69 · first, ..., size."""
    stops = []
    stop = float(first)
    while int(stop) < size:
        stops.append(int(stop))
        stop = max(stop * GROWTH, stop + 1)
    return [*stops, size]


def leading(units: IntArray) -> int:
    """How many units, from the first on, are there without a gap; they are in rising order."""
    gaps = np.flatnonzero(units != np.arange(len(units)))
    return int(gaps[0]) if len(gaps) else len(units)


def looked_at(units: IntArray, looks: Iterable[int]) -> int:
    """How many units, from the first on, the last look may have been at.

    A block's parts hold its shortest items first, so that the units of half a block are no sample:
    the stopping rule is shown none of them.
    """
    there = leading(units)
    return max((look for look in looks if look <= there), default=0)


@dataclass(frozen=True)
class Remaining:
    """What is left to be measured up to a block's end.

    Attributes:
        start: where the block under way begins; -1 where the units that are there are of no block.
        end: where it ends.
        parts: those not measured yet.
    """

    start: int
    end: int
    parts: tuple[IntArray, ...]

    @property
    def key(self) -> tuple[int, int, int]:
        """Equal where the same is left."""
        return self.start, self.end, sum(len(part) for part in self.parts)


def remaining(
    units: IntArray, stop: int, looks: Iterable[int], parts: Callable[[int, int], list[IntArray]]
) -> Remaining:
    """The parts that are left up to `stop`, given the units that are there.

    A block begins where an earlier one ended, and its parts are measured in order. Which block was
    under way shows in the units themselves: all before it are there, and of it the first few parts.
    One of another run, which asked at other times, is measured to its own end, before `stop` or
    beyond.

    Args:
        units: those measured, in rising order.
        stop: up to where.
        looks: where blocks may have begun and ended, apart from the beginning.
        parts: of a stretch of units.
    """
    whole, known = leading(units), sorted(set(looks))
    if whole >= stop:
        return Remaining(stop, stop, ())
    starts = [start for start in sorted({0, whole, *known}) if start <= whole]
    for end in (stop, *(look for look in known if look != stop)):
        for start in starts:
            if start < end and not (units >= end).any():
                left = _left(units[units >= start], parts(start, end))
                if left is not None:
                    later = parts(end, stop) if end < stop else []
                    return Remaining(start, end, (*left, *later))
    return Remaining(-1, stop, ())


def _left(inside: IntArray, parts: list[IntArray]) -> list[IntArray] | None:
    """The parts of a block after those that are there; None where it is not whole ones."""
    left, there = list(parts), set(inside.tolist())
    while left and there and there.issuperset(left[0].tolist()):
        there -= set(left.pop(0).tolist())
    return None if there else left
