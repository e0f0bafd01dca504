"""Who needs more texts: made-up measurements, judged as an adaptive run judges them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from sae_checks.evals.context.cells import Cell, ReleaseCell
from sae_checks.evals.context.table import ContextTable
from sae_checks.evals.registry import kind_named
from sae_checks.judge.check import Check
from sae_checks.judge.estimate import Estimate
from sae_checks.judge.thresholds import CheckLimits, Limit, Thresholds
from sae_checks.records import TEXTS, Measurement, PositionRange, Release, by_key
from sae_checks.records.place import CellRef
from sae_checks.records.ranges import PositionRanges
from sae_checks.session.decision import DecisionRule
from sae_checks.session.family import Family
from sae_checks.session.stopping import Adaptive
from sae_checks.session.suite import bundled_checks
from tests import stored
from tests.places import cell_ref
from tests.tables import changed

BUDGET = 10_000
A, B = (stored.sae_ref(layer).sae_id for layer in range(2))
RANGE = PositionRange(1, 14)
THRESHOLDS = Thresholds(
    checks={
        "delta_ce": CheckLimits(Limit("nats", max=0.35, margin=0.05)),
        "reported": CheckLimits(Limit("nats", report_only=True)),
        "gap": CheckLimits(Limit("nats", max=0.35, margin=0.05)),
    }
)


def _mean(cell: Cell) -> Estimate:
    return cell.mean_difference("ce_sae", "ce_clean")


def _largest_mean(cell: ReleaseCell) -> Estimate:
    """A check of the whole release: the mean of the SAE that is worst."""
    return max((_mean(each) for each in cell.cells), key=lambda estimate: estimate.value)


NEEDS = frozenset({"ce_sae", "ce_clean"})
DELTA_CE = Check("delta_ce", _mean, kind_named("in_context"), NEEDS, "nats")
REPORTED = Check("reported", _mean, kind_named("in_context"), NEEDS, "nats")
GAP = Check("gap", _largest_mean, kind_named("release"), NEEDS, "nats")


def table(layer: int, delta_ce: float, texts: int = 64, spread: float = 0.01) -> ContextTable:
    """An SAE whose ΔCE has this mean; `spread` is the standard deviation of texts' means."""
    made = stored.sae_table(layer, lambda _, position: np.full(position.shape, delta_ce), texts)
    # Texts alternate about the mean, so that an even number of them has exactly that mean.
    shift = spread * np.where(np.arange(texts) % 2 == 0, 1.0, -1.0)
    made.columns["ce_sae"][:] = made.columns["ce_clean"] + delta_ce + shift[:, None]
    return replace(made, complete=False)


def measurement(*tables: ContextTable, saes: int = 2) -> Measurement:
    release = Release(
        "made-up", "folder", stored.LOADING, tuple(stored.sae_ref(layer) for layer in range(saes))
    )
    return Measurement(release, stored.CONTEXT, by_key(list(tables)))


def cells(check: Check, layers: Sequence[int] = (0, 1)) -> list[tuple[Check, CellRef]]:
    return [
        (check, cell_ref("in_context", "made-up", stored.sae_ref(layer), RANGE)) for layer in layers
    ]


def of_release(check: Check = GAP) -> tuple[Check, CellRef]:
    return (check, cell_ref("release", "made-up", None, None))


def rule(
    thresholds: Thresholds = THRESHOLDS, *, adaptive: bool = True, saes: int = 2
) -> DecisionRule:
    checks = {"delta_ce": DELTA_CE, "reported": REPORTED, "gap": GAP, **bundled_checks()}
    ranges = {sae: PositionRanges((RANGE,), ()) for sae in (A, B)}
    return DecisionRule(thresholds, Family(thresholds, checks, saes, ranges), adaptive)


def stopping(wanted: Sequence[tuple[Check, CellRef]]) -> Adaptive:
    return Adaptive(rule(), wanted)


