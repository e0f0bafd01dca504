"""Figures that were made with other parameters, or by another definition, are not compared."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sae_checks.baseline.comparison import Comparison, comparison_of, make_baseline
from sae_checks.baseline.source import FileBaseline
from sae_checks.errors import BaselineError
from sae_checks.judge.check import Check
from sae_checks.judge.thresholds import CheckLimits, Limit, Margin, Override, Thresholds
from sae_checks.records import PositionRange
from sae_checks.session.suite import bundled_checks
from tests import stored
from tests.baseline.test_comparison import measurement
from tests.places import cell_ref, where

GROWTH = bundled_checks()["delta_ce_growth"]
PAST = PositionRange(16, 31)


def growth_at(floor: float, **more: object) -> Thresholds:
    parameters = (("floor", floor),)
    limit = Limit("times", max=2, regression=Margin("higher", by=0.25), parameters=parameters)
    return Thresholds(checks={"delta_ce_growth": CheckLimits(limit, **more)})  # type: ignore[arg-type]


def growth_beside(written: Thresholds, run: Thresholds, check: Check = GROWTH) -> Comparison:
    """Judge a release by some thresholds against the file that others wrote of it."""
    made = measurement(stored.sae_table(0))
    ref = cell_ref("past_context", "made-up", stored.sae_ref(0), PAST)
    other = cell_ref("past_context", "made-up", stored.sae_ref(0), PositionRange(32, 62))
    baseline = make_baseline(made, written, [(GROWTH, ref), (GROWTH, other)])
    sae_id = stored.sae_ref(0).sae_id
    comparison = Comparison(FileBaseline("v1.json", baseline), {sae_id: sae_id})
    compared = comparison_of(check, "regression")
    cells = [(compared, replace(each, compared=check.name)) for each in (ref, other)]
    comparison.prepare(made, run, cells)
    return comparison


TOLD = (
    "the baseline v1.json was judged otherwise than this run, so that figures cannot be compared: "
    "{}; judge by the same, or make a new one with --sae-baseline-update"
)


@pytest.mark.parametrize(("was", "now"), [(0.02, 0.2), (0.2, 0.02)])
def test_a_baseline_of_another_parameter_is_refused(was: float, now: float):
    with pytest.raises(BaselineError) as caught:
        growth_beside(growth_at(was), growth_at(now))
    assert str(caught.value) == TOLD.format(
        f"delta_ce_growth was written with floor = {was}, this run has floor = {now}"
    )
    growth_beside(growth_at(was), growth_at(was))


def test_an_override_of_a_parameter_is_refused_where_it_is():
    override = Override(where(positions=PositionRange(32, 62)), parameters=(("floor", 0.3),))
    with pytest.raises(BaselineError) as caught:
        growth_beside(growth_at(0.02), growth_at(0.02, overrides=(override,)))
    assert str(caught.value) == TOLD.format(
        "delta_ce_growth was written with floor = 0.02, this run has floor = 0.3 "
        "(at blocks.0.hook_resid_pre 32:62)"
    )


def test_a_baseline_of_another_definition_is_refused():
    with pytest.raises(BaselineError) as caught:
        growth_beside(growth_at(0.02), growth_at(0.02), replace(GROWTH, definition=2))
    assert str(caught.value) == TOLD.format(
        "delta_ce_growth was written with version 1 of its definition, this run has version 2"
    )


def test_a_limit_of_another_check_that_a_figure_is_made_of_is_refused_where_it_differs():
    """How far the context is usable is measured by the limit of ΔCE."""
    check = bundled_checks()["usable_context"]
    assert check.limits == ("delta_ce",)

    def limits(most: float) -> Thresholds:
        usable = Limit(
            check.unit, min=1.5, regression=Margin("lower", by=0.1), parameters=(("window", 16.0),)
        )
        of_loss = CheckLimits(Limit("nats", max=most))
        return Thresholds(checks={"usable_context": CheckLimits(usable), "delta_ce": of_loss})

    def compare(was: float, now: float) -> None:
        made = measurement(stored.sae_table(0))
        ref = cell_ref("sae", "made-up", stored.sae_ref(0), None)
        baseline = make_baseline(made, limits(was), [(check, ref)])
        sae_id = stored.sae_ref(0).sae_id
        comparison = Comparison(FileBaseline("v1.json", baseline), {sae_id: sae_id})
        cells = [(comparison_of(check, "regression"), replace(ref, compared=check.name))]
        comparison.prepare(made, limits(now), cells)

    compare(0.35, 0.35)
    with pytest.raises(BaselineError) as caught:
        compare(0.35, 1.0)
    assert str(caught.value) == TOLD.format(
        "usable_context was written with delta_ce.max = 0.35, this run has delta_ce.max = 1.0"
    )
