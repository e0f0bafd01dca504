"""An estimate, and how its interval follows from its standard error.

Intervals are two-sided, value ± reach · standard error; `coverage.py` says how far they reach, at
n - 1 degrees of freedom for n independent units. Where a few of them carry much of a sum, that
falls short on the side of the long tail, which is moved out by

    standard error · [ δ (2 reach² + 1)/6 + δ² reach (5 reach² + 3)/27 ],
    δ = 2 · |skewness of the influences|/√n.

These are the first two terms of how far the interval of Hall (1992), "On the removal of skewness by
transformation", Journal of the Royal Statistical Society B 54(1), reaches at a skewness of δ√n. The
skewness counts twice (`SHORTFALL`), since that of a sample falls short where a tail is long: the
units that make the tail are just those that a sample lacks. The other end, which the transformation
would move in, stays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sae_checks.judge.coverage import Coverage
from sae_checks.records import FloatArray, IntArray

Note = tuple[str, float | int | str]
# The note that says of which part of its cell a figure is: summaries show it beside the figure.
WHERE = "where"

# By how much the skewness of a sample is multiplied. At 1, and to first order, a release at its
# limits whose texts are lognormal (a skewness of 3) fails in 7% to 24% of runs, and a claim at its
# margin's end passes in up to 7%; at 2 in no more than 5% (tests/simulations).
SHORTFALL = 2.0


@dataclass(frozen=True)
class Spread:
    """What an interval of any coverage takes, beside a value and its standard error.

    Attributes:
        units: independent ones with data, two or more.
        skewness: of their influences.
        anytime: whether the sample may still grow.
        lowest: what the value cannot fall below: intervals are cut there.
        highest: what it cannot exceed.
    """

    units: int
    skewness: float
    anytime: bool = False
    lowest: float = -math.inf
    highest: float = math.inf

    def ends(self, value: float, error: float, coverage: Coverage) -> tuple[float, float]:
        """Of the interval around a value with this standard error."""
        reach = coverage.reach(self.units - 1, self.units)
        below = reach + further(reach, max(-self.skewness, 0.0), self.units)
        above = reach + further(reach, max(self.skewness, 0.0), self.units)
        return max(value - below * error, self.lowest), min(value + above * error, self.highest)


@dataclass(frozen=True)
class Estimate:
    """A measured value with its confidence interval and what it rests on."""

    value: float  # NaN where it could not be measured: then `reason` says why
    low: float  # ends of the two-sided interval, which verdicts are made of
    high: float
    standard_error: float  # NaN where the interval does not come from one
    texts: int
    tokens: int
    reason: str = ""
    notes: tuple[Note, ...] = ()  # further figures for the report
    # What `texts` counts. Of items, `tokens` are those of their prompts.
    unit_name: str = "text"
    # How many of them are independent, where that is not all: documents that items were made of.
    clusters: int | None = None
    # Whether it is the clean model that gives no ground for a value, whatever the SAE does.
    inapplicable: bool = False
    # (units of the data set,) how much the value moves with each independent unit, to first order;
    # 0 for one without data here. None where that is not known. It is the value's own: whoever
    # changes the value has to change it likewise, or to leave it out.
    influence: FloatArray | None = field(default=None, compare=False, repr=False)
    # How much the value would move with one unit that changes, of what changes seldom: that none
    # of n does is no proof that none would. 0 elsewhere.
    unseen: float = 0.0
    # None where the interval comes from more than value and standard error, or where whether there
    # is a value at all depends on how sure one has to be.
    spread: Spread | None = field(default=None, compare=False, repr=False)
    # (parts,) on how many units each part of what is counted was seen, such as each feature of an
    # SAE, where the parts of two measurements can be compared one by one.
    seen: IntArray | None = field(default=None, compare=False, repr=False)

    @property
    def units(self) -> int:
        """How many independent units it rests on."""
        return self.texts if self.clusters is None else self.clusters

    def changed(self, **changes: Any) -> Estimate:
        """The same but for some attributes, as `dataclasses.replace` gives it.

        That takes four times as long, and each cell of a release makes several.
        """
        if not changes.keys() <= self.__dict__.keys():
            raise TypeError(
                f"an estimate has no {', '.join(changes.keys() - self.__dict__.keys())}"
            )
        made = object.__new__(Estimate)
        made.__dict__.update(self.__dict__, **changes)
        return made

    def at(self, coverage: Coverage) -> Estimate | None:
        """The same with an interval as sure as another coverage; None where that is not known."""
        if self.spread is None:
            return None
        sure = coverage.on_the_way() if self.spread.anytime else coverage.at_the_end()
        low, high = self.spread.ends(self.value, self.standard_error, sure)
        return self.changed(low=low, high=high)

    def within(self, lowest: float, highest: float) -> Estimate:
        """The same of what cannot lie beyond: its interval is cut there."""
        spread = self.spread
        if spread is not None:
            spread = replace(spread, lowest=lowest, highest=highest)
        low, high = max(self.low, lowest), min(self.high, highest)
        return self.changed(low=low, high=high, spread=spread)

    def affine(self, slope: float, intercept: float = 0.0) -> Estimate:
        """Of slope · value + intercept, slope other than 0."""
        ends = (intercept + slope * self.low, intercept + slope * self.high)
        spread = self.spread
        if spread is not None:
            lowest, highest = sorted(intercept + slope * e for e in (spread.lowest, spread.highest))
            skewness = math.copysign(1.0, slope) * spread.skewness
            spread = replace(spread, skewness=skewness, lowest=lowest, highest=highest)
        return self.changed(
            value=intercept + slope * self.value,
            low=min(ends),
            high=max(ends),
            standard_error=abs(slope) * self.standard_error,
            influence=None if self.influence is None else slope * self.influence,
            unseen=abs(slope) * self.unseen,
            spread=spread,
        )

    def with_notes(self, **notes: float | int | str) -> Estimate:
        """The same estimate with further figures for the report."""
        return self.changed(notes=(*self.notes, *notes.items()))


def undefined(reason: str, texts: int = 0, tokens: int = 0) -> Estimate:
    """The estimate of something that could not be measured."""
    return Estimate(math.nan, math.nan, math.nan, math.nan, texts, tokens, reason)


def inapplicable(reason: str, texts: int = 0, tokens: int = 0) -> Estimate:
    """The estimate of something that the clean model gives no ground for, whatever the SAE does.

    Such as the share that is kept of a logit difference which the clean model does not have. More
    texts or items may yet show one.
    """
    return undefined(reason, texts, tokens).changed(inapplicable=True)


def further(reach: float, tail: float, texts: int) -> float:
    """By how many standard errors the end beyond a tail of this skewness (>= 0) is moved out."""
    return moved_out(reach, SHORTFALL * tail / math.sqrt(texts))


def moved_out(reach: float, delta: float) -> float:
    """By how many standard errors an end is moved out at δ (>= 0)."""
    return delta * (2 * reach**2 + 1) / 6 + delta**2 * reach * (5 * reach**2 + 3) / 27


def skewness(influence: FloatArray, texts: int, squares: float | None = None) -> float:
    """Of the influences, which sum to 0; 0 where two texts, or equal ones, have none.

    Texts without data have an influence of 0 and so add nothing.

    Args:
        influence: (texts and more,).
        texts: those with data.
        squares: Σ influence², where it is known already.
    """
    squares = float(np.square(influence).sum()) if squares is None else squares
    spread = squares / (texts - 1)
    if texts < 3 or spread == 0:
        return 0.0
    third = float(((influence / math.sqrt(spread)) ** 3).sum())
    return third * texts / ((texts - 1) * (texts - 2))