def test_what_is_not_measured_needs_measuring():
    asked = stopping(cells(DELTA_CE))
    assert asked.unsettled(measurement(), TEXTS, BUDGET) == {A, B}
    assert asked.unsettled(measurement(table(0, 0.1)), TEXTS, BUDGET) == {B}


@pytest.mark.parametrize("delta_ce", [0.1, 3.0], ids=["passes", "fails"])
def test_an_sae_whose_cells_are_clear_is_settled(delta_ce: float):
    asked = stopping(cells(DELTA_CE))
    so_far = measurement(table(0, delta_ce), table(1, 0.37, spread=0.1))
    assert asked.unsettled(so_far, TEXTS, BUDGET) == {B}


def test_what_was_decided_is_asked_again_at_every_look():
    """The verdict is that of all that is measured in the end: a cell may need more once again."""
    asked = stopping(cells(DELTA_CE))
    assert asked.unsettled(measurement(table(0, 0.1), table(1, 0.1)), TEXTS, BUDGET) == set()
    later = measurement(table(0, 0.37, 80, 0.1), table(1, 0.37, 80, 0.1))
    assert asked.unsettled(later, TEXTS, BUDGET) == {A, B}


def test_one_open_cell_of_several_keeps_an_sae():
    near = table(0, 0.1)
    near.columns["ce_sae"][:, 8:16] += 0.27 + 0.1 * np.where(np.arange(64) % 2, 1, -1)[:, None]
    wanted = [
        (DELTA_CE, cell_ref("in_context", "made-up", stored.sae_ref(0), positions))
        for positions in (PositionRange(1, 7), PositionRange(8, 15))
    ]
    asked = stopping(wanted)
    assert asked.unsettled(measurement(near, saes=1), TEXTS, BUDGET) == {A}
    assert asked.unsettled(measurement(table(0, 0.1, 80), saes=1), TEXTS, BUDGET) == set()


def test_an_sae_without_gating_cells_goes_on_to_the_end():
    """It is measured for its own sake: no verdict says when that is enough."""
    asked = stopping([*cells(DELTA_CE, [0]), *cells(REPORTED)])
    so_far = measurement(table(0, 0.1), table(1, 0.1))
    for _ in range(3):
        assert asked.unsettled(so_far, TEXTS, BUDGET) == {B}


def test_what_is_only_reported_asks_for_nothing():
    asked = stopping([*cells(DELTA_CE), *cells(REPORTED)])
    so_far = measurement(table(0, 0.1), table(1, 0.1))
    assert asked.unsettled(so_far, TEXTS, BUDGET) == set()


def test_a_gating_cell_of_the_whole_release_keeps_all_saes():
    near = [table(0, 0.1), table(1, 0.37, spread=0.1)]
    # By their own cells the first SAE would be settled, and the second not.
    assert stopping(cells(DELTA_CE)).unsettled(measurement(*near), TEXTS, BUDGET) == {B}
    asked = stopping([*cells(DELTA_CE), of_release()])
    assert asked.unsettled(measurement(*near), TEXTS, BUDGET) == {A, B}
    clear = measurement(table(0, 0.1, 80), table(1, 0.1, 80))
    assert asked.unsettled(clear, TEXTS, BUDGET) == set()


def test_a_cell_of_the_whole_release_waits_for_all_saes():
    """One that could not be loaded has no table, and will not get one: nobody waits for it."""
    asked = stopping([of_release()])
    missing_one = measurement(table(0, 0.37, spread=0.1))
    assert asked.unsettled(missing_one, TEXTS, BUDGET) == {B}


def test_a_release_is_judged_on_the_texts_that_all_saes_have():
    asked = stopping([of_release()])
    uneven = measurement(table(0, 0.1, 128), table(1, 0.37, 64, spread=0.1))
    assert asked.unsettled(uneven, TEXTS, BUDGET) == {A, B}


def test_an_undefined_cell_is_settled():
    """More texts would not make a number of it."""
    broken = table(0, 0.1)
    broken.columns["ce_sae"][3, 5] = np.nan
    asked = stopping(cells(DELTA_CE))
    so_far = measurement(broken, table(1, 0.37, spread=0.1))
    assert asked.unsettled(so_far, TEXTS, BUDGET) == {B}


