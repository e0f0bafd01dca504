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


@dataclass(frozen=True)
class Remaining:
    """What is left of a block.

    Attributes:
        start: where the block begins; -1 where the units that are there are of no block.
        parts: those not measured yet.
    """

    start: int
    parts: tuple[IntArray, ...]

    @property
    def key(self) -> tuple[int, int]:
        """Equal where the same is left."""
        return self.start, sum(len(part) for part in self.parts)


def remaining(
    units: IntArray, stop: int, starts: Iterable[int], parts: Callable[[int, int], list[IntArray]]
) -> Remaining:
    """The parts of the block ending at `stop` that are left, given the units that are there.

    A block begins where an earlier one ended, and its parts are measured in order. Which block was
    under way shows in the units themselves: all before it are there, and of it the first few parts.

    Args:
        units: those measured, in rising order.
        stop: where the block ends.
        starts: where it may have begun, apart from the beginning.
        parts: of a stretch of units.
    """
    whole = leading(units)
    if whole >= stop:
        return Remaining(stop, ())
    for start in sorted({0, whole, *starts}):
        if start > whole or start > stop:
            continue
        inside, found = set(units[units >= start].tolist()), parts(start, stop)
        while found and inside and set(found[0].tolist()) <= inside:
            inside -= set(found.pop(0).tolist())
        if not inside:
            return Remaining(start, tuple(found))
    return Remaining(-1, ())
