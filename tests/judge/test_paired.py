"""A candidate beside a baseline: differences by hand, and what pairing is good for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_checks.judge.coverage import Coverage
from sae_checks.judge.paired import RegressionCell, Replicated, improved
from sae_checks.judge.statistics import Estimate
from sae_checks.judge.thresholds import Direction, Limit, Margin
from sae_checks.judge.verdict import judge

NOWHERE = np.array([])


def replicated(value: float, *moves: float, texts: int = 97, **fields: str) -> Replicated:
    return Replicated(value, np.array(moves, dtype=float), texts, 3104, **fields)


def compared(
    candidate: Replicated | None,
    baseline: Replicated | None,
    margin: Margin = Margin("higher", by=0.01, share=0.1),
    coverage: Coverage = Coverage(),
) -> RegressionCell:
    return RegressionCell(candidate, baseline, margin, "nats", coverage)


def test_a_difference_by_hand():
    """0.25 - 0.2. Without the three groups it moves by 0.01, 0 and -0.01.

    Standard error: √(2/3 · (0.01² + 0² + 0.01²)) = 0.011547; t(0.975, 2) = 4.302653.
    """
    ours, theirs = replicated(0.25, 0.03, 0.01, -0.04), replicated(0.2, 0.02, 0.01, -0.03)
    estimate = compared(ours, theirs).difference()
    assert estimate.value == pytest.approx(0.05)
    assert estimate.standard_error == pytest.approx(0.01 * math.sqrt(4 / 3))
    assert estimate.high == pytest.approx(0.05 + 4.30265273 * 0.01 * math.sqrt(4 / 3))
    assert estimate.low + estimate.high == pytest.approx(2 * 0.05)
    assert (estimate.texts, estimate.tokens, estimate.unit_name) == (97, 3104, "text")
    assert estimate.notes == (("candidate_value", 0.25), ("baseline_value", 0.2))


def test_items_stay_items():
    one = replicated(1.0, 0.1, -0.1, unit_name="item")
    assert compared(one, one).difference().unit_name == "item"


@pytest.mark.parametrize(
    ("margin", "low", "high"),
    [
        (Margin("higher", by=0.01), None, 0.01),
        (Margin("lower", by=0.01), -0.01, None),
        (Margin("either", by=0.01), -0.01, 0.01),
        (Margin("higher", share=0.1), None, 0.02),
        (Margin("either", by=0.01, share=0.1), -0.03, 0.03),
        (Margin("higher"), None, 0.0),  # by no more than nothing
    ],
)
def test_the_margin_is_the_limit_of_the_difference(margin: Margin, low, high):
    limit = compared(replicated(0.3), replicated(0.2), margin).limit()
    assert (limit.min, limit.max) == (pytest.approx(low), pytest.approx(high))
    assert not limit.report_only
    assert limit.unit == "nats"


def test_a_share_is_of_the_size_of_a_negative_baseline():
    limit = compared(replicated(-0.3), replicated(-0.2), Margin("lower", share=0.5)).limit()
    assert limit.min == pytest.approx(-0.1)


@pytest.mark.parametrize(
    ("margin", "source"),
    [
        (Margin("higher", by=0.01), "0.01 nats"),
        (Margin("higher", share=0.1), "10% of the baseline's 0.2"),
        (Margin("higher", by=0.01, share=0.1), "0.01 nats + 10% of the baseline's 0.2"),
        (Margin("higher"), "nothing"),
    ],
)
def test_the_limit_says_what_it_is_made_of(margin: Margin, source: str):
    limit = compared(replicated(0.3), replicated(0.2), margin).limit()
    assert limit.source == f"no worse than the baseline by more than {source}"


@pytest.mark.parametrize(
    ("candidate", "baseline", "reason"),
    [
        (
            replicated(0.3, 0.1, -0.1),
            None,
            "the baseline has no such cell, so that nothing can be compared",
        ),
        (
            None,
            replicated(0.3, 0.1, -0.1),
            "the candidate has no such cell, so that nothing can be compared",
        ),
        (
            replicated(math.nan, reason="ce_sae is not finite on 1 token of 1 text"),
            replicated(0.3, 0.1, -0.1),
            "of the candidate: ce_sae is not finite on 1 token of 1 text",
        ),
        (
            replicated(0.3, 0.1, -0.1),
            replicated(math.nan),
            "of the baseline: the value is not a number",
        ),
        (
            replicated(0.3, 0.1, -0.1, texts=1200),
            replicated(0.3, 0.1, -0.1, texts=97),
            "the candidate has 1,200 texts here and the baseline 97: they cannot be paired",
        ),
        (
            replicated(0.3, 0.1, -0.1, unit_name="item"),
            replicated(0.3, 0.1, -0.1, texts=96, unit_name="item"),
            "the candidate has 97 items here and the baseline 96: they cannot be paired",
        ),
    ],
    ids=["no_baseline", "no_candidate", "undefined", "unexplained", "texts", "items"],
)
def test_what_cannot_be_compared_is_undefined_and_fails(candidate, baseline, reason):
    cell = compared(candidate, baseline)
    verdict = judge(cell.difference(), cell.limit(), "pass")
    assert (verdict.status, verdict.holds) == ("undefined", False)
    assert verdict.sentence == f"undefined: {reason}"


def test_other_groups_cannot_be_paired_either():
    """As many texts, but not as many groups: some of them hold nothing here."""
    cell = compared(replicated(0.3, 0.1, -0.1), replicated(0.3, 0.1, -0.1, 0.0))
    assert "cannot be paired" in cell.difference().reason


def test_where_a_group_leaves_nothing_there_is_no_interval():
    cell = compared(replicated(0.3, 0.1, math.nan), replicated(0.3, 0.1, 0.0))
    estimate = cell.difference()
    assert (estimate.low, estimate.high) == (-math.inf, math.inf)
    assert judge(estimate, cell.limit(), "pass").status == "undecided"


moves = st.lists(st.floats(-1, 1), min_size=3, max_size=20)


@given(st.floats(-10, 10), st.floats(-10, 10), moves, st.randoms(use_true_random=False))
def test_the_other_way_round_is_the_negative(ours, theirs, ours_moves, random):
    one = replicated(ours, *ours_moves)
    other = replicated(theirs, *random.sample(ours_moves, len(ours_moves)))
    there, back = compared(one, other).difference(), compared(other, one).difference()
    assert there.value == pytest.approx(-back.value)
    assert there.low == pytest.approx(-back.high)
    assert there.high == pytest.approx(-back.low)


@given(st.floats(-10, 10), moves)
def test_a_release_is_as_good_as_itself(value, its_moves):
    one = replicated(value, *its_moves)
    for worse in ("higher", "lower", "either"):
        cell = compared(one, one, Margin(worse, by=1e-9))
        verdict = judge(cell.difference(), cell.limit(), "fail")
        assert verdict.status == "pass"
        assert verdict.estimate.high == verdict.estimate.low == 0


def of_samples(samples: np.ndarray, groups: int = 20) -> Replicated:
    """A mean, and how it moves without each group."""
    mean, dealt = float(samples.mean()), np.arange(len(samples)) % groups
    without = np.array([samples[dealt != group].mean() for group in range(groups)])
    return replicated(mean, *(without - mean), texts=len(samples))


def test_pairing_takes_out_what_both_samples_share():
    """How hard texts are varies by 0.3 nats, what the two SAEs make of one by 0.01."""
    generator = np.random.default_rng(0)
    hard = generator.normal(0.2, 0.3, 1_000)
    ours = of_samples(hard + 0.02 + generator.normal(0, 0.01, 1_000))
    theirs = of_samples(hard)
    paired = compared(ours, theirs).difference()
    nothing_moves = replicated(0.0, *np.zeros(20), texts=1_000)
    alone = [compared(each, nothing_moves).difference() for each in (ours, theirs)]
    unpaired = math.hypot(*(each.standard_error for each in alone))
    assert unpaired == pytest.approx(0.3 * math.sqrt(2 / 1_000), rel=0.35)
    assert paired.standard_error == pytest.approx(0.01 / math.sqrt(1_000), rel=0.35)
    assert paired.low < 0.02 < paired.high
    assert 2 * unpaired > 0.02  # by their own intervals nobody could tell the two apart
    assert paired.low > 0


def test_paired_intervals_hold_the_true_difference():
    """As often as they promise: 95 times of 100."""
    generator = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        hard = generator.exponential(0.3, 100)
        ours = of_samples(hard + generator.normal(0.02, 0.05, 100))
        estimate = compared(ours, of_samples(hard)).difference()
        held += estimate.low <= 0.02 <= estimate.high
    assert 0.92 <= held / 400 <= 0.98


@pytest.mark.parametrize(
    ("worse", "value", "better"),
    [
        ("higher", -0.2, True),
        ("higher", -0.12, False),  # better, but maybe by less than the margin
        ("higher", 0.2, False),
        ("lower", 0.2, True),
        ("lower", 0.12, False),
        ("lower", -0.2, False),
        ("either", 0.2, False),
        ("either", -0.2, False),
    ],
)
def test_better_by_more_than_the_margin(worse: Direction, value: float, better: bool):
    """The margin is 0.1, the interval of all cells together reaches 0.05."""
    limit = compared(None, replicated(0.0), Margin(worse, by=0.1)).limit()
    own = Estimate(value, value - 0.01, value + 0.01, 0.005, 97, 3104)
    adjusted = Estimate(value, value - 0.05, value + 0.05, 0.005, 97, 3104)
    assert improved(judge(own, limit, "pass", adjusted)) is better


def test_what_is_undefined_is_no_better():
    limit = Limit("nats", max=0.1)
    cell = compared(replicated(math.nan), replicated(0.1))
    assert not improved(judge(cell.difference(), limit, "pass"))
