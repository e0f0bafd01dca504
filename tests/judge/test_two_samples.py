"""Estimates of two independent samples: by hand, by laws, and as scipy has Welch's interval."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sae_checks.judge.coverage import FIXED, Coverage
from sae_checks.judge.estimate import Estimate, inapplicable, undefined
from sae_checks.judge.statistics import ratio_of_sums
from sae_checks.judge.two_samples import difference_of_samples, ratio_of_samples

close = pytest.approx


def mean(values: list[float], coverage: Coverage = FIXED) -> Estimate:
    """Of documents of one token each."""
    ones = np.ones(len(values))
    return ratio_of_sums(np.array(values), ones, ones, coverage)


def symmetric(rng: np.random.Generator, half: int, spread: float) -> list[float]:
    """A sample without skewness: every deviation both ways."""
    away = rng.normal(0, spread, half)
    return [*(1 + away), *(1 - away)]


def test_a_difference_by_hand() -> None:
    """First: 1, 3 (mean 2, s² = 2/2 = 1); second: 4, 6, 8 (mean 6, s² = 4/3)."""
    estimate = difference_of_samples(mean([1, 3]), mean([4, 6, 8]), FIXED)
    assert estimate.value == close(4)
    assert estimate.standard_error == close(math.sqrt(1 + 4 / 3))
    degrees = (7 / 3) ** 2 / (1 / 1 + (4 / 3) ** 2 / 2)
    assert estimate.high - estimate.value == close(
        stats.t.ppf(0.975, degrees) * estimate.standard_error
    )
    assert (estimate.texts, estimate.units, estimate.tokens) == (2, 2, 2)
    assert estimate.influence is not None
    assert list(estimate.influence) == close([0.5, -0.5, -2 / 3, 0, 2 / 3])


def test_a_ratio_by_hand() -> None:
    """6/2 = 3: one unit of the first moves it by -3/2, one of the second by 1/2."""
    estimate = ratio_of_samples(mean([1, 3]), mean([4, 6, 8]), FIXED)
    assert estimate.value == close(3)
    assert estimate.standard_error == close(math.sqrt(1.5**2 * 1 + 0.5**2 * 4 / 3))
    assert estimate.influence is not None
    assert list(estimate.influence) == close([0.75, -0.75, -1 / 3, 0, 1 / 3])


def test_without_skewness_the_interval_is_welchs_as_scipy_has_it() -> None:
    rng = np.random.default_rng(0)
    first, second = symmetric(rng, 9, 1.0), symmetric(rng, 31, 4.0)
    estimate = difference_of_samples(mean(first), mean(second), FIXED)
    welch = stats.ttest_ind(second, first, equal_var=False).confidence_interval(0.95)
    assert (estimate.low, estimate.high) == close((welch.low, welch.high))


def test_tails_of_either_side_move_its_end_and_do_not_cancel() -> None:
    """Two samples with one long tail upwards: of the second it is one of the difference too."""
    tail = [0.0] * 30 + [10.0]
    flat = symmetric(np.random.default_rng(0), 15, 0.01)
    up = difference_of_samples(mean(flat), mean(tail), FIXED)
    down = difference_of_samples(mean(tail), mean(flat), FIXED)
    both = difference_of_samples(mean(tail), mean(tail), FIXED)
    assert up.high - up.value > 1.5 * (up.value - up.low)
    assert down.value - down.low > 1.5 * (down.high - down.value)
    assert both.high - both.value == close(both.value - both.low)
    welch = stats.t.ppf(0.975, 60) * both.standard_error
    assert both.high - both.value > 1.1 * welch


def test_on_the_way_it_reaches_as_far_as_one_of_so_many_units_of_the_first_sample() -> None:
    rng = np.random.default_rng(1)
    first, second = symmetric(rng, 50, 1.0), symmetric(rng, 500, 1.0)
    growing = Coverage(0.95, anytime=True)
    on_the_way = difference_of_samples(mean(first), mean(second), growing)
    degrees = _welch(np.array(first), np.array(second))
    reach = (on_the_way.high - on_the_way.value) / on_the_way.standard_error
    assert reach == close(growing.reach(degrees, 100))
    assert reach > FIXED.reach(degrees, 100)


def _welch(first: np.ndarray, second: np.ndarray) -> float:
    return float(stats.ttest_ind(second, first, equal_var=False).df)


samples = st.lists(st.floats(0.5, 10), min_size=3, max_size=30)


@given(samples, samples)
def test_a_difference_the_other_way_round_is_its_negative(first, second) -> None:
    one = difference_of_samples(mean(first), mean(second), FIXED)
    other = difference_of_samples(mean(second), mean(first), FIXED)
    assert one.value == close(-other.value)
    assert (one.low, one.high) == close((-other.high, -other.low), abs=1e-9)


@given(samples, samples, st.floats(0.1, 10))
def test_a_ratio_does_not_depend_on_the_unit(first, second, factor) -> None:
    one = ratio_of_samples(mean(first), mean(second), FIXED)
    other = ratio_of_samples(
        mean([factor * each for each in first]), mean([factor * each for each in second]), FIXED
    )
    assert (one.value, one.low, one.high) == close((other.value, other.low, other.high), abs=1e-9)


@given(samples, samples)
def test_it_is_no_surer_than_either_sample(first, second) -> None:
    one, other = mean(first), mean(second)
    made = difference_of_samples(one, other, FIXED)
    assert made.standard_error >= max(one.standard_error, other.standard_error) * (1 - 1e-9)
    assert made.units == min(len(first), len(second))
    assert made.influence is not None
    assert made.influence.sum() == close(0, abs=1e-9)


def test_two_constants_differ_by_what_they_do() -> None:
    estimate = difference_of_samples(mean([2, 2, 2]), mean([5, 5, 5]), FIXED)
    assert (estimate.low, estimate.value, estimate.high) == (3, 3, 3)


def test_one_document_says_nothing_of_a_spread() -> None:
    estimate = difference_of_samples(mean([1, 2, 3]), mean([5]), FIXED)
    assert (estimate.low, estimate.value, estimate.high) == (-math.inf, 3, math.inf)


def test_what_is_undefined_on_either_corpus_is_undefined() -> None:
    whole = mean([1, 2, 3])
    broken = difference_of_samples(whole, undefined("ce_sae is not finite"), FIXED)
    assert (broken.reason, broken.inapplicable) == ("ce_sae is not finite", False)
    nothing = ratio_of_samples(inapplicable("the activations do not vary"), whole, FIXED)
    assert (nothing.reason, nothing.inapplicable) == ("the activations do not vary", True)
    zero = ratio_of_samples(mean([0, 0]), whole, FIXED)
    assert zero.reason == "the value compared with is not above 0"
    without = Estimate(1, 0, 2, 0.1, 3, 3)
    assert difference_of_samples(whole, without, FIXED).reason == (
        "an influence of each document is not known"
    )
