"""By how much a candidate may differ from a baseline, and when it is better by more."""

from __future__ import annotations

import math

import pytest

from sae_checks.baseline.paired import improved
from sae_checks.judge.estimate import Estimate, undefined
from sae_checks.judge.thresholds import Direction, Limit, Margin
from sae_checks.judge.verdict import judge
from tests.baseline.test_paired import compared, valued


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
    limit = compared(valued(0.3), valued(0.2), margin).limit()
    assert (limit.min, limit.max) == (pytest.approx(low), pytest.approx(high))
    assert not limit.report_only
    assert limit.unit == "nats"


def test_a_share_is_of_the_size_of_a_negative_baseline():
    limit = compared(valued(-0.3), valued(-0.2), Margin("lower", share=0.5)).limit()
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
    limit = compared(valued(0.3), valued(0.2), margin).limit()
    assert limit.source == f"no worse than the baseline by more than {source}"


def test_of_an_equivalence_the_limit_says_that_neither_way_is_better():
    limit = compared(valued(0.3), valued(0.2), Margin("either", by=0.01)).limit()
    assert limit.source == "no further from the baseline than 0.01 nats"


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
    limit = compared(None, valued(0.0), Margin(worse, by=0.1)).limit()
    own = Estimate(value, value - 0.01, value + 0.01, 0.005, 97, 3104)
    adjusted = Estimate(value, value - 0.05, value + 0.05, 0.005, 97, 3104)
    assert improved(judge(own, limit, adjusted)) is better


@pytest.mark.parametrize(("before", "now", "better"), [(0.8, 0.99, True), (1.0, 1.2, False)])
def test_longer_than_the_activation_is_no_better(before: float, now: float, better: bool):
    limit = compared(None, valued(0.0), Margin("lower", by=0.1)).limit()
    notes = (("candidate_value", now), ("baseline_value", before))
    own = Estimate(now - before, 0.15, 0.25, 0.01, 97, 3104, notes=notes)
    assert improved(judge(own, limit, own), best=1.0) is better
    assert improved(judge(own, limit, own))


def test_what_is_undefined_is_no_better():
    limit = Limit("nats", max=0.1)
    cell = compared(valued(math.nan), valued(0.1))
    assert not improved(judge(cell.difference(), limit))
    assert not improved(judge(undefined("the baseline has no such cell"), limit), best=1.0)
