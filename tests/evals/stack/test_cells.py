"""What a check is told of a stack: made-up tables with figures that can be computed by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_checks.baseline.comparison import Comparison, make_baseline
from sae_checks.baseline.source import FileBaseline
from sae_checks.errors import UnmeasuredError
from sae_checks.evals.collect import CellCollector
from sae_checks.evals.context.table import ContextTable
from sae_checks.evals.selector import CellSelector
from sae_checks.evals.stack.tables import StackTable, StackTaskTable
from sae_checks.judge.check import Check
from sae_checks.judge.coverage import FIXED
from sae_checks.judge.thresholds import CheckLimits, Limit, Margin, Thresholds
from sae_checks.records import (
    TEXTS,
    Intervention,
    Manifest,
    Measurement,
    PositionRange,
    Release,
    TaskRef,
    by_key,
)
from sae_checks.session.ranges import default_ranges
from sae_checks.session.suite import bundled_checks
from tests import stored

SAES = tuple(stored.sae_ref(layer) for layer in range(3))
STACK = Intervention(SAES)
CHECKS = bundled_checks()
IN_CONTEXT = PositionRange(1, stored.TRAINING_CONTEXT - 1)
NAME = "3-saes-blocks.0.hook_resid_pre..blocks.2.hook_resid_pre"
TASK = TaskRef("made-up-task", frozenset({"clean_rank", "sae_rank"}), "", 40, 0, "first_token")


def losses(added: np.ndarray, seed: int = 0) -> dict[str, np.ndarray]:
    """(texts, C) columns with a ΔCE of `added` (texts,) on every token."""
    shape = (len(added), stored.CONTEXT)
    clean = np.random.default_rng(seed).normal(4, 0.1, shape)
    columns = {"ce_clean": clean, "ce_sae": clean + added[:, None], "norm": np.ones(shape)}
    columns["kl"] = np.broadcast_to(added[:, None], shape).copy()
    for name, values in columns.items():
        values[:, 0] = np.nan
        if name != "norm":
            values[:, -1] = np.nan
    return columns


def prefix(number: int, added: np.ndarray, **fields) -> StackTable:
    labels = {"massive": np.zeros((len(added), stored.CONTEXT), dtype=np.bool_)}
    return StackTable(TEXTS, STACK, losses(added), labels, observed=SAES[number], **fields)


def alone(number: int, added: np.ndarray, complete: bool = True) -> ContextTable:
    massive = np.zeros((len(added), stored.CONTEXT), dtype=np.bool_)
    return ContextTable.of(SAES[number], losses(added), massive, complete=complete)


def release(saes=SAES) -> Release:
    return Release("made-up", "folder", stored.LOADING, saes)


def measurement(*tables, **fields) -> Measurement:
    return Measurement(release(), stored.CONTEXT, by_key(list(tables)), **fields)


def refs(check: Check, saes=SAES):
    ranges = default_ranges(release(saes), stored.CONTEXT)
    return CellCollector(release(saes), stored.CONTEXT, ranges, (TASK,), frozenset()).cells(check)


def given_cells(name: str, measured: Measurement, thresholds: Thresholds | None = None):
    check = CHECKS[name]
    limits = thresholds or Thresholds(
        checks={name: CheckLimits(Limit(check.unit, report_only=True))}
    )
    selector = CellSelector(measured, limits, FIXED)
    return [selector.cell(check, ref) for ref in refs(check)]


def estimates(name: str, measured: Measurement):
    return [CHECKS[name].function(cell) for cell in given_cells(name, measured)]


TEXT = np.arange(12)
PREFIXES = (0.1 + 0 * TEXT, 0.3 + 0.01 * TEXT, 1.0 + 0.1 * TEXT)
MADE = tuple(prefix(n, added) for n, added in enumerate(PREFIXES))
SINGLE = (0.1 + 0 * TEXT, 0.05 + 0.01 * TEXT, 0.2 + 0 * TEXT)


def test_where_cells_lie():
    whole = refs(CHECKS["stack_delta_ce"])
    assert [str(ref) for ref in whole] == [f"{NAME}-1:15"]
    assert (whole[0].saes, whole[0].sae) == (SAES, None)
    each = refs(CHECKS["stack_contribution"])
    assert [str(ref) for ref in each] == [f"{sae.sae_id}-1:15" for sae in SAES]
    assert [ref.sae for ref in each] == list(SAES)
    assert [str(ref) for ref in refs(CHECKS["stack_accuracy_drop"])] == [f"{NAME}-made-up-task"]
    assert all(refs(CHECKS[name], SAES[:1]) == [] for name in CHECKS if name.startswith("stack"))


def test_of_stored_tables_only_a_stack_that_is_among_them_is_asked_about():
    """A part of what was measured is judged, and its SAEs were spliced in with others only."""

    def found(stored_names):
        ranges = default_ranges(release(SAES[:2]), stored.CONTEXT)
        collector = CellCollector(
            release(SAES[:2]), stored.CONTEXT, ranges, (TASK,), frozenset(), stored=stored_names
        )
        checks = [check for name, check in CHECKS.items() if name.startswith("stack_")]
        return [str(ref) for check in checks for ref in collector.cells(check)]

    two = frozenset({Intervention(SAES[:2]).name})
    assert found(two) == found(None) != []
    assert found(frozenset({Intervention(SAES).name})) == []


def test_positions_are_those_that_all_saes_were_trained_on():
    saes = (SAES[0], replace(SAES[1], training_context=8), SAES[2])
    (ref,) = refs(CHECKS["stack_kl"], saes)
    assert ref.positions == PositionRange(1, 7)


def test_the_whole_stack_is_the_last_prefix():
    (found,) = estimates("stack_delta_ce", measurement(*MADE))
    assert found.value == pytest.approx(PREFIXES[-1].mean())
    error = PREFIXES[-1].std(ddof=1) / np.sqrt(12)
    assert found.standard_error == pytest.approx(error)
    assert (found.texts, found.tokens) == (12, 12 * 15)
    (kl,) = estimates("stack_kl", measurement(*MADE))
    assert kl.value == pytest.approx(PREFIXES[-1].mean())


def test_contributions_by_hand():
    found = estimates("stack_contribution", measurement(*MADE))
    steps = [PREFIXES[0], PREFIXES[1] - PREFIXES[0], PREFIXES[2] - PREFIXES[1]]
    for estimate, step in zip(found, steps, strict=True):
        assert estimate.value == pytest.approx(step.mean())
        error = step.std(ddof=1) / np.sqrt(12)
        assert estimate.standard_error == pytest.approx(error, abs=1e-12)
        share = dict(estimate.notes)["share_of_stack"]
        assert share == pytest.approx(step.mean() / PREFIXES[-1].mean())


@given(st.lists(st.lists(st.floats(-2, 2), min_size=4, max_size=4), min_size=3, max_size=3))
def test_contributions_add_up_to_the_whole(made):
    tables = [prefix(n, np.array(added)) for n, added in enumerate(made)]
    parts = estimates("stack_contribution", measurement(*tables))
    (whole,) = estimates("stack_delta_ce", measurement(*tables))
    assert sum(part.value for part in parts) == pytest.approx(whole.value, abs=1e-12)


def test_superadditivity_by_hand():
    tables = [alone(n, added) for n, added in enumerate(SINGLE)]
    (found,) = estimates("stack_superadditivity", measurement(*MADE, *tables))
    summed = np.sum(SINGLE, axis=0)
    ratio = PREFIXES[-1].mean() / summed.mean()
    assert found.value == pytest.approx(ratio)
    influence = (PREFIXES[-1] - ratio * summed) / summed.sum()
    error = np.sqrt(12 / 11 * np.square(influence).sum())
    assert found.standard_error == pytest.approx(error)
    notes = dict(found.notes)
    assert notes["joint"] == pytest.approx(PREFIXES[-1].mean())
    assert notes["sum_alone"] == pytest.approx(summed.mean())


def test_superadditivity_is_of_the_texts_that_all_have():
    tables = [alone(n, added) for n, added in enumerate(SINGLE)]
    tables[1] = alone(1, SINGLE[1][:5], complete=False)
    (found,) = estimates("stack_superadditivity", measurement(*MADE, *tables))
    summed = np.sum([added[:5] for added in SINGLE], axis=0)
    assert found.value == pytest.approx(PREFIXES[-1][:5].mean() / summed.mean())
    assert found.texts == 5
    (whole,) = estimates("stack_delta_ce", measurement(*MADE, *tables))
    assert whole.texts == 12


def test_there_is_nothing_to_add_up_where_single_splices_cost_nothing():
    tables = [alone(n, 0.01 * (-1.0) ** TEXT) for n in range(3)]
    (found,) = estimates("stack_superadditivity", measurement(*MADE, *tables))
    assert found.inapplicable
    assert found.reason == (
        "the ΔCE of its SAEs by themselves do not add up to more than 0 beyond doubt: there is "
        "nothing to compare with"
    )


def test_a_broken_stack_is_undefined():
    broken = prefix(2, PREFIXES[2])
    broken.columns["ce_sae"][3, 4:6] = np.inf
    tables = [alone(n, added) for n, added in enumerate(SINGLE)]
    measured = measurement(*MADE[:2], broken, *tables)
    for name in ("stack_delta_ce", "stack_superadditivity"):
        (found,) = estimates(name, measured)
        assert found.reason == "ce_sae is not finite on 2 tokens of 1 text"
    assert [bool(each.reason) for each in estimates("stack_contribution", measured)] == [
        False,
        False,
        True,
    ]


def test_a_stack_lacking_an_sae_is_unmeasured_and_never_one_of_fewer():
    reason = "SAE 'blocks.1.hook_resid_pre' cannot be read"
    measured = measurement(failures={SAES[1].sae_id: reason})
    told = "the stack of 3 SAEs from blocks.0.hook_resid_pre to blocks.2.hook_resid_pre"
    for name in ("stack_delta_ce", "stack_contribution", "stack_accuracy_drop"):
        with pytest.raises(UnmeasuredError) as raised:
            given_cells(name, measured)
        assert str(raised.value) == f"{told} cannot be spliced in whole: {reason}"
    with pytest.raises(UnmeasuredError) as raised:
        given_cells("stack_kl", measurement())
    assert str(raised.value) == (
        f"{told} was not measured on texts: measure these SAEs again, and no others with them"
    )


def test_tables_without_a_column_are_refused():
    less = [replace(t, columns={n: c for n, c in t.columns.items() if n != "kl"}) for t in MADE]
    with pytest.raises(UnmeasuredError) as raised:
        given_cells("stack_kl", measurement(*less))
    assert str(raised.value) == (
        f"stack_kl needs kl, which the stored tables of '{NAME}' lack; measure again without "
        "--sae-measurements"
    )


def test_a_run_of_some_saes_compares_no_stack_that_the_baseline_lacks():
    check, margin = CHECKS["stack_delta_ce"], Margin("higher", by=0.1)
    limits = Thresholds(
        checks={check.name: CheckLimits(Limit("nats", report_only=True, regression=margin))}
    )
    made = measurement(*MADE, manifest=Manifest(provenance=stored.provenance().as_dict()))
    baseline = make_baseline(made, limits, [(check, ref) for ref in refs(check)])
    matches = {sae.sae_id: sae.sae_id for sae in SAES}
    comparison = Comparison(FileBaseline(baseline.release, baseline), matches)
    assert comparison.cells(check, refs(check, SAES[:2]), "made-up", narrowed=True) == []
    (same,) = comparison.cells(check, refs(check), "made-up", narrowed=True)
    assert str(same) == f"stack_delta_ce-{NAME}-1:15"


def test_on_a_task():
    made = stored.task_table(0)
    table = StackTaskTable(made.dataset, STACK, made.columns, made.labels)
    (drop,) = estimates("stack_accuracy_drop", measurement(table))
    assert drop.value == pytest.approx(
        100 * np.mean((made.columns["clean_rank"] == 1) ^ (made.columns["sae_rank"] == 1))
    )
    assert dict(drop.notes)["items_past_training_context"] == 0
    (delta,) = estimates("stack_delta_ln_p", measurement(table))
    expected = (made.columns["sae_ln_p"] - made.columns["clean_ln_p"]).mean()
    assert delta.value == pytest.approx(expected)
    failed = measurement(dataset_failures={"made-up-task": "it has no items"})
    with pytest.raises(UnmeasuredError, match=r"^it has no items$"):
        given_cells("stack_accuracy_drop", failed)
