"""Many cells judged at once: what `judge` and `settled` say of each, by arrays.

`test_looks.py` holds it to them, cell by cell. Values here are in any unit, limits too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sae_checks.judge.coverage import Coverage
from sae_checks.judge.estimate import further
from sae_checks.judge.thresholds import Limit
from sae_checks.measure.blocks import FIRST_TEXTS, schedule
from sae_checks.records import FloatArray
from sae_checks.session.stopping import BENEFIT_OF_DOUBT

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Looks:
    """What is known of cells at each look; arrays of shape (cells, looks)."""

    value: FloatArray
    error: FloatArray  # standard
    skewness: FloatArray
    stops: tuple[int, ...]  # texts at each look

    def moved(self, by: float) -> Looks:
        """The same cells with another true value."""
        return replace(self, value=self.value + by)

    def mirrored(self) -> Looks:
        """The same cells with the other sign: a `min` becomes a `max`."""
        return replace(self, value=-self.value, skewness=-self.skewness)


@dataclass(frozen=True)
class Outcome:
    """How each of the cells (cells,) ends by itself."""

    failed: Bools
    passed: Bools
    texts: NDArray[np.int_]  # how many were measured for it


@dataclass(frozen=True)
class LimitedCell:
    """What cells are held to: a limit, and the error with which each end may be wrong.

    Attributes:
        limit: with a `max` alone.
        shared: of a fail, by cell or of all.
        own: of a pass.
    """

    limit: Limit
    shared: float
    own: float = 0.05


def stops_of(texts: int, growing: bool) -> tuple[int, ...]:
    """After how many texts the cells are looked at."""
    return tuple(schedule(texts, FIRST_TEXTS)) if growing else (texts,)


def look(texts: FloatArray, stops: tuple[int, ...]) -> Looks:
    """Means of texts of equal length, (cells, texts), at each look."""
    starts, n = np.array([0, *stops[:-1]]), np.array(stops, dtype=float)
    powers = (texts, texts**2, texts * texts**2)
    first, second, third = (
        np.add.reduceat(each, starts, axis=1).cumsum(axis=1) / n for each in powers
    )
    variance = np.maximum(second - first**2, 1e-300)
    skewness = (third - 3 * first * second + 2 * first**3) / variance**1.5
    unbiased = np.sqrt(n * (n - 1)) / (n - 2)
    return Looks(first, np.sqrt(variance / (n - 1)), unbiased * skewness, stops)


def reach(error: float, stops: tuple[int, ...], growing: bool) -> list[float]:
    """Of one end of the interval at each look, in standard errors."""
    whole = Coverage.one_sided(error, stopping=growing)
    spent = [whole.on_the_way()] * (len(stops) - 1) + [whole.at_the_end()]
    return [one.reach(stop - 1, stop) for one, stop in zip(spent, stops, strict=True)]


def judged(looks: Looks, held: LimitedCell, growing: bool) -> tuple[Bools, Bools]:
    """Whether each cell fails, and whether it passes, at each look: (cells, looks)."""
    own, shared = (reach(error, looks.stops, growing) for error in (held.own, held.shared))
    fails, passes = np.zeros((2, *looks.value.shape), dtype=bool)
    assert held.limit.max is not None
    for k, stop in enumerate(looks.stops):
        value, error, skewness = looks.value[:, k], looks.error[:, k], looks.skewness[:, k]
        below = shared[k] + further(shared[k], np.maximum(-skewness, 0), stop)
        above = own[k] + further(own[k], np.maximum(skewness, 0), stop)
        fails[:, k] = value - below * error > held.limit.max
        passes[:, k] = value + above * error <= held.limit.max + held.limit.margin
    return fails, passes & ~fails


def settled(looks: Looks, held: LimitedCell, fails: Bools, passes: Bools) -> Bools:
    """Whether measuring would stop, by each cell alone: (cells, looks), always at the last."""
    last = looks.stops[-1]
    own, shared = (reach(error, looks.stops, True)[-1] for error in (held.own, held.shared))
    assert held.limit.max is not None
    excess, doubt = looks.value - held.limit.max, BENEFIT_OF_DOUBT * looks.error
    error = looks.error * np.sqrt(np.array(looks.stops) / last)
    may_pass = excess - doubt + own * error <= held.limit.margin
    may_fail = excess + doubt - shared * error > 0
    stops: Bools = fails | (~may_fail & (passes | ~may_pass))
    stops[:, -1] = True
    return stops


def run(looks: Looks, held: LimitedCell, growing: bool) -> Outcome:
    """Measure each cell until it is settled, and judge it there."""
    fails, passes = judged(looks, held, growing)
    at = settled(looks, held, fails, passes).argmax(axis=1) if growing else -1
    rows = np.arange(len(fails))
    return Outcome(fails[rows, at], passes[rows, at], np.array(looks.stops)[at] + 0 * rows)
