"""Figures that were made with other parameters, or by another definition, are not compared."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sae_checks.baseline_sources import FileBaseline
from sae_checks.checking import CellRef, Check, bundled_checks
from sae_checks.comparison import Comparison, comparison_of, make_baseline
from sae_checks.errors import BaselineError
from sae_checks.judge.thresholds import CheckLimits, Limit, Margin, Override, Thresholds
from sae_checks.records import PositionRange
from tests import stored
from tests.test_comparison import measurement

GROWTH = bundled_checks()["delta_ce_growth"]
PAST = PositionRange(16, 31)


def growth_at(floor: float, **more: object) -> Thresholds:
    parameters = (("floor", floor),)
    limit = Limit("times", max=2, regression=Margin("higher", by=0.25), parameters=parameters)
    return Thresholds(checks={"delta_ce_growth": CheckLimits(limit, **more)})  # type: ignore[arg-type]


def growth_beside(written: Thresholds, run: Thresholds, check: Check = GROWTH) -> Comparison:
    """Judge a release by some thresholds against the file that others wrote of it."""
    made = measurement(stored.sae_table(0))
    ref = CellRef("past_context", "made-up", stored.sae_ref(0), PAST)
    other = replace(ref, positions=PositionRange(32, 62))
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
    override = Override(positions=PositionRange(32, 62), parameters=(("floor", 0.3),))
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
