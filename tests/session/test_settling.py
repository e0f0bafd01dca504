"""When more of the budget would hardly change a verdict: by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_checks.judge.coverage import Coverage
from sae_checks.judge.estimate import Estimate
from sae_checks.judge.thresholds import Limit
from sae_checks.judge.verdict import Verdict, judge
from sae_checks.session.stopping import BENEFIT_OF_DOUBT, hopeless, may_fail, may_pass, settled

# At 400 units: 1.65 and 3.12 standard errors.
OWN, SHARED = Coverage.one_sided(0.05), Coverage.one_sided(0.001)
UPPER, LOWER = Limit("nats", max=1, margin=0.1), Limit("nats", min=-1, margin=0.1)


def verdict(excess: float, error: float, limit: Limit = UPPER, texts: int = 100) -> Verdict:
    """Of a value this far beyond its limit; with intervals of 3.8 and 5 standard errors."""
    value = 1 + excess if limit is UPPER else -1 - excess
    own, shared = (
        Estimate(value, value - reach * error, value + reach * error, error, texts, texts)
        for reach in (3.8, 5)
    )
    return judge(own, limit, shared, fewest=64)


@pytest.mark.parametrize("limit", [UPPER, LOWER])
def test_a_pass_that_the_whole_budget_may_fail_is_not_settled(limit):
    """Within the margin, and so near the limit that more of the sample shows it to be beyond.

    At 400 texts the standard error is 0.005, and the value may lie 0.02 further out: what is then
    3.12 · 0.005 = 0.0156 beyond the limit fails.
    """
    assert BENEFIT_OF_DOUBT == 2
    near = verdict(0.01, 0.01, limit)
    assert near.status == "pass"
    assert may_fail(near, 400, SHARED)
    assert not settled(near, 400, OWN, SHARED)
    # -0.0044 is where it ends.
    assert not settled(verdict(-0.0043, 0.01, limit), 400, OWN, SHARED)
    assert settled(verdict(-0.0046, 0.01, limit), 400, OWN, SHARED)


@pytest.mark.parametrize("limit", [UPPER, LOWER])
def test_what_can_neither_pass_nor_fail_is_given_up(limit):
    """At 110 texts a standard error of 0.2 comes to 0.191, and the value may move by 0.4.

    A fail then takes an excess of 3.17 · 0.191 - 0.4 = 0.204 at least, a pass one of
    0.1 + 0.4 - 1.66 · 0.191 = 0.184 at most: what lies between is given up.
    """
    assert may_pass(verdict(0.18, 0.2, limit), 110, OWN)
    assert not hopeless(verdict(0.18, 0.2, limit), 110, OWN, SHARED)
    assert hopeless(verdict(0.19, 0.2, limit), 110, OWN, SHARED)
    assert settled(verdict(0.19, 0.2, limit), 110, OWN, SHARED)
    assert may_fail(verdict(0.21, 0.2, limit), 110, SHARED)
    assert not hopeless(verdict(0.21, 0.2, limit), 110, OWN, SHARED)
    # A larger budget may decide it.
    assert not hopeless(verdict(0.19, 0.2, limit), 400, OWN, SHARED)


def test_a_fail_is_settled():
    assert verdict(1, 0.1).status == "fail"
    assert settled(verdict(1, 0.1), 400, OWN, SHARED)


@pytest.mark.parametrize("limit", [UPPER, LOWER])
def test_without_a_standard_error_nothing_is_foreseen(limit):
    """An undecided cell goes on, and a pass stands."""
    value = 1.0 if limit is UPPER else -1.0
    wide = Estimate(value, value - 1, value + 1, math.nan, 100, 100)
    undecided = judge(wide, limit)
    assert undecided.status == "undecided"
    assert not settled(undecided, 400, OWN, SHARED)
    narrow = judge(Estimate(value, value - 0.01, value + 0.01, math.nan, 100, 100), limit)
    assert narrow.status == "pass"
    assert settled(narrow, 400, OWN, SHARED)


@given(st.floats(-1, 1), st.floats(0.001, 1), st.integers(101, 1000), st.integers(0, 1000))
def test_a_larger_budget_settles_less(excess, error, budget, more):
    """More of a budget is more that may yet come."""
    one = verdict(excess, error)
    assert not settled(one, budget + more, OWN, SHARED) or settled(one, budget, OWN, SHARED)
