"""Verdicts from estimates and limits with margins; their sentences are in report/test_sentence."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_checks.judge.coverage import Coverage
from sae_checks.judge.estimate import Estimate, inapplicable, undefined
from sae_checks.judge.statistics import difference_of_shares
from sae_checks.judge.thresholds import Limit
from sae_checks.judge.verdict import judge

AT_MOST = Limit("nats", max=0.3, margin=0.05)
AT_LEAST = Limit("fraction", min=0.9, margin=0.02)
BETWEEN = Limit("times", min=0.8, max=1.25, margin=0.1)
REPORT = Limit("nats", report_only=True)
UNLIMITED = math.inf


def estimate(value: float, reach: float = 0.03) -> Estimate:
    return Estimate(value, value - reach, value + reach, reach / 2, 97, 3104)


CASES = [
    (AT_MOST, estimate(0.2), "pass"),
    # Shown to be within 0.35, limit and margin, but not within the limit alone.
    (AT_MOST, estimate(0.31), "pass"),
    (AT_MOST, estimate(0.41), "fail"),
    # Shown to be beyond the limit and within the margin: what is beyond its limit fails.
    (AT_MOST, estimate(0.32, 0.01), "fail"),
    # An interval that crosses the limit and leaves the margin: nothing is shown.
    (AT_MOST, estimate(0.325), "undecided"),
    (AT_MOST, estimate(0.29, 0.07), "undecided"),
    (AT_LEAST, estimate(0.95), "pass"),
    (AT_LEAST, estimate(0.92), "pass"),
    (AT_LEAST, estimate(0.90), "undecided"),
    (AT_LEAST, estimate(0.86), "fail"),
    (BETWEEN, estimate(1.0), "pass"),
    (BETWEEN, estimate(0.75), "fail"),
    (BETWEEN, estimate(0.75, 0.06), "undecided"),
    (BETWEEN, estimate(1.3), "fail"),
    (BETWEEN, estimate(1.0, 0.5), "undecided"),
    (AT_LEAST, Estimate(4.0, 4.0, UNLIMITED, math.nan, 9, 90), "pass"),
    (AT_MOST, Estimate(0.1, -UNLIMITED, UNLIMITED, UNLIMITED, 1, 30), "undecided"),
    (REPORT, estimate(3626.5), "reported"),
    (AT_MOST, undefined("no tokens were measured"), "undefined"),
    (AT_MOST, inapplicable("ablation costs nothing"), "not_applicable"),
]


@pytest.mark.parametrize(("limit", "measured", "status"), CASES)
def test_verdicts(limit, measured, status) -> None:
    verdict = judge(measured, limit)
    assert (verdict.status, verdict.holds) == (
        status,
        status in ("pass", "reported", "not_applicable"),
    )


@pytest.mark.parametrize(
    ("limit", "value", "reach"),
    [
        (Limit("points", max=5, margin=3), 24.0, 26.0),
        (Limit("nats", max=0.35, margin=0.05), 0.497, 0.3),
        (Limit("training contexts", min=1.5, margin=0.125), 0.25, 3.5),
    ],
)
def test_a_measured_violation_never_passes_for_want_of_a_sample(limit, value, reach) -> None:
    """Three that 0.3.0 called "passed (undecided)", from 16 texts and from 6 documents."""
    for units in (6, 16):
        verdict = judge(replace(estimate(value, reach), texts=units), limit)
        assert (verdict.status, verdict.holds) == ("undecided", False)


def test_a_value_at_limit_and_margin_is_within_them() -> None:
    assert judge(estimate(0.3, 0), AT_MOST).status == "pass"
    assert judge(estimate(0.9, 0), AT_LEAST).status == "pass"


@pytest.mark.parametrize("holds", [True, False])
@pytest.mark.parametrize("value", [0.29, 0.31])
def test_the_run_says_what_undecided_means(value, holds) -> None:
    verdict = judge(estimate(value, 0.2), AT_MOST, undecided_holds=holds)
    assert (verdict.status, verdict.holds) == ("undecided", holds)


@pytest.mark.parametrize("limit", [AT_MOST, AT_LEAST, BETWEEN, REPORT])
@pytest.mark.parametrize("holds", [True, False])
@pytest.mark.parametrize(
    "measured",
    [
        undefined("broken"),
        replace(estimate(1), value=math.inf),
        replace(estimate(1), low=math.nan),
    ],
)
def test_undefined_never_holds(measured, limit, holds) -> None:
    verdict = judge(measured, limit, undecided_holds=holds)
    assert (verdict.status, verdict.holds) == ("undefined", False)


def test_a_limit_that_limits_nothing_is_a_bug() -> None:
    with pytest.raises(ValueError, match="a limit needs a min or a max, or must be report-only"):
        judge(estimate(1), Limit("nats"))


values = st.floats(-10, 10)
reaches = st.floats(0, 5)
margins = st.floats(0, 2)
RANK = {"fail": 0, "undecided": 1, "pass": 2}


@given(values, reaches, st.floats(0, 5), margins)
def test_moving_away_from_the_limit_never_saves_a_verdict(value, reach, step, margin) -> None:
    limit = Limit("nats", max=1.0, margin=margin)
    before = judge(estimate(value, reach), limit)
    worse = judge(estimate(value + step, reach), limit)
    # What is shown to be beyond its limit fails even within its margin, so that a value between
    # the two may be shown to pass only while it is not shown to fail.
    assert RANK[worse.status] <= RANK[before.status]


@given(values, reaches, margins)
def test_minimum_and_maximum_are_mirror_images(value, reach, margin) -> None:
    above = judge(estimate(value, reach), Limit("nats", max=1.0, margin=margin))
    below = judge(estimate(-value, reach), Limit("nats", min=-1.0, margin=margin))
    assert above.status == below.status


@given(values, reaches, margins, st.sampled_from([0.25, 2.0, 1024.0]))
def test_units_do_not_matter(value, reach, margin, scale) -> None:
    # Powers of two, which scale floats exactly; sums of scaled floats are exact then too.
    one = judge(estimate(value, reach), Limit("nats", min=-2.0, max=1.0, margin=margin))
    measured = Estimate(
        *(scale * part for part in (value, value - reach, value + reach, reach)), 97, 3104
    )
    limit = Limit("x", min=-2.0 * scale, max=scale, margin=margin * scale)
    assert judge(measured, limit).status == one.status


@given(values, reaches, st.floats(0, 1))
def test_a_narrower_interval_keeps_what_failed(value, reach, shrink) -> None:
    limit = Limit("nats", min=-2.0, max=1.0, margin=0.5)
    wide = judge(estimate(value, reach), limit)
    narrow = judge(estimate(value, reach * shrink), limit)
    if wide.status == "fail":
        assert narrow.status == "fail"
    if wide.status == "pass" and limit.allows(value):
        assert narrow.status == "pass"


@given(values, reaches, margins, margins)
def test_a_wider_margin_turns_no_fail_into_a_pass(value, reach, margin, more) -> None:
    narrow = judge(estimate(value, reach), Limit("nats", max=1.0, margin=margin))
    wide = judge(estimate(value, reach), Limit("nats", max=1.0, margin=margin + more))
    assert (narrow.status == "fail") == (wide.status == "fail")
    assert RANK[wide.status] >= RANK[narrow.status]


def test_a_cell_fails_only_where_all_cells_together_are_sure_of_it() -> None:
    """Its own interval, 0.31 to 0.37, is beyond 0.3; the one shared with other cells is not."""
    own = estimate(0.34)
    verdict = judge(own, AT_MOST, replace(own, low=0.29, high=0.39))
    assert (verdict.status, verdict.holds) == ("undecided", False)
    further = replace(own, value=0.4, low=0.37, high=0.43)
    verdict = judge(further, AT_MOST, replace(further, low=0.35, high=0.45))
    assert (verdict.status, verdict.holds) == ("fail", False)


def test_a_cell_passes_by_its_own_interval() -> None:
    own = estimate(0.26)
    assert judge(own, AT_MOST, replace(own, low=0.1, high=0.42)).status == "pass"


@pytest.mark.parametrize("fewest", [8, 64])
@pytest.mark.parametrize(("value", "status"), [(0.1, "pass"), (0.9, "fail")])
def test_few_units_decide_nothing(value, status, fewest) -> None:
    """Neither a pass nor a fail; 8 are the least, 64 while a sample still grows."""
    for units in (1, fewest - 1, fewest):
        wanted = status if units >= fewest else "undecided"
        of_texts = replace(estimate(value), texts=units)
        assert judge(of_texts, AT_MOST, fewest=fewest).status == wanted
        of_documents = replace(estimate(value), clusters=units)
        assert judge(of_documents, AT_MOST, fewest=fewest).status == wanted


def test_what_a_sample_would_have_caught() -> None:
    """Of half-width 0.05 and standard error 0.015: 0.05 + 0.8416 · 0.015 beyond the limit."""
    own = estimate(0.1)
    verdict = judge(own, AT_MOST, replace(own, low=0.05, high=0.15))
    assert verdict.detectable == pytest.approx(0.05 + 0.8416 * 0.015)
    assert math.isnan(judge(own, REPORT).detectable)
    assert math.isnan(judge(undefined("nothing"), AT_MOST).detectable)
    assert math.isnan(judge(inapplicable("nothing"), AT_MOST).detectable)
    unknown = replace(own, standard_error=math.nan)
    assert math.isnan(judge(unknown, AT_MOST).detectable)
    # Of two limits, what lies beyond the one that is harder to show.
    uneven = judge(own, BETWEEN, replace(own, low=0.05, high=0.2))
    assert uneven.detectable == pytest.approx(0.1 + 0.8416 * 0.015)


def test_a_fault_as_large_as_the_detectable_one_is_caught_8_times_in_10() -> None:
    """The figure is what it says: values scattered about limit + detectable fail in 80%."""
    error, reach = 0.01, 0.04

    def measured(value: float, reach: float) -> Estimate:
        return Estimate(value, value - reach, value + reach, error, 97, 3104)

    excess = judge(estimate(0.1, 0), AT_MOST, measured(0.1, reach)).detectable
    drawn = np.random.default_rng(0).normal(0.3 + excess, error, 4000).tolist()
    caught = [
        judge(measured(value, 0.02), AT_MOST, measured(value, reach)).status == "fail"
        for value in drawn
    ]
    assert np.mean(caught) == pytest.approx(0.8, abs=0.02)


def test_how_many_texts_would_decide() -> None:
    """0.04 wide and 0.02 from limit + margin: four times the texts; then the nearer of two ends."""
    limit = Limit("nats", max=0.3, margin=0.05)
    verdict = judge(Estimate(0.33, 0.25, 0.41, 0.04, 100, 900), limit)
    # To pass it would have to shrink from 0.08 to 0.02: 16 times; to fail to 0.03: 7.1 times.
    assert verdict.texts_to_decide == pytest.approx(100 * (0.08 / 0.03) ** 2)
    near = judge(Estimate(0.31, 0.25, 0.37, 0.03, 100, 900), limit)
    assert near.texts_to_decide == pytest.approx(100 * (0.06 / 0.04) ** 2)
    assert math.isnan(judge(estimate(0.1), AT_MOST).texts_to_decide)
    few = judge(Estimate(0.1, 0.0, 0.2, 0.05, 4, 40), AT_MOST)
    assert few.texts_to_decide == 8
    on_both = judge(Estimate(1.0, 0.5, 1.5, 0.25, 100, 900), BETWEEN)
    # The farther end of its own interval decides: 0.3 to 0.7, 0.35 to 1.35.
    assert on_both.texts_to_decide == pytest.approx(100 * (0.5 / 0.3) ** 2)
    # By the interval that all cells share: 0.2 beyond the limit, and 0.6 wide.
    own = Estimate(0.5, 0.2, 0.8, 0.15, 100, 900)
    beyond = judge(own, AT_MOST, replace(own, low=-0.1, high=1.1))
    assert beyond.texts_to_decide == pytest.approx(900)


def test_a_value_that_nothing_can_decide() -> None:
    """Without a margin, one on its limit; at limit and margin it will be shown to fail at last."""
    on_it = Estimate(0.3, 0.24, 0.36, 0.02, 100, 900)
    assert judge(on_it, Limit("nats", max=0.3)).texts_to_decide == math.inf
    at_margin = Estimate(0.35, 0.25, 0.45, 0.05, 100, 900)
    assert judge(at_margin, AT_MOST).texts_to_decide == pytest.approx(400)


def test_as_many_units_as_are_the_least_would_decide_what_is_clear() -> None:
    few = Estimate(0.1, 0.0, 0.2, 0.05, 4, 40)
    assert judge(few, AT_MOST, fewest=64).texts_to_decide == 64
    # 8 texts of 2 documents: as many again as make 8 documents.
    assert judge(replace(few, texts=8, clusters=2), AT_MOST).texts_to_decide == 32


def test_a_drop_of_a_quarter_on_sixteen_items_is_no_pass() -> None:
    """By the interval that accuracy has: 4 of 16 items lost, against 5 points."""
    own, shared = (
        difference_of_shares(4, 0, 16, Coverage.one_sided(error)) for error in (0.05, 1e-4)
    )
    verdict = judge(own, Limit("fraction", max=0.05, margin=0.03), shared)
    assert (own.value, verdict.status, verdict.holds) == (0.25, "undecided", False)
