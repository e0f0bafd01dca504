"""How a cell is judged: by which intervals, from how many units, and what undecided then means."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from sae_checks.errors import UnmeasuredError
from sae_checks.evals.context.cells import Cell
from sae_checks.evals.context.table import ContextTable
from sae_checks.evals.registry import kind_named
from sae_checks.judge.check import Check
from sae_checks.judge.coverage import Coverage
from sae_checks.judge.estimate import Estimate, undefined
from sae_checks.judge.thresholds import CheckLimits, Gate, Limit, Thresholds
from sae_checks.judge.verdict import Verdict
from sae_checks.records import (
    DeclaredFigure,
    Intervention,
    Measurement,
    PositionRange,
    Release,
    SaeRef,
    by_key,
)
from sae_checks.records.manifest import Manifest
from sae_checks.records.place import CellRef
from sae_checks.records.ranges import PositionRanges
from sae_checks.session.decision import DecisionRule
from sae_checks.session.family import Family
from sae_checks.session.suite import bundled_checks
from tests import stored
from tests.places import cell_ref

INSIDE, PART = PositionRange(1, 15), PositionRange(8, 15)
SAE = stored.sae_ref(0)
CLAIM = cell_ref("in_context", "made-up", SAE, INSIDE)
RANGE = cell_ref("in_context", "made-up", SAE, PART, family="range")
LIMITS = {"delta_ce": CheckLimits(Limit("nats", max=0.35, margin=0.05))}


def _mean(cell: Cell) -> Estimate:
    return cell.mean_difference("ce_sae", "ce_clean")


def checking(function: Callable[[Cell], Estimate] = _mean) -> Check:
    return Check(
        "delta_ce", function, kind_named("in_context"), frozenset({"ce_sae", "ce_clean"}), "nats"
    )


def rule(check: Check, *, adaptive: bool = False, **gate: object) -> DecisionRule:
    limits = Thresholds(gate=Gate(**gate), checks=LIMITS)  # type: ignore[arg-type]
    ranges = {SAE.sae_id: PositionRanges((PART,), ())}
    return DecisionRule(limits, Family(limits, {"delta_ce": check}, 1, ranges), adaptive)


def table(delta_ce: float, *, texts: int = 64, spread: float = 0.01) -> ContextTable:
    """Texts alternate about the mean, at a standard deviation of `spread`."""
    made = stored.sae_table(0, texts=texts)
    shift = spread * np.where(np.arange(texts) % 2 == 0, 1.0, -1.0)
    made.columns["ce_sae"][:] = made.columns["ce_clean"] + delta_ce + shift[:, None]
    return made


def judged(
    one: ContextTable,
    ref: CellRef = CLAIM,
    check: Check | None = None,
    *,
    adaptive: bool = False,
    **gate: object,
) -> Verdict:
    release = Release("made-up", "folder", stored.LOADING, (SAE,))
    measurement = Measurement(release, stored.CONTEXT, by_key([one]))
    check = check or checking()
    return rule(check, adaptive=adaptive, **gate).verdict(measurement, check, ref)


def reach(estimate: Estimate) -> float:
    """From the value to an end, in standard errors."""
    return (estimate.high - estimate.value) / estimate.standard_error


def test_a_claim_passes_by_its_own_confidence_and_fails_by_its_share_of_the_error():
    """One SAE and the release, each with one half of 0.04; one claim on the SAE."""
    verdict = judged(table(0.1))
    assert verdict.status == "pass"
    assert reach(verdict.estimate) == pytest.approx(Coverage.one_sided(0.05).reach(63, 64))
    assert reach(verdict.adjusted) == pytest.approx(Coverage.one_sided(0.02).reach(63, 64))
    of_range = judged(table(0.1), RANGE)
    # All of 0.01 for the one range of the one SAE.
    assert reach(of_range.adjusted) == pytest.approx(Coverage.one_sided(0.01).reach(63, 64))
    surer = judged(table(0.1), confidence=0.99, claims_error=0.002)
    assert reach(surer.estimate) == pytest.approx(Coverage.one_sided(0.01).reach(63, 64))
    assert reach(surer.adjusted) == pytest.approx(Coverage.one_sided(0.001).reach(63, 64))


@pytest.mark.parametrize(
    ("gate", "holds"),
    [
        ({}, (False, True)),
        ({"undecided_claims": "pass"}, (True, True)),
        ({"undecided_ranges": "fail"}, (False, False)),
    ],
)
def test_what_undecided_means_is_said_of_each_family(gate, holds):
    wide = table(0.37, spread=0.4)
    verdicts = [judged(wide, ref, **gate) for ref in (CLAIM, RANGE)]
    assert [verdict.status for verdict in verdicts] == ["undecided", "undecided"]
    assert tuple(verdict.holds for verdict in verdicts) == holds
    assert [verdict.family for verdict in verdicts] == ["claim", "range"]


@pytest.mark.parametrize(("delta_ce", "status"), [(0.1, "pass"), (3.0, "fail")])
def test_below_64_units_nothing_is_decided_while_a_sample_may_grow(delta_ce, status):
    few = table(delta_ce, texts=63)
    growing = judged(replace(few, complete=False), adaptive=True)
    assert (growing.status, growing.fewest) == ("undecided", 64)
    assert judged(table(delta_ce, texts=64), adaptive=True).status == status
    # Of the whole budget, or of a sample of fixed size, 8 are the least.
    assert judged(few, adaptive=True).status == status
    assert judged(few).status == status
    assert judged(table(delta_ce, texts=7)).status == "undecided"


def test_what_is_measured_in_parts_is_judged_by_intervals_that_hold_at_every_stop():
    on_the_way = judged(replace(table(0.1), complete=False), adaptive=True)
    at_the_end = judged(table(0.1), adaptive=True)
    fixed = judged(table(0.1))
    for which in ("estimate", "adjusted"):
        reaches = [reach(getattr(each, which)) for each in (fixed, at_the_end, on_the_way)]
        assert reaches == sorted(reaches)
        assert reaches[0] < reaches[1] < 1.1 * reaches[0] < reaches[2]


def test_an_sae_that_is_no_number_is_undefined_at_once():
    """However few there are, and whatever undecided means: more texts would not mend it."""
    broken = replace(table(0.1, texts=16), complete=False)
    broken.columns["ce_sae"][3, 5] = np.nan
    verdict = judged(broken, adaptive=True, undecided_claims="pass")
    assert (verdict.status, verdict.holds) == ("undefined", False)
    assert verdict.estimate.reason == "ce_sae is not finite on 1 token of 1 text"


def test_what_cannot_be_had_as_surely_as_a_fail_takes_may_pass_and_never_fails():
    """Such as a share of what is above 0 by the cell's own interval, but not by the wider one."""

    def check_share(cell: Cell) -> Estimate:
        mean = replace(cell.mean_difference("ce_sae", "ce_clean"), spread=None)
        as_its_own = cell.coverage.confidence < 0.91
        return mean if as_its_own else undefined("not above 0 beyond doubt")

    for delta_ce, status in ((0.1, "pass"), (3.0, "undecided")):
        verdict = judged(table(delta_ce), check=checking(check_share))
        assert verdict.status == status
        assert (verdict.adjusted.low, verdict.adjusted.high) == (-math.inf, math.inf)