def test_a_cell_beyond_what_the_budget_decides_is_given_up():
    """Beyond limit and margin, but not so far that two more texts could show it: 1.4 errors.

    Of a release of 500 SAEs, any of which may fail by chance.
    """
    so_far = measurement(table(0, 0.44, spread=0.5), table(1, 0.1))
    of_many = rule(saes=500)
    assert Adaptive(of_many, cells(DELTA_CE)).unsettled(so_far, TEXTS, budget=66) == set()
    assert Adaptive(of_many, cells(DELTA_CE)).unsettled(so_far, TEXTS, budget=100_000) == {A}


def test_a_clear_violation_is_not_given_up():
    """0.6 against 0.4 at a spread of 0.4: 0.3.0 gave it up at half of its budget of 97 texts."""
    limits = with_limits(kl=Limit("nats", max=0.4, margin=0.05))
    check = replace(DELTA_CE, name="kl")
    wanted = cells(check, [0])
    asked = Adaptive(rule(limits), wanted)
    assert asked.unsettled(measurement(table(0, 0.55, spread=0.4), saes=1), TEXTS, 97) == {A}


def test_less_than_64_independent_units_settle_nothing():
    """However clear they look: rare damage is not among so few."""
    few = measurement(table(0, 0.1, 63), table(1, 3.0, 63))
    assert stopping(cells(DELTA_CE)).unsettled(few, TEXTS, BUDGET) == {A, B}
    whole = [replace(each, complete=True) for each in few.tables.values()]
    assert stopping(cells(DELTA_CE)).unsettled(measurement(*whole), TEXTS, 63) == set()


def test_ranges_say_where_and_keep_nobody_waiting():
    """The claim is clear, a range within it is not; where only ranges are asked, they decide."""
    near = table(0, 0.1)
    near.columns["ce_sae"][:, 8:10] += 0.27 + 0.1 * np.where(np.arange(64) % 2, 1, -1)[:, None]
    claim, at = cells(DELTA_CE, [0]), PositionRange(8, 9)
    within = cell_ref("in_context", "made-up", stored.sae_ref(0), at, family="range")
    part = [(DELTA_CE, within)]
    so_far = measurement(near, saes=1)
    assert stopping([*claim, *part]).unsettled(so_far, TEXTS, BUDGET) == set()
    assert stopping(part).unsettled(so_far, TEXTS, BUDGET) == {A}


def test_what_is_not_applicable_so_far_is_measured_further():
    """A logit difference near 0: more items may show one; at the end of the budget none will."""
    check = bundled_checks()["logit_difference_kept"]
    limits = with_limits(logit_difference_kept=Limit("fraction", min=0.8, margin=0.05))
    task = stored.task_table(0, "words", items=100)
    noise = np.where(np.arange(100) % 2 == 0, 1.0, -1.0)
    columns = {"clean_logit_difference": 0.01 + noise, "sae_logit_difference": 0.01 + noise}
    task = replace(task, columns={**task.columns, **columns}, complete=False)
    wanted = [(check, cell_ref("task", "made-up", stored.sae_ref(0), None, "words"))]
    so_far = measurement(saes=1).with_tables(task)
    verdict = rule(limits).verdict(so_far, *wanted[0])
    assert (verdict.status, verdict.holds) == ("not_applicable", True)
    assert verdict.estimate.reason == (
        "the mean of clean_logit_difference is not above 0 beyond doubt: there is nothing to keep"
    )
    assert Adaptive(rule(limits), wanted).unsettled(so_far, "words", BUDGET) == {A}
    whole = so_far.with_tables(replace(task, complete=True))
    assert Adaptive(rule(limits), wanted).unsettled(whole, "words", 100) == set()


