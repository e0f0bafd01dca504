"""A candidate beside a baseline: differences by hand, and what pairing is good for."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import skew
from scipy.stats import t as student_t

from sae_checks.baseline.paired import (
    CellValue,
    Influences,
    PairedCell,
    influences_of_groups,
)
from sae_checks.judge.coverage import Coverage
from sae_checks.judge.estimate import further
from sae_checks.judge.resampling import jackknife
from sae_checks.judge.statistics import ratio_of_sums
from sae_checks.judge.thresholds import Margin
from sae_checks.judge.verdict import judge
from sae_checks.report.sentence import sentence


def valued(value: float, *influence: float, texts: int = 97, **fields: object) -> CellValue:
    made = CellValue(value, Influences.of(np.array(influence)), texts, 3104, texts)
    return replace(made, **fields)  # type: ignore[arg-type]


def compared(
    candidate: CellValue | None,
    baseline: CellValue | None,
    margin: Margin = Margin("higher", by=0.01, share=0.1),
    coverage: Coverage = Coverage(),
) -> PairedCell:
    return PairedCell(candidate, baseline, margin, "nats", coverage)


def test_rounding_adds_next_to_nothing_to_a_standard_error():
    """Of weights that were converted: values differ by a millionth, 1,000 items.

    A margin is a hundredth of the values and more; the interval is 0.01% of the values.
    """
    generator = np.random.default_rng(4)
    items = generator.exponential(1.0, 1_000)
    ours, theirs = (of_samples(items * factor) for factor in (1 + 1e-6, 1.0))
    estimate = compared(ours, theirs).difference()
    assert estimate.value == pytest.approx(1e-6, rel=0.1)
    assert estimate.high - estimate.low < 1e-4


# --- Differences ---


def test_a_difference_by_hand():
    """0.25 - 0.2, of three texts. Their influences on it are 0.01, 0 and -0.01.

    Standard error: √(3/2 · (0.01² + 0² + 0.01²)) = 0.017321; t(0.975, 2) = 4.302653.
    """
    ours = valued(0.25, 0.03, 0.01, -0.04, texts=3)
    theirs = valued(0.2, 0.02, 0.01, -0.03, texts=3)
    estimate = compared(ours, theirs).difference()
    assert estimate.value == pytest.approx(0.05)
    assert estimate.standard_error == pytest.approx(0.01 * math.sqrt(3), rel=1e-3)
    assert estimate.high == pytest.approx(0.05 + 4.30265273 * 0.01 * math.sqrt(3), rel=1e-3)
    assert estimate.low + estimate.high == pytest.approx(2 * 0.05, rel=1e-3)
    assert (estimate.texts, estimate.tokens, estimate.unit_name) == (3, 3104, "text")
    assert estimate.notes == (("candidate_value", 0.25), ("baseline_value", 0.2))
    assert estimate.influence == pytest.approx([0.01, 0, -0.01], abs=1e-5)


def test_a_difference_is_the_estimate_of_differences():
    """Value, degrees of freedom, and the end that a long tail moves out."""
    generator = np.random.default_rng(2)
    hard, more = generator.normal(0.2, 0.3, 40), generator.exponential(0.1, 40)
    estimate = compared(of_samples(hard + more), of_samples(hard)).difference()
    ones = np.ones(40)
    alone = ratio_of_sums(more, ones, ones, Coverage())
    assert estimate.value == pytest.approx(alone.value)
    assert estimate.low == pytest.approx(alone.low, rel=1e-3)
    assert estimate.high == pytest.approx(alone.high, rel=1e-3)
    error, reach = more.std(ddof=1) / math.sqrt(40), student_t.ppf(0.975, 39)
    beyond = further(reach, float(skew(more, bias=False)), 40)
    assert beyond > 0.4
    assert estimate.high == pytest.approx(more.mean() + (reach + beyond) * error, rel=1e-3)


def test_units_without_data_are_no_degrees_of_freedom():
    """Two texts of four have tokens here: t(0.975, 1) = 12.7062 and √(2/1 · 2 · 0.01²)."""
    ours = valued(0.25, 0.01, -0.01, 0, 0, texts=2)
    theirs = valued(0.25, 0, 0, 0, 0, texts=2)
    estimate = compared(ours, theirs).difference()
    assert estimate.high == pytest.approx(12.7062 * 0.02, rel=1e-3)


def test_items_of_documents_count_as_their_documents():
    """200 items, but of 5 documents: that is fewer than decide anything."""
    one = valued(1.0, 0.1, -0.1, 0, 0, 0, texts=200, unit_name="item", units=5)
    cell = compared(one, one)
    estimate = cell.difference()
    assert (estimate.texts, estimate.unit_name, estimate.clusters) == (200, "item", 5)
    verdict = judge(estimate, cell.limit())
    assert verdict.status == "undecided"
    assert "200 items of 5 documents" in sentence(verdict)
    assert "some 8 documents would decide it" in sentence(verdict)


def test_items_stay_items():
    one = valued(1.0, 0.1, -0.1, unit_name="item")
    estimate = compared(one, one).difference()
    assert (estimate.unit_name, estimate.clusters) == ("item", None)


# --- Groups ---


def test_groups_have_the_standard_error_of_their_jackknife():
    """Three of them, at 2 degrees of freedom, whatever they are made of."""
    ours, theirs = np.array([0.28, 0.26, 0.21]), np.array([0.22, 0.21, 0.17])
    of = [influences_of_groups(each) for each in (ours, theirs)]
    cells = [
        valued(value, grouped=True, influences=each)
        for value, each in zip((0.25, 0.2), of, strict=True)
    ]
    estimate = compared(*cells).difference()
    expected = jackknife(0.05, ours - theirs, Coverage())
    assert estimate.standard_error == pytest.approx(expected.standard_error, rel=1e-3)
    # Symmetric but for the skewness of the three, which moves out one end.
    ends = (estimate.value - estimate.low, estimate.high - estimate.value)
    assert min(ends) == pytest.approx(expected.high - 0.05, rel=1e-3)
    assert (estimate.texts, estimate.units, estimate.influence) == (97, 97, None)


def test_without_influences_there_is_no_interval():
    cell = compared(valued(0.3), valued(0.3, 0.1, -0.1))
    estimate = cell.difference()
    assert (estimate.low, estimate.high) == (-math.inf, math.inf)
    assert judge(estimate, cell.limit()).status == "undecided"


@pytest.mark.parametrize(
    ("candidate", "baseline", "reason"),
    [
        (
            valued(0.3, 0.1, -0.1),
            None,
            "the baseline has no such cell, so that nothing can be compared",
        ),
        (
            None,
            valued(0.3, 0.1, -0.1),
            "the candidate has no such cell, so that nothing can be compared",
        ),
        (
            valued(math.nan, reason="ce_sae is not finite on 1 token of 1 text"),
            valued(0.3, 0.1, -0.1),
            "of the candidate: ce_sae is not finite on 1 token of 1 text",
        ),
        (
            valued(0.3, 0.1, -0.1),
            valued(math.nan),
            "of the baseline: the value is not a number",
        ),
        (
            valued(0.3, 0.1, -0.1, texts=1200),
            valued(0.3, 0.1, -0.1, texts=97),
            "the candidate has 1,200 texts here and the baseline 97: they cannot be paired",
        ),
        (
            valued(0.3, 0.1, -0.1, unit_name="item"),
            valued(0.3, 0.1, -0.1, texts=96, unit_name="item"),
            "the candidate has 97 items here and the baseline 96: they cannot be paired",
        ),
    ],
    ids=["no_baseline", "no_candidate", "undefined", "unexplained", "texts", "items"],
)
def test_what_cannot_be_compared_is_undefined_and_fails(candidate, baseline, reason):
    cell = compared(candidate, baseline)
    verdict = judge(cell.difference(), cell.limit())
    assert (verdict.status, verdict.holds) == ("undefined", False)
    assert sentence(verdict) == f"undefined: {reason}"


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (valued(0.3, 0.1, -0.1, units=12), "97 independent texts here and the baseline 12"),
        (valued(0.3, 0.1, -0.1, 0.0), "influences of 2 units here and the baseline 3 units"),
        (
            valued(0.3, 0.1, -0.1, grouped=True),
            "influences of 2 units here and the baseline 2 groups",
        ),
    ],
    ids=["units", "lengths", "groups"],
)
def test_what_rests_on_other_units_cannot_be_paired_either(other, told):
    estimate = compared(valued(0.3, 0.1, -0.1), other).difference()
    assert estimate.reason == f"the candidate has {told}: they cannot be paired"


moves = st.lists(st.floats(-1, 1), min_size=3, max_size=20)


@given(st.floats(-10, 10), st.floats(-10, 10), moves, st.randoms(use_true_random=False))
def test_the_other_way_round_is_the_negative(ours, theirs, ours_moves, random):
    one = valued(ours, *ours_moves)
    other = valued(theirs, *random.sample(ours_moves, len(ours_moves)))
    there, back = compared(one, other).difference(), compared(other, one).difference()
    assert there.value == pytest.approx(-back.value)
    assert there.low == pytest.approx(-back.high)
    assert there.high == pytest.approx(-back.low)


@given(st.floats(-10, 10), moves)
def test_a_release_is_as_good_as_itself(value, its_moves):
    one = valued(value, *its_moves)
    for worse in ("higher", "lower", "either"):
        cell = compared(one, one, Margin(worse, by=1e-9))
        verdict = judge(cell.difference(), cell.limit())
        assert verdict.status == "pass"
        assert verdict.estimate.high == verdict.estimate.low == 0


def of_samples(samples: np.ndarray) -> CellValue:
    """A mean, with the influence of each sample."""
    mean = float(samples.mean())
    return valued(mean, *(samples - mean) / len(samples), texts=len(samples))


def test_pairing_takes_out_what_both_samples_share():
    """How hard texts are varies by 0.3 nats, what the two SAEs make of one by 0.01."""
    generator = np.random.default_rng(0)
    hard = generator.normal(0.2, 0.3, 1_000)
    ours = of_samples(hard + 0.02 + generator.normal(0, 0.01, 1_000))
    theirs = of_samples(hard)
    paired = compared(ours, theirs).difference()
    nothing_moves = valued(0.0, *np.zeros(1_000), texts=1_000)
    alone = [compared(each, nothing_moves).difference() for each in (ours, theirs)]
    unpaired = math.hypot(*(each.standard_error for each in alone))
    assert unpaired == pytest.approx(0.3 * math.sqrt(2 / 1_000), rel=0.1)
    assert paired.standard_error == pytest.approx(0.01 / math.sqrt(1_000), rel=0.1)
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


def test_what_the_clean_model_gives_no_ground_for_is_not_applicable_on_both_sides():
    """It blocks no comparison; on one side alone, something changed."""
    nothing = valued(math.nan, reason="not applicable: there is nothing to keep")
    cell = compared(nothing, nothing)
    verdict = judge(cell.difference(), cell.limit())
    assert (verdict.status, verdict.holds) == ("not_applicable", True)
    assert verdict.estimate.reason == "there is nothing to keep"
    cell = compared(nothing, valued(0.3, 0.1, -0.1))
    assert judge(cell.difference(), cell.limit()).status == "undefined"


@pytest.mark.parametrize(("items", "status"), [(30, "undecided"), (148, "pass")])
def test_no_answer_that_changes_is_no_proof_that_none_would(items, status):
    """A release 4 points worse shows no changed answer of 30 in 3 samples of 10: no pass by 2."""
    same = replace(valued(5.0, *np.zeros(items), texts=items, unit_name="item"), unseen=100 / items)
    cell = replace(compared(same, same, Margin("higher", 2.0)), coverage=Coverage.one_sided(0.05))
    verdict = judge(cell.difference(), cell.limit())
    assert verdict.estimate.value == 0
    assert verdict.status == status