@pytest.mark.parametrize("complete", [True, False])
def test_a_check_is_asked_once_and_both_intervals_are_those_of_asking_twice(complete):
    asked = []

    def check_once(cell: Cell) -> Estimate:
        asked.append(cell.coverage)
        return cell.explained_variance()

    def check_twice(cell: Cell) -> Estimate:
        return replace(cell.explained_variance(), spread=None)

    made = replace(table(0.1, spread=0.4), complete=complete)
    once, twice = (
        judged(made, check=checking(function), adaptive=True)
        for function in (check_once, check_twice)
    )
    assert len(asked) == 1
    assert once.estimate == twice.estimate
    assert once.adjusted.low == pytest.approx(twice.adjusted.low, rel=1e-9)
    assert once.adjusted.high == pytest.approx(twice.adjusted.high, rel=1e-9)
    assert once.adjusted.low < once.estimate.low < once.estimate.high < once.adjusted.high


def test_an_sae_without_a_table_has_no_verdict():
    check = checking()
    release = Release("made-up", "folder", stored.LOADING, (SAE,))
    failures = {SAE.sae_id: "cannot be loaded"}
    measurement = Measurement(release, stored.CONTEXT, {}, failures=failures)
    with pytest.raises(UnmeasuredError, match=r"^cannot be loaded$"):
        rule(check).verdict(measurement, check, CLAIM)


def of_corpus(one: ContextTable, sae: SaeRef, corpus: str) -> Measurement:
    """The same table, by the manifest of texts of this corpus."""
    manifest = Manifest(provenance={"corpus": corpus})
    release = Release("made-up", "folder", stored.LOADING, (sae,))
    return Measurement(release, stored.CONTEXT, by_key([one]), manifest=manifest)


def test_tables_that_were_judged_are_not_judged_again_and_others_are():
    asked: list[float] = []

    def counting(cell: Cell) -> Estimate:
        estimate = cell.mean_difference("ce_sae", "ce_clean")
        asked.append(estimate.value)
        return estimate

    check = checking(counting)
    one, other = table(0.1), table(0.2)
    judging, (first, again, changed) = (
        rule(check),
        (of_corpus(each, SAE, "tales") for each in (one, one, other)),
    )
    verdict = judging.verdict(first, check, CLAIM)
    assert judging.verdict(again, check, CLAIM) == verdict
    assert asked == pytest.approx([0.1])
    assert judging.verdict(changed, check, CLAIM).estimate.value == pytest.approx(0.2)
    assert judging.verdict(first, check, CLAIM) == verdict
    assert asked == pytest.approx([0.1, 0.2, 0.1])


def test_what_an_sae_declares_is_judged_anew_as_its_sentence_names_the_corpus():
    figure = DeclaredFigure(5.0, "its cfg.json")
    sae = replace(SAE, declared=replace(SAE.declared, l0=figure))
    one = replace(table(0.1), intervention=Intervention((sae,)))
    check = bundled_checks()["declared_l0"]
    limits = Thresholds(checks={"declared_l0": CheckLimits(Limit("times", max=1.5, margin=0.05))})
    family = Family(limits, {"declared_l0": check}, 1, {SAE.sae_id: PositionRanges((), ())})
    judging, ref = DecisionRule(limits, family), cell_ref("declared_l0", "made-up", sae, INSIDE)
    said = [
        dict(judging.verdict(of_corpus(one, sae, corpus), check, ref).estimate.notes)["corpus"]
        for corpus in ("an unknown corpus", "tales")
    ]
    assert said == [
        "an unknown corpus; the release declares none",
        "tales; the release declares none",
    ]
