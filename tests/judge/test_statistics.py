from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import skew, spearmanr
from scipy.stats import t as student_t

from sae_checks.judge.coverage import Coverage
from sae_checks.judge.estimate import further, undefined
from sae_checks.judge.statistics import (
    difference_of_shares,
    linearised,
    rank_correlation,
    ratio_of_means,
    ratio_of_sums,
)

COVERAGE = Coverage(0.95)
numbers = st.floats(-100, 100).map(lambda value: round(value, 3))
texts = st.lists(st.tuples(numbers, st.integers(1, 50)), min_size=2, max_size=12)
scales = st.sampled_from([0.001, 0.5, 3.0, 1000.0])


def close(value: float) -> object:
    return pytest.approx(value, rel=1e-9, abs=1e-9)


def test_mean_of_two_texts_by_hand() -> None:
    # Mean 3; influences -1/2 and +1/2; standard error sqrt(2/1 · 1/2) = 1; t(0.975, 1) = 12.706.
    estimate = ratio_of_sums([2.0, 4.0], [1, 1], [1, 1], COVERAGE)
    assert estimate.value == 3
    assert estimate.standard_error == close(1)
    assert (estimate.low, estimate.high) == (close(3 - 12.7062047364), close(3 + 12.7062047364))
    assert (estimate.texts, estimate.tokens, estimate.reason) == (2, 2, "")


def test_tokens_weigh_alike_whatever_their_text() -> None:
    # 1 token of 6 and 3 tokens that sum to 6: mean 12/4 = 3, not the mean of text means, 4.
    # Influences (6 - 3)/4 and (6 - 9)/4; standard error sqrt(2 · 2 · 9/16) = 1.5.
    estimate = ratio_of_sums([6.0, 6.0], [1, 3], [1, 3], COVERAGE)
    assert (estimate.value, estimate.standard_error) == (3, close(1.5))


def test_texts_of_equal_length_give_the_textbook_interval() -> None:
    means = np.array([0.1, 0.4, 0.2, 0.9, 0.3])
    estimate = ratio_of_sums(means * 7, [7] * 5, [7] * 5, Coverage(0.9))
    error = means.std(ddof=1) / math.sqrt(5)
    assert estimate.standard_error == close(error)
    reach = student_t.ppf(0.95, 4)
    assert estimate.value - estimate.low == close(error * reach)
    # The text of 0.9 makes a long tail above, which moves that end further out.
    delta = 2 * skew(means, bias=False) / math.sqrt(5)
    beyond = delta * (2 * reach**2 + 1) / 6 + delta**2 * reach * (5 * reach**2 + 3) / 27
    assert estimate.high - estimate.value == close(error * (reach + beyond))
    # And below, where the tail is on the other side.
    mirrored = ratio_of_sums(-means * 7, [7] * 5, [7] * 5, Coverage(0.9))
    assert (mirrored.low, mirrored.high) == (close(-estimate.high), close(-estimate.low))


def test_a_long_tail_moves_its_end_as_hall_does_at_twice_the_skewness() -> None:
    # δ = 2 · 0.5/√100 = 0.1 at a reach of 3: 0.1 · 19/6 + 0.01 · 3 · 48/27 = 0.31667 + 0.05333.
    assert further(3.0, 0.5, 100) == close(0.37)
    assert further(3.0, 0.0, 100) == 0
    # To second order in δ that is what inverting Hall's transformation gives, as δ -> 0.
    for skewness in (0.01, 0.02):
        delta = 2 * skewness / 10
        exact = 3 / delta * (1 - (1 - delta * (3 + delta / 6)) ** (1 / 3)) - 3
        assert further(3.0, skewness, 100) == pytest.approx(exact, rel=10 * delta**2)


def test_texts_without_tokens_do_not_count() -> None:
    with_empty = ratio_of_sums([2.0, 0.0, 4.0], [1, 0, 1], [1, 0, 1], COVERAGE)
    assert with_empty == ratio_of_sums([2.0, 4.0], [1, 1], [1, 1], COVERAGE)


def test_one_text_says_nothing_about_the_spread() -> None:
    estimate = ratio_of_sums([6.0], [3], [3], COVERAGE)
    assert (estimate.value, estimate.low, estimate.high) == (2, -math.inf, math.inf)
    assert (estimate.texts, estimate.tokens) == (1, 3)


def test_no_tokens_is_undefined() -> None:
    estimate = ratio_of_sums([0.0, 0.0], [0, 0], [0, 0], COVERAGE)
    assert math.isnan(estimate.value)
    assert math.isnan(estimate.low)
    assert estimate.reason == "no tokens were measured"


