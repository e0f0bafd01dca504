"""Estimates from sums per text.

The independent unit is the text, or the document where texts share some (both are called texts
here), never the token: tokens of one document are alike, so counting them as independent would
make every interval far too narrow. Every estimate here is a function of per-text sums. Its standard
error comes from linearisation: the *influence* of a text is how much the estimate moves with that
text's sums, to first order; the influences add up to 0, and

    standard error = sqrt( n/(n-1) · Σ influence² ),     n texts with data.

`estimate.py` says how the interval follows. One text says nothing about the spread between texts,
so its interval is (-inf, inf).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from sae_checks.judge.coverage import Coverage
from sae_checks.judge.estimate import Estimate, Spread, skewness, undefined
from sae_checks.judge.ranks import spearman, why_unranked
from sae_checks.records import FloatArray


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
    texts, total_tokens = int(np.count_nonzero(present)), int(counts.sum())
    total = float(bottom.sum())
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
    tokens_here, tokens_there = counts.sum(), base_counts.sum()
    texts, total_tokens = int(np.count_nonzero(counts > 0)), int(tokens_here)
    base_texts = int(np.count_nonzero(base_counts > 0))
    if texts == 0:
        return undefined("no tokens were measured")
    if base_texts == 0:
        return undefined("no tokens were measured in the range compared with", texts, total_tokens)
    mean, base_mean = top.sum() / tokens_here, base.sum() / tokens_there
    divisor = max(base_mean, floor)
    if divisor <= 0:
        return undefined("the mean compared with is not above 0", texts, total_tokens)
    growth = mean / divisor
    influence = (top - mean * counts) / tokens_here / divisor
    if base_mean > floor:
        influence -= growth * (base - base_mean * base_counts) / tokens_there / divisor
    estimate = _interval(float(growth), influence, min(texts, base_texts), total_tokens, coverage)
    return estimate.changed(texts=texts)


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
    squares = float(np.square(influence).sum())
    error = math.sqrt(texts / (texts - 1) * (squares + 2 * unseen**2))
    spread = Spread(texts, skewness(influence, texts, squares), coverage.anytime, *limits)
    low, high = spread.ends(value, error, coverage)
    return Estimate(value, low, high, error, texts, tokens, influence=influence, spread=spread)
