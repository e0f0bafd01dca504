"""Estimates and their intervals, from sums per text.

The independent unit is the text, or the document where texts share some (both are called texts
here), never the token: tokens of one document are alike, so counting them as independent would
make every interval far too narrow. Every estimate here is a function of per-text sums. Its standard
error comes from linearisation: the *influence* of a text is how much the estimate moves with that
text's sums, to first order; the influences add up to 0, and

    standard error = sqrt( n/(n-1) · Σ influence² ),     n texts with data.

Intervals are two-sided, value ± reach · standard error; `coverage.py` says how far they reach, at
n - 1 degrees of freedom. Where a few texts carry much of a sum, that falls short on the side of the
long tail, which is moved out by

    standard error · [ δ (2 reach² + 1)/6 + δ² reach (5 reach² + 3)/27 ],
    δ = 2 · |skewness of the influences|/√n.

These are the first two terms of how far the interval of Hall (1992), "On the removal of skewness by
transformation", Journal of the Royal Statistical Society B 54(1), reaches at a skewness of δ√n. The
skewness counts twice (`SHORTFALL`), since that of a sample falls short where a tail is long: the
texts that make the tail are just those that a sample lacks. The other end, which the transformation
would move in, stays. One text says nothing about the spread between texts, so its interval is
(-inf, inf).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike

from sae_checks.judge.coverage import Coverage
from sae_checks.judge.ranks import spearman, why_unranked
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

    def at(self, coverage: Coverage) -> Estimate | None:
        """The same with an interval as sure as another coverage; None where that is not known."""
        if self.spread is None:
            return None
        sure = coverage.on_the_way() if self.spread.anytime else coverage.at_the_end()
        low, high = self.spread.ends(self.value, self.standard_error, sure)
        return replace(self, low=low, high=high)

    def within(self, lowest: float, highest: float) -> Estimate:
        """The same of what cannot lie beyond: its interval is cut there."""
        spread = self.spread
        if spread is not None:
            spread = replace(spread, lowest=lowest, highest=highest)
        low, high = max(self.low, lowest), min(self.high, highest)
        return replace(self, low=low, high=high, spread=spread)

    def affine(self, slope: float, intercept: float = 0.0) -> Estimate:
        """Of slope · value + intercept, slope other than 0."""
        ends = (intercept + slope * self.low, intercept + slope * self.high)
        spread = self.spread
        if spread is not None:
            lowest, highest = sorted(intercept + slope * e for e in (spread.lowest, spread.highest))
            skewness = math.copysign(1.0, slope) * spread.skewness
            spread = replace(spread, skewness=skewness, lowest=lowest, highest=highest)
        return replace(
            self,
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
        return replace(self, notes=(*self.notes, *notes.items()))


def undefined(reason: str, texts: int = 0, tokens: int = 0) -> Estimate:
    """The estimate of something that could not be measured."""
    return Estimate(math.nan, math.nan, math.nan, math.nan, texts, tokens, reason)


def inapplicable(reason: str, texts: int = 0, tokens: int = 0) -> Estimate:
    """The estimate of something that the clean model gives no ground for, whatever the SAE does.

    Such as the share that is kept of a logit difference which the clean model does not have. More
    texts or items may yet show one.
    """
    return replace(undefined(reason, texts, tokens), inapplicable=True)


def ratio_of_sums(
    numerators: ArrayLike, denominators: ArrayLike, tokens: ArrayLike, coverage: Coverage
) -> Estimate:
    """Ratio r = Σ numerators / Σ denominators; each array holds one sum per text.

    With token counts as denominators this is the mean over all tokens. Influence of text i:
    (numerator_i - r · denominator_i) / Σ denominators. Texts without tokens are left out.
    """
    counts = _float64(tokens)
    present = counts > 0
    top, bottom = _float64(numerators)[present], _float64(denominators)[present]
    texts, total_tokens, total = int(present.sum()), int(counts.sum()), float(bottom.sum())
    if texts == 0:
        return undefined("no tokens were measured")
    if total == 0:
        return undefined("the denominator sums to 0", texts, total_tokens)
    ratio = float(top.sum()) / total
    influence = np.zeros(len(counts))
    influence[present] = (top - ratio * bottom) / total
    return _interval(ratio, influence, texts, total_tokens, coverage)


def ratio_of_means(
    sums: ArrayLike,
    tokens: ArrayLike,
    base_sums: ArrayLike,
    base_tokens: ArrayLike,
    coverage: Coverage,
    floor: float = 0.0,
) -> Estimate:
    """Growth g = mean / max(base mean, floor), both means taken over tokens of the same texts.

    A base mean below the floor is indistinguishable from 0, and dividing by it would only magnify
    noise; the floor then stands in for it as a constant. Influence of text i, where N and M are
    the token totals (the second term is absent below the floor):

        [ (sum_i - mean · tokens_i)/N - g · (base_sum_i - base mean · base_tokens_i)/M ] / base
    """
    top, counts = _float64(sums), _float64(tokens)
    base, base_counts = _float64(base_sums), _float64(base_tokens)
    texts, total_tokens = int((counts > 0).sum()), int(counts.sum())
    base_texts = int((base_counts > 0).sum())
    if texts == 0:
        return undefined("no tokens were measured")
    if base_texts == 0:
        return undefined("no tokens were measured in the range compared with", texts, total_tokens)
    mean, base_mean = top.sum() / counts.sum(), base.sum() / base_counts.sum()
    divisor = max(base_mean, floor)
    if divisor <= 0:
        return undefined("the mean compared with is not above 0", texts, total_tokens)
    growth = mean / divisor
    influence = (top - mean * counts) / counts.sum() / divisor
    if base_mean > floor:
        influence -= growth * (base - base_mean * base_counts) / base_counts.sum() / divisor
    estimate = _interval(float(growth), influence, min(texts, base_texts), total_tokens, coverage)
    return replace(estimate, texts=texts)


def rank_correlation(
    x: ArrayLike, y: ArrayLike, y_without: ArrayLike, tokens: int, coverage: Coverage
) -> Estimate:
    """Spearman's rank correlation of x and y, both of shape (n,).

    `y_without`, of shape (texts, n), is y with one text left out at a time: the interval is that
    of the delete-one jackknife over texts, standard error² = (texts-1)/texts · Σ (ρ_i - mean ρ)²,
    cut at ±1. Undefined for fewer than three pairs or where x or y is constant.
    """
    left, right, without = _float64(x), _float64(y), np.atleast_2d(_float64(y_without))
    texts = len(without)
    if why := why_unranked(left, right):
        return undefined(why, texts, tokens)
    rho = float(spearman(left, right))
    jackknife = spearman(left, without)
    # Of the value without a text, the deviation is the text's influence the other way round, up to
    # the factor (texts - 1)/texts.
    influence = (jackknife.mean() - jackknife) * (texts - 1) / texts
    return _interval(rho, influence, texts, tokens, coverage, limits=(-1.0, 1.0))


def difference_of_shares(
    only_first: int, only_second: int, items: int, coverage: Coverage
) -> Estimate:
    """Share of items with a first property - share with a second one, paired on each item.

    With b items that have only the first and c that have only the second, the value is (b - c)/n.
    Its interval is that of Bonett & Price (2012), "Adjusted Wald confidence interval for a
    difference of binomial proportions based on paired data", Journal of Educational and Behavioral
    Statistics 37(4): with p = (b + 1)/(n + 2), q = (c + 1)/(n + 2) and d = p - q,

        d ± reach · sqrt( (p + q - d²)/(n + 2) ),     cut at ±1.

    Unlike value ± z · standard error it is not of zero width where no item differs.
    """
    if items == 0:
        return undefined("no items were measured")
    value = (only_first - only_second) / items
    p, q = (only_first + 1) / (items + 2), (only_second + 1) / (items + 2)
    middle = p - q
    error = math.sqrt((p + q - middle**2) / (items + 2))
    reach = coverage.reach(math.inf, items) * error
    # The middle lies between 0 and the value, which a low confidence might not reach.
    low, high = min(middle - reach, value), max(middle + reach, value)
    return Estimate(value, max(low, -1.0), min(high, 1.0), error, items, items, unit_name="item")


def linearised(
    value: float,
    influence: FloatArray,
    coverage: Coverage,
    lowest: float = -math.inf,
    highest: float = math.inf,
    units: int | None = None,
    unseen: float = 0.0,
) -> Estimate:
    """The estimate of any statistic of which each unit's influence is known; of no tokens yet.

    Args:
        value: the statistic.
        influence: (units,), summing to 0.
        coverage: of its interval.
        lowest: what the statistic cannot fall below: the interval is cut there.
        highest: what it cannot exceed.
        units: how many have data, where some have none and so an influence of 0.
        unseen: how much the value moves with one unit that changes, of what changes seldom. One
            such unit each way is added to the sample, as Bonett & Price do, so that where no unit
            changes the interval is not of zero width:

                standard error = sqrt( n/(n-1) · (Σ influence² + 2 · unseen²) )
    """
    units = len(influence) if units is None else units
    return _interval(value, influence, units, 0, coverage, unseen, (lowest, highest))


def _float64(values: ArrayLike) -> FloatArray:
    return np.asarray(values, dtype=np.float64)


def _interval(
    value: float,
    influence: FloatArray,
    texts: int,
    tokens: int,
    coverage: Coverage,
    unseen: float = 0.0,
    limits: tuple[float, float] = (-math.inf, math.inf),
) -> Estimate:
    if texts < 2:
        low, high = limits
        return Estimate(value, low, high, math.inf, texts, tokens, influence=influence)
    squares = float(np.square(influence).sum()) + 2 * unseen**2
    error = math.sqrt(texts / (texts - 1) * squares)
    spread = Spread(texts, skewness(influence, texts), coverage.anytime, *limits)
    low, high = spread.ends(value, error, coverage)
    return Estimate(value, low, high, error, texts, tokens, influence=influence, spread=spread)


def further(reach: float, tail: float, texts: int) -> float:
    """By how many standard errors the end beyond a tail of this skewness (>= 0) is moved out."""
    return moved_out(reach, SHORTFALL * tail / math.sqrt(texts))


def moved_out(reach: float, delta: float) -> float:
    """By how many standard errors an end is moved out at δ (>= 0)."""
    return delta * (2 * reach**2 + 1) / 6 + delta**2 * reach * (5 * reach**2 + 3) / 27


def skewness(influence: FloatArray, texts: int) -> float:
    """Of the influences, which sum to 0; 0 where two texts, or equal ones, have none.

    Texts without data have an influence of 0 and so add nothing.
    """
    spread = float(np.square(influence).sum()) / (texts - 1)
    if texts < 3 or spread == 0:
        return 0.0
    third = float(((influence / math.sqrt(spread)) ** 3).sum())
    return third * texts / ((texts - 1) * (texts - 2))