def test_a_denominator_of_zero_is_undefined() -> None:
    estimate = ratio_of_sums([1.0, 2.0], [1.0, -1.0], [4, 4], COVERAGE)
    assert math.isnan(estimate.value)
    assert estimate.reason == "the denominator sums to 0"
    assert (estimate.texts, estimate.tokens) == (2, 8)


def test_equal_texts_have_a_standard_error_of_zero() -> None:
    estimate = ratio_of_sums([5.0, 5.0, 5.0], [1, 1, 1], [1, 1, 1], COVERAGE)
    assert (estimate.value, estimate.low, estimate.high) == (5, 5, 5)


@given(texts, scales)
def test_scaling_the_values_scales_the_estimate(data, scale) -> None:
    sums, tokens = np.array(data, dtype=float).T
    one = ratio_of_sums(sums, tokens, tokens, COVERAGE)
    other = ratio_of_sums(sums * scale, tokens, tokens, COVERAGE)
    assert other.value / scale == close(one.value)
    assert other.low / scale == close(one.low)
    assert other.high / scale == close(one.high)


@given(texts, st.randoms(use_true_random=False))
def test_the_order_of_texts_does_not_matter(data, random) -> None:
    shuffled = random.sample(data, len(data))
    estimates = []
    for order in (data, shuffled):
        sums, tokens = np.array(order, dtype=float).T
        estimates.append(ratio_of_sums(sums, tokens, tokens, COVERAGE))
    assert estimates[0].value == close(estimates[1].value)
    assert estimates[0].high == close(estimates[1].high)


@given(texts)
def test_more_confidence_is_a_wider_interval(data) -> None:
    sums, tokens = np.array(data, dtype=float).T
    narrow, wide = (ratio_of_sums(sums, tokens, tokens, Coverage(level)) for level in (0.8, 0.99))
    assert wide.low <= narrow.low <= narrow.value <= narrow.high <= wide.high


def test_growth_by_hand() -> None:
    # Means 6/2 = 3 here and 4/4 = 1 there: 3 times. Influences with N = 2, M = 4, base mean 1:
    # text 1: (2 - 3)/2 - 3·(1 - 2)/4 = 1/4, text 2: (4 - 3)/2 - 3·(3 - 2)/4 = -1/4.
    estimate = ratio_of_means([2.0, 4.0], [1, 1], [1.0, 3.0], [2, 2], COVERAGE)
    assert estimate.value == 3
    assert estimate.standard_error == close(math.sqrt(2 * 2 / 16))


def test_growth_of_paired_texts_is_certain_where_every_text_grows_alike() -> None:
    base = np.array([1.0, 2.0, 5.0])
    estimate = ratio_of_means(base * 4, [2] * 3, base, [2] * 3, COVERAGE)
    assert (estimate.value, estimate.standard_error) == (close(4), close(0))


def test_below_its_floor_the_base_mean_counts_as_the_floor() -> None:
    estimate = ratio_of_means([0.2, 0.4], [1, 1], [0.001, -0.003], [1, 1], COVERAGE, floor=0.1)
    assert estimate.value == close(3)
    # A constant divisor: the standard error is the numerator's, 0.1, over the floor.
    assert estimate.standard_error == close(1)


def test_growth_from_nothing_is_undefined() -> None:
    estimate = ratio_of_means([1.0, 1.0], [1, 1], [0.0, 0.0], [1, 1], COVERAGE)
    assert estimate.reason == "the mean compared with is not above 0"
    estimate = ratio_of_means([1.0, 1.0], [1, 1], [0.0, 0.0], [0, 0], COVERAGE)
    assert estimate.reason == "no tokens were measured in the range compared with"


def test_growth_needs_two_texts_on_both_sides() -> None:
    estimate = ratio_of_means([2.0, 4.0], [1, 1], [1.0, 0.0], [1, 0], COVERAGE)
    assert (estimate.value, estimate.low, estimate.high) == (3, -math.inf, math.inf)
    assert estimate.texts == 2


@given(texts, scales)
def test_growth_has_no_unit(data, scale) -> None:
    sums, tokens = np.abs(np.array(data, dtype=float).T)
    base = sums[::-1] + 1
    one = ratio_of_means(sums, tokens, base, tokens, COVERAGE)
    other = ratio_of_means(sums * scale, tokens, base * scale, tokens, COVERAGE)
    assert other.value == close(one.value)
    assert other.low == close(one.low)


def heavy_tailed_texts(rng, texts: int, tokens: int):
    """Token values that share a text effect and have heavy tails; true mean 1 + 1 = 2."""
    effect = rng.exponential(1.0, (texts, 1))
    return effect + rng.lognormal(-0.5, 1.0, (texts, tokens))


