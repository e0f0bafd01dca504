"""Estimates of two independent samples: what a second corpus has against the first.

Each sample gives an estimate with the influences of its own units. What is made of both, a
difference or a ratio, moves with either by its slope there, and since the samples are independent
their squared standard errors add up:

    standard error² = s₁² + s₂²,     s_k² = slope_k² · n_k/(n_k − 1) · Σ influence²

at the degrees of freedom of Welch (1947), "The generalization of 'Student's' problem when several
different population variances are involved", Biometrika 34(1-2):

    ν = (s₁² + s₂²)² / (s₁⁴/(n₁ − 1) + s₂⁴/(n₂ − 1)).

A long tail moves an end of the interval out as that of one sample does (`estimate.py`), by
δ = 2 · Σ |skewness_k| / √n_k · (s_k / standard error)³ over the samples whose tail is on that side:
skewnesses of unlike sign do not cancel, as neither of them is known well.

**While a sample grows.** The second sample is measured whole before the first one is looked at, so
the looks are at the first alone, and an interval on the way reaches as far as one of so many units
of the first. That is enough: what the second sample adds to every look is the same, so that looks
are more alike than those at a single sample, and by Slepian's inequality the chance that any of
them errs is less.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from sae_checks.judge.coverage import Coverage
from sae_checks.judge.estimate import (
    SHORTFALL,
    Estimate,
    inapplicable,
    moved_out,
    skewness,
    undefined,
)
from sae_checks.records import FloatArray


@dataclass(frozen=True)
class _Sample:
    """What one sample does to the value: the influences of its units, of which n have data."""

    influence: FloatArray
    units: int

    @property
    def squared_error(self) -> float:
        """s_k²."""
        return self.units / (self.units - 1) * float(np.square(self.influence).sum())

    @property
    def tail(self) -> float:
        """The skewness of the sampling distribution, as far as that of the sample tells it."""
        return skewness(self.influence, self.units) / math.sqrt(self.units)


def difference_of_samples(first: Estimate, second: Estimate, coverage: Coverage) -> Estimate:
    """The difference second − first; slopes −1 and 1."""
    if problem := _problem(first, second):
        return problem
    return _of_samples(second.value - first.value, (first, -1.0), (second, 1.0), coverage)


def ratio_of_samples(first: Estimate, second: Estimate, coverage: Coverage) -> Estimate:
    """The ratio r = second/first; slopes −r/first and 1/first; undefined where first is not > 0."""
    if problem := _problem(first, second):
        return problem
    if not first.value > 0:
        return undefined("the value compared with is not above 0", *_least(first, second))
    ratio = second.value / first.value
    slopes = -ratio / first.value, 1 / first.value
    return _of_samples(ratio, (first, slopes[0]), (second, slopes[1]), coverage)


def _problem(first: Estimate, second: Estimate) -> Estimate | None:
    """Why nothing can be made of two estimates; None where something can."""
    for one in (first, second):
        if math.isnan(one.value):
            told = inapplicable if one.inapplicable else undefined
            return told(one.reason, one.texts, one.tokens)
        if one.influence is None:
            return undefined("an influence of each document is not known", one.texts, one.tokens)
    return None


def _of_samples(
    value: float, first: tuple[Estimate, float], second: tuple[Estimate, float], coverage: Coverage
) -> Estimate:
    """The estimate; it counts what each of its samples has at least."""
    parts = []
    for estimate, slope in (first, second):
        assert estimate.influence is not None, "looked at before"
        parts.append(_Sample(slope * estimate.influence, estimate.units))
    units, (texts, tokens) = min(part.units for part in parts), _least(first[0], second[0])
    made = Estimate(
        value,
        -math.inf,
        math.inf,
        math.inf,
        texts,
        tokens,
        clusters=None if units == texts else units,
        influence=np.concatenate([part.influence for part in parts]),
    )
    if units < 2:
        return made
    squares = [part.squared_error for part in parts]
    error = math.sqrt(sum(squares))
    reach = coverage.reach(_degrees(squares, [part.units for part in parts]), parts[0].units)
    cubes = [(square / error**2) ** 1.5 if error else 0.0 for square in squares]
    tails = [part.tail * cube for part, cube in zip(parts, cubes, strict=True)]
    below, above = (
        reach + moved_out(reach, SHORTFALL * sum(max(sign * tail, 0.0) for tail in tails))
        for sign in (-1, 1)
    )
    return replace(
        made, low=value - below * error, high=value + above * error, standard_error=error
    )


def _degrees(squares: list[float], units: list[int]) -> float:
    """ν; where neither sample varies, those of the smaller one."""
    below = sum(square**2 / (n - 1) for square, n in zip(squares, units, strict=True))
    return sum(squares) ** 2 / below if below else min(units) - 1


def _least(first: Estimate, second: Estimate) -> tuple[int, int]:
    """So many texts and tokens each sample has at least."""
    return min(first.texts, second.texts), min(first.tokens, second.tokens)
