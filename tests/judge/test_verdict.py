from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_checks.judge.statistics import Estimate, undefined
from sae_checks.judge.thresholds import Limit
from sae_checks.judge.verdict import judge

AT_MOST = Limit("nats", max=0.3)
AT_LEAST = Limit("fraction", min=0.9)
BETWEEN = Limit("times", min=0.8, max=1.25)
REPORT = Limit("nats", report_only=True)


def estimate(value: float, reach: float = 0.03) -> Estimate:
    return Estimate(value, value - reach, value + reach, reach / 2, 97, 3104)


CASES = [
    (
        AT_MOST,
        estimate(0.2),
        "pass",
        "0.2 nats is within the maximum of 0.3 nats "
        "(interval 0.17 to 0.23, 97 texts, 3,104 tokens)",
    ),
    (
        AT_MOST,
        estimate(0.41),
        "fail",
        "0.41 nats is above the maximum of 0.3 nats "
        "(interval 0.38 to 0.44, 97 texts, 3,104 tokens)",
    ),
    (
        AT_MOST,
        estimate(0.29),
        "undecided",
        "0.29 nats is within the maximum of 0.3 nats but its interval crosses it: undecided, "
        "which passes here (interval 0.26 to 0.32, 97 texts, 3,104 tokens)",
    ),
    (
        AT_MOST,
        estimate(0.3004),
        "undecided",
        "0.3004 nats is beyond the maximum of 0.3 nats but its interval crosses it: undecided, "
        "which fails here (interval 0.2704 to 0.3304, 97 texts, 3,104 tokens)",
    ),
    (
        AT_LEAST,
        estimate(0.5),
        "fail",
        "0.5 fraction is below the minimum of 0.9 fraction "
        "(interval 0.47 to 0.53, 97 texts, 3,104 tokens)",
    ),
    (
        BETWEEN,
        estimate(1.0),
        "pass",
        "1 times is within the limits 0.8 to 1.25 times "
        "(interval 0.97 to 1.03, 97 texts, 3,104 tokens)",
    ),
    (
        BETWEEN,
        estimate(1234567),
        "fail",
        "1.235e+06 times is above the maximum of 1.25 times "
        "(interval 1.235e+06 to 1.235e+06, 97 texts, 3,104 tokens)",
    ),
    (
        BETWEEN,
        estimate(0.1),
        "fail",
        "0.1 times is below the minimum of 0.8 times "
        "(interval 0.07 to 0.13, 97 texts, 3,104 tokens)",
    ),
    (
        REPORT,
        estimate(3626.5),
        "reported",
        "3,626 nats is reported without a limit "
        "(interval 3,626 to 3,627, 97 texts, 3,104 tokens)",
    ),
    (
        AT_MOST,
        Estimate(0.1, -math.inf, math.inf, math.inf, 1, 30),
        "undecided",
        "0.1 nats is within the maximum of 0.3 nats but its interval crosses it: undecided, "
        "which passes here (no interval from 1 text, 30 tokens)",
    ),
    (
        AT_LEAST,
        Estimate(4.0, 4.0, math.inf, math.nan, 9, 90),
        "pass",
        "4 fraction is within the minimum of 0.9 fraction "
        "(interval 4 to unbounded, 9 texts, 90 tokens)",
    ),
    (AT_MOST, undefined("no tokens were measured"), "undefined",
     "undefined: no tokens were measured"),
]  # fmt: skip


@pytest.mark.parametrize(("limit", "measured", "status", "sentence"), CASES)
def test_verdicts(limit, measured, status, sentence) -> None:
    verdict = judge(measured, limit, "point_estimate")
    assert (verdict.status, verdict.sentence) == (status, sentence)
    assert verdict.holds == (status in ("pass", "reported") or "which passes here" in sentence)


def test_a_value_at_its_limit_holds() -> None:
    assert judge(estimate(0.3, 0), AT_MOST, "fail").status == "pass"
    assert judge(estimate(0.9, 0), AT_LEAST, "fail").status == "pass"


@pytest.mark.parametrize(
    ("value", "policy", "holds"),
    [
        (0.29, "point_estimate", True),
        (0.31, "point_estimate", False),
        (0.29, "fail", False),
        (0.31, "pass", True),
    ],
)
def test_undecided_is_the_policys_to_decide(value, policy, holds) -> None:
    verdict = judge(estimate(value), AT_MOST, policy)
    assert (verdict.status, verdict.holds) == ("undecided", holds)


@pytest.mark.parametrize("limit", [AT_MOST, AT_LEAST, BETWEEN, REPORT])
@pytest.mark.parametrize("policy", ["point_estimate", "fail", "pass"])
@pytest.mark.parametrize(
    "measured",
    [
        undefined("broken"),
        replace(estimate(1), value=math.inf),
        replace(estimate(1), low=math.nan),
    ],
)
def test_undefined_never_holds(measured, limit, policy) -> None:
    verdict = judge(measured, limit, policy)
    assert (verdict.status, verdict.holds) == ("undefined", False)


def test_a_limit_that_limits_nothing_is_a_bug() -> None:
    with pytest.raises(ValueError, match="a limit needs a min or a max, or must be report-only"):
        judge(estimate(1), Limit("nats"), "pass")


values = st.floats(-10, 10)
reaches = st.floats(0, 5)
policies = st.sampled_from(["point_estimate", "fail", "pass"])
RANK = {"fail": 0, "undecided": 1, "pass": 2}


@given(values, reaches, st.floats(0, 5), policies)
def test_moving_away_from_the_limit_never_saves_a_verdict(value, reach, step, policy) -> None:
    limit = Limit("nats", max=1.0)
    before = judge(estimate(value, reach), limit, policy)
    worse = judge(estimate(value + step, reach), limit, policy)
    assert RANK[worse.status] <= RANK[before.status]
    assert worse.holds <= before.holds


@given(values, reaches, policies)
def test_minimum_and_maximum_are_mirror_images(value, reach, policy) -> None:
    above = judge(estimate(value, reach), Limit("nats", max=1.0), policy)
    below = judge(estimate(-value, reach), Limit("nats", min=-1.0), policy)
    assert (above.status, above.holds) == (below.status, below.holds)


@given(values, reaches, policies, st.sampled_from([0.25, 2.0, 1024.0]))
def test_units_do_not_matter(value, reach, policy, scale) -> None:
    # Powers of two, which scale floats exactly.
    one = judge(estimate(value, reach), Limit("nats", min=-2.0, max=1.0), policy)
    measured = Estimate(
        *(scale * part for part in (value, value - reach, value + reach, reach)), 97, 3104
    )
    other = judge(measured, Limit("x", min=-2.0 * scale, max=scale), policy)
    assert (one.status, one.holds) == (other.status, other.holds)


@given(values, reaches, st.floats(0, 1), policies)
def test_a_narrower_interval_keeps_what_was_decided(value, reach, shrink, policy) -> None:
    limit = Limit("nats", min=-2.0, max=1.0)
    wide = judge(estimate(value, reach), limit, policy)
    narrow = judge(estimate(value, reach * shrink), limit, policy)
    assert wide.status == "undecided" or narrow.status == wide.status


@given(values, reaches)
def test_decided_verdicts_do_not_depend_on_the_policy(value, reach) -> None:
    verdicts = [
        judge(estimate(value, reach), AT_MOST, policy)
        for policy in ("point_estimate", "fail", "pass")
    ]
    assert len({verdict.status for verdict in verdicts}) == 1
    if verdicts[0].status != "undecided":
        assert len({verdict.holds for verdict in verdicts}) == 1