def test_intervals_cover_the_truth_though_tokens_are_correlated() -> None:
    rng = np.random.default_rng(0)
    draws, covered, covered_as_if_independent = 600, 0, 0
    for _ in range(draws):
        values = heavy_tailed_texts(rng, 50, 30)
        lengths = rng.integers(5, 31, 50)
        values[np.arange(30) >= lengths[:, None]] = 0
        estimate = ratio_of_sums(values.sum(1), lengths, lengths, COVERAGE)
        covered += estimate.low <= 2 <= estimate.high
        kept = values[values != 0]
        naive = 1.96 * kept.std() / math.sqrt(kept.size)
        covered_as_if_independent += abs(kept.mean() - 2) <= naive
    assert 0.91 < covered / draws < 0.98
    assert covered_as_if_independent / draws < 0.7


def test_growth_intervals_cover_the_truth() -> None:
    rng = np.random.default_rng(1)
    draws, covered = 600, 0
    for _ in range(draws):
        values = heavy_tailed_texts(rng, 50, 40)
        values[:, 20:] *= 3
        here, base = values[:, 20:].sum(1), values[:, :20].sum(1)
        estimate = ratio_of_means(here, [20] * 50, base, [20] * 50, COVERAGE)
        covered += estimate.low <= 3 <= estimate.high
    assert 0.91 < covered / draws < 0.98


def test_rank_correlation_is_spearmans() -> None:
    x, y = [0, 1, 2, 2, 4], [0.3, 0.1, 0.5, 0.5, 0.9]
    estimate = rank_correlation(x, y, [y, y], 100, COVERAGE)
    assert estimate.value == close(spearmanr(x, y).statistic)
    assert (estimate.texts, estimate.tokens) == (2, 100)


def test_rank_correlation_has_the_jackknifes_standard_error() -> None:
    x, y = [0, 1, 2, 3], [1.0, 2.0, 3.0, 4.0]
    without = [[1, 2, 3, 4], [2, 1, 3, 4], [1, 2, 3, 4]]
    each = [spearmanr(x, row).statistic for row in without]  # 1, 0.8, 1
    error = math.sqrt(2 / 3 * sum((rho - np.mean(each)) ** 2 for rho in each))
    estimate = rank_correlation(x, y, without, 9, COVERAGE)
    assert estimate.standard_error == close(error)
    assert estimate.high == 1  # cut at what a correlation can be


@pytest.mark.parametrize(
    ("x", "y", "reason"),
    [
        ([0, 1], [1.0, 2.0], "a rank correlation needs 3 values or more, got 2"),
        (
            [3, 3, 3],
            [1.0, 2.0, 3.0],
            "a rank correlation needs values that differ, but the first are all the same",
        ),
        (
            [0, 1, 2],
            [1.0, 1.0, 1.0],
            "a rank correlation needs values that differ, but the second are all the same",
        ),
    ],
)
def test_rank_correlation_undefined(x, y, reason) -> None:
    estimate = rank_correlation(x, y, [y, y], 6, COVERAGE)
    assert math.isnan(estimate.value)
    assert estimate.reason == reason


def test_notes_are_added_in_order() -> None:
    estimate = undefined("nothing").with_notes(a=1).with_notes(b="two")
    assert estimate.notes == (("a", 1), ("b", "two"))


def test_difference_of_shares_by_hand() -> None:
    # b = 6, c = 1 of n = 98: p = 0.07, q = 0.02, d = 0.05; sqrt((0.09 - 0.0025)/100) = 0.02958.
    estimate = difference_of_shares(6, 1, 98, COVERAGE)
    assert estimate.value == 5 / 98
    assert estimate.standard_error == close(math.sqrt(0.0875 / 100))
    assert estimate.low == close(0.05 - 1.959963984540054 * math.sqrt(0.000875))
    assert estimate.high == close(0.05 + 1.959963984540054 * math.sqrt(0.000875))
    assert (estimate.texts, estimate.unit_name) == (98, "item")


def test_no_item_that_differs_is_not_certainty() -> None:
    estimate = difference_of_shares(0, 0, 100, COVERAGE)
    assert estimate.value == 0
    assert (estimate.low, estimate.high) == (close(-estimate.high), pytest.approx(0.027, abs=1e-3))
    assert difference_of_shares(0, 0, 0, COVERAGE).reason == "no items were measured"


counts = st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60)).filter(any)
levels = st.floats(0.01, 0.999)


@given(counts, levels)
def test_a_difference_of_shares_lies_in_its_interval(split, level) -> None:
    only_first, only_second, _ = split
    estimate = difference_of_shares(only_first, only_second, sum(split), Coverage(level))
    assert -1 <= estimate.low <= estimate.value <= estimate.high <= 1
    wider = difference_of_shares(only_first, only_second, sum(split), Coverage((1 + level) / 2))
    assert wider.low <= estimate.low
    assert estimate.high <= wider.high


