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
        "which passes here (interval 0.26 to 0.32, 97 texts, 3,104 tokens, some 880 texts would "
        "decide it)",
    ),
    (
        AT_MOST,
        estimate(0.3004),
        "undecided",
        "0.3004 nats is beyond the maximum of 0.3 nats but its interval crosses it: undecided, "
        "which fails here (interval 0.2704 to 0.3304, 97 texts, 3,104 tokens, some 550,000 texts "
        "would decide it)",
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
        "0.1 nats is within the maximum of 0.3 nats but rests on 1 text where 8 are the least: "
        "undecided, which passes here (no interval from 1 text, 30 tokens)",
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


def test_a_cell_fails_only_where_all_cells_together_are_sure_of_it() -> None:
    """Its own interval, 0.31 to 0.37, is beyond 0.3; the one shared with other cells is not."""
    own = estimate(0.34)
    shared = replace(own, low=0.29, high=0.39)
    verdict = judge(own, AT_MOST, "pass", shared)
    assert (verdict.status, verdict.holds) == ("undecided", True)
    assert verdict.sentence == (
        "0.34 nats is beyond the maximum of 0.3 nats but its interval crosses it: undecided, which "
        "passes here (interval 0.31 to 0.37, 0.29 to 0.39 with all cells of the run in view, "
        "97 texts, 3,104 tokens, some 160 texts would decide it)"
    )
    further = replace(own, value=0.4, low=0.37, high=0.43)
    verdict = judge(further, AT_MOST, "pass", replace(further, low=0.35, high=0.45))
    assert (verdict.status, verdict.holds) == ("fail", False)


def test_a_cell_passes_by_its_own_interval() -> None:
    own = estimate(0.26)
    assert judge(own, AT_MOST, "fail", replace(own, low=0.1, high=0.42)).status == "pass"


@pytest.mark.parametrize("units", range(1, 12))
@pytest.mark.parametrize(("value", "status"), [(0.1, "pass"), (0.9, "fail")])
def test_few_units_decide_nothing(units, value, status) -> None:
    measured = replace(estimate(value), texts=units)
    assert judge(measured, AT_MOST, "pass").status == (status if units >= 8 else "undecided")
    of_documents = replace(estimate(value), clusters=units)
    assert judge(of_documents, AT_MOST, "pass").status == (status if units >= 8 else "undecided")


@pytest.mark.parametrize(
    ("value", "policy", "holds"),
    [
        (0.1, "pass", True),
        (0.9, "pass", False),
        (0.1, "point_estimate", True),
        (0.9, "point_estimate", False),
        (0.1, "fail", False),
    ],
)
def test_too_few_units_do_not_pass_for_want_of_proof(value, policy, holds) -> None:
    verdict = judge(replace(estimate(value), texts=7), AT_MOST, policy)
    assert (verdict.status, verdict.holds) == ("undecided", holds)
    side, outcome = "within" if value < 0.3 else "beyond", "passes" if holds else "fails"
    assert (
        f"is {side} the maximum of 0.3 nats but rests on 7 texts where 8 are the least: undecided, "
        f"which {outcome} here"
    ) in verdict.sentence


def test_what_a_sample_would_have_caught() -> None:
    """Of half-width 0.05 and standard error 0.015: 0.05 + 0.8416 · 0.015 beyond the limit."""
    own = estimate(0.1)
    verdict = judge(own, AT_MOST, "pass", replace(own, low=0.05, high=0.15))
    assert verdict.detectable == pytest.approx(0.05 + 0.8416 * 0.015)
    assert math.isnan(judge(own, REPORT, "pass").detectable)
    assert math.isnan(judge(undefined("nothing"), AT_MOST, "pass").detectable)
    unknown = replace(own, standard_error=math.nan)
    assert math.isnan(judge(unknown, AT_MOST, "pass").detectable)


def test_a_fault_as_large_as_the_detectable_one_is_caught_8_times_in_10() -> None:
    """The figure is what it says: values scattered about limit + detectable fail in 80%."""
    import numpy as np

    error, reach = 0.01, 0.04
    excess = judge(estimate(0.1, 0), AT_MOST, "pass",
                   Estimate(0.1, 0.1 - reach, 0.1 + reach, error, 97, 3104)).detectable  # fmt: skip
    values = np.random.default_rng(0).normal(0.3 + excess, error, 4000)
    caught = [
        judge(
            Estimate(value, value - 0.02, value + 0.02, error, 97, 3104),
            AT_MOST,
            "pass",
            Estimate(value, value - reach, value + reach, error, 97, 3104),
        ).status
        == "fail"
        for value in values.tolist()
    ]
    assert np.mean(caught) == pytest.approx(0.8, abs=0.02)


def test_how_many_texts_would_decide() -> None:
    """Twice as near to the limit as the interval is wide: four times the texts."""
    verdict = judge(Estimate(0.28, 0.24, 0.32, 0.02, 100, 900), AT_MOST, "pass")
    assert verdict.texts_to_decide == pytest.approx(400)
    assert math.isnan(judge(estimate(0.1), AT_MOST, "pass").texts_to_decide)
    on_it = judge(Estimate(0.3, 0.24, 0.36, 0.02, 100, 900), AT_MOST, "pass")
    assert on_it.texts_to_decide == math.inf
    few = judge(Estimate(0.1, 0.0, 0.2, 0.05, 4, 40), AT_MOST, "pass")
    assert few.texts_to_decide == 8