@pytest.mark.parametrize(("broken", "unsettled"), [(False, {A}), (True, set())])
def test_where_ablation_costs_nothing_so_far_more_is_measured(broken: bool, unsettled: set[str]):
    """Unless the SAE is broken: a NaN is one after all texts too."""
    check = bundled_checks()["ce_recovered"]
    limits = with_limits(ce_recovered=Limit("fraction", min=0.9, margin=0.01))
    costless = table(0, 0.1)
    costless.columns["ce_zero"][:] = costless.columns["ce_clean"]
    if broken:
        costless.columns["ce_sae"][3, 5] = np.nan
    wanted, so_far = cells(check, [0]), measurement(costless, saes=1)
    verdict = rule(limits).verdict(so_far, *wanted[0])
    assert verdict.status == ("undefined" if broken else "not_applicable")
    assert verdict.holds is not broken
    assert Adaptive(rule(limits), wanted).unsettled(so_far, TEXTS, BUDGET) == unsettled


def test_texts_and_tasks_are_separate_matters():
    limits = with_limits(delta_ln_p=Limit("nats", min=-1.0, margin=0.1))
    task = stored.task_table(0, "words", items=100)
    wanted = [*cells(DELTA_CE, [0]), on_task("delta_ln_p")]
    asked = Adaptive(rule(limits), wanted)
    texts = measurement(table(0, 0.37, spread=0.1), saes=1)
    assert asked.unsettled(texts, TEXTS, BUDGET) == {A}
    assert asked.unsettled(texts, "words", BUDGET) == {A}  # not measured on it yet
    with_task = texts.with_tables(replace(task, complete=False))
    assert asked.unsettled(with_task, "words", BUDGET) == set()
    assert asked.unsettled(with_task, TEXTS, BUDGET) == {A}
    # Of a task that no cell asks about, an SAE is measured to the end.
    assert asked.unsettled(with_task, "others", BUDGET) == {A}


def with_limits(**limits: Limit) -> Thresholds:
    more = {name: CheckLimits(limit) for name, limit in limits.items()}
    return replace(THRESHOLDS, checks={**THRESHOLDS.checks, **more})


def on_task(name: str) -> tuple[Check, CellRef]:
    sae = stored.sae_ref(0)
    return bundled_checks()[name], cell_ref("task", "made-up", sae, None, "words")


@pytest.mark.parametrize("check", ["delta_ce", "delta_ln_p"])
def test_intervals_on_the_way_reach_further(check: str):
    """On texts as on items: asking again and again is paid for by wider intervals."""
    limits = with_limits(delta_ln_p=Limit("nats", min=-1.0, margin=0.1))
    asked = cells(DELTA_CE)[0] if check == "delta_ce" else on_task(check)

    def reach(*, adaptive: bool, complete: bool) -> float:
        task = stored.task_table(0, "words", items=16)
        texts = measurement(replace(table(0, 0.3), complete=complete))
        so_far = texts.with_tables(replace(task, complete=complete))
        estimate = rule(limits, adaptive=adaptive).verdict(so_far, *asked).estimate
        return (estimate.high - estimate.low) / (2 * estimate.standard_error)

    fixed = reach(adaptive=False, complete=True)
    assert reach(adaptive=True, complete=False) > 1.5 * fixed
    # Of the error, 9/10 are left for the end: hardly wider than if nobody had looked before.
    assert fixed < reach(adaptive=True, complete=True) < 1.1 * fixed


def test_ablations_which_come_last_keep_nobody_waiting():
    """Features are ablated when all items are measured: until then such a cell says nothing."""
    limits = with_limits(
        delta_ln_p=Limit("nats", min=-1.0, margin=0.1),
        ablated_best=Limit("nats", max=1.0, margin=0.1),
    )
    wanted = [on_task("delta_ln_p"), on_task("ablated_best")]
    asked = Adaptive(rule(limits), wanted)
    task = stored.task_table(0, "words", items=100)
    task = changed(task, complete=False, ablations=None)
    so_far = measurement(saes=1).with_tables(task)
    assert asked.unsettled(so_far, "words", BUDGET) == set()