@given(counts, levels)
def test_a_difference_of_shares_is_the_opposite_the_other_way_round(split, level) -> None:
    only_first, only_second, _ = split
    one = difference_of_shares(only_first, only_second, sum(split), Coverage(level))
    other = difference_of_shares(only_second, only_first, sum(split), Coverage(level))
    assert (one.value, one.low, one.high) == (-other.value, close(-other.high), close(-other.low))


@pytest.mark.parametrize(
    ("clean", "loses", "gains"),
    [(0.3, 0.1, 0.02), (0.02, 0.3, 0.001), (0.98, 0.02, 0.3), (0.5, 0.002, 0.002), (0.999, 0.9, 0)],
)
def test_intervals_of_accuracy_cover_the_truth(clean, loses, gains) -> None:
    """Also where nearly all items or hardly any are right; `loses` of those right, and so on."""
    rng = np.random.default_rng(0)
    draws, items, covered = 2000, 200, 0
    first, second = clean * loses, (1 - clean) * gains
    for only_first, only_second, _ in rng.multinomial(
        items, [first, second, 1 - first - second], draws
    ):
        estimate = difference_of_shares(int(only_first), int(only_second), items, COVERAGE)
        covered += estimate.low <= first - second <= estimate.high
    assert covered / draws >= 0.94


# --- Influences ----------------------------------------------------------------------------------


def test_influences_of_a_mean_by_hand() -> None:
    """Mean 3 of 8 tokens; the second text has none, and so no influence, but keeps its place."""
    estimate = ratio_of_sums([2.0, 0.0, 22.0], [4, 0, 4], [4, 0, 4], COVERAGE)
    assert estimate.influence is not None
    assert estimate.influence.tolist() == [(2 - 12) / 8, 0, (22 - 12) / 8]
    assert estimate.texts == 2


def test_influences_are_no_part_of_what_an_estimate_is() -> None:
    """Or none could be compared or printed."""
    estimate = ratio_of_sums([2.0, 4.0], [1, 1], [1, 1], COVERAGE)
    assert estimate == replace(estimate, influence=None)
    assert "influence" not in repr(estimate)


@given(texts)
def test_influences_say_what_a_little_more_of_a_text_does(pairs) -> None:
    """The derivative of the mean by the text's weight: by 1 part in a million of one text."""
    sums, counts = (np.array(part, dtype=float) for part in zip(*pairs, strict=True))
    estimate = ratio_of_sums(sums, counts, counts, COVERAGE)
    assert estimate.influence is not None
    for text in range(len(pairs)):
        weight = np.ones(len(pairs))
        weight[text] += 1e-6
        moved = (weight @ sums) / (weight @ counts) - estimate.value
        assert moved == pytest.approx(1e-6 * estimate.influence[text], rel=1e-3, abs=1e-12)


def test_influences_of_growth_keep_their_places() -> None:
    """Mean 4 over base mean 2; the first text has no tokens here, the last none in the base."""
    estimate = ratio_of_means([0, 4, 4], [0, 1, 1], [1, 3, 0], [1, 1, 0], COVERAGE)
    assert estimate.influence is not None
    # (sum - 4·tokens)/2/2 - 2·(base sum - 2·base tokens)/2/2
    assert estimate.influence.tolist() == [0.5, -0.5, 0]


def test_a_text_that_raises_a_rank_correlation_has_a_positive_influence() -> None:
    """Without the third text the correlation falls from 1 to 0.5: it pulls up."""
    x, y = [1, 2, 3], [1, 2, 3]
    without = [[1, 2, 3], [1, 2, 3], [1, 3, 2]]
    estimate = rank_correlation(x, y, without, 9, COVERAGE)
    assert estimate.influence == pytest.approx(np.array([-1, -1, 2]) / 6 * 2 / 3)


def test_the_tail_of_a_rank_correlation_moves_its_own_end() -> None:
    """Of 30 texts one alone pushes the correlation down: it is the lower end that moves out."""
    x = [1, 2, 3, 4]
    without = [[1, 3, 2, 4]] * 29 + [[1, 2, 3, 4]]
    estimate = rank_correlation(x, [1, 3, 2, 4], without, 9, COVERAGE)
    assert estimate.influence is not None
    assert estimate.influence[-1] < 0 < estimate.influence[0]
    assert estimate.value - estimate.low > estimate.high - estimate.value


def test_linearised_counts_the_units_that_have_data() -> None:
    """Two units of four: t at 1 degree of freedom."""
    estimate = linearised(1.0, np.array([0.5, -0.5, 0.0, 0.0]), COVERAGE, units=2)
    assert estimate.standard_error == close(1)
    assert estimate.high - 1 == close(12.7062047364)
