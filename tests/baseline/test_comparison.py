"""Which cells are compared, on what terms, and by what influences of texts or items."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from sae_checks.baseline.comparison import Comparison, cell_values, comparison_of, make_baseline
from sae_checks.baseline.identity import Baseline, BaselineSae
from sae_checks.baseline.paired import CellValue, Influences, Terms
from sae_checks.baseline.source import FileBaseline
from sae_checks.evals.context.table import ContextTable
from sae_checks.evals.tasks.table import TaskTable
from sae_checks.judge.coverage import Coverage
from sae_checks.judge.thresholds import (
    QUESTIONS,
    CheckLimits,
    Limit,
    Margin,
    Override,
    Question,
    Thresholds,
)
from sae_checks.records import (
    GROUPS,
    Manifest,
    Measurement,
    PositionRange,
    Release,
    by_key,
)
from sae_checks.records.place import CellKey, CellRef
from sae_checks.session.suite import bundled_checks
from tests import stored
from tests.places import cell_key, cell_ref, where
from tests.tables import changed

DELTA_CE, DELTA_LN_P = (bundled_checks()[name] for name in ("delta_ce", "delta_ln_p"))
THRESHOLDS = Thresholds(
    checks={
        "delta_ce": CheckLimits(Limit("nats", max=0.35, regression=Margin("higher", by=0.01))),
        "delta_ln_p": CheckLimits(Limit("nats", min=-1.0, regression=Margin("lower", by=0.01))),
        "kl": CheckLimits(
            Limit("nats", max=0.4),
            (Override(where(sae="blocks.1.*"), regression=Margin("higher", by=0.01)),),
        ),
    }
)
RANGE = PositionRange(4, 7)


def measurement(*tables: ContextTable) -> Measurement:
    saes = tuple(table.sae for table in tables)
    return Measurement(
        Release("made-up", "folder", stored.LOADING, saes),
        stored.CONTEXT,
        by_key(tables),
        manifest=Manifest(provenance=stored.provenance().as_dict()),
    )


def on_texts(layer: int = 0, positions: PositionRange = RANGE) -> CellRef:
    return cell_ref("in_context", "made-up", stored.sae_ref(layer), positions)


def key(check: str = "delta_ce", layer: int = 0, positions: str = "4:7") -> CellKey:
    return cell_key(check, stored.sae_ref(layer).sae_id, positions, "")


def valued(made: Measurement, ref: CellRef, check=DELTA_CE, thresholds=THRESHOLDS) -> CellValue:
    (found,) = cell_values(made, thresholds, [(check, ref)]).values()
    return found


def test_influences_are_those_of_the_estimate():
    """Of 45 texts, rounded as in a file; not those of 20 groups."""
    table = stored.sae_table(0, texts=45)
    delta = (table.columns["ce_sae"] - table.columns["ce_clean"])[:, 4:8]
    found = valued(measurement(table), on_texts())
    assert found.value == pytest.approx(delta.mean())
    expected = (delta.sum(axis=1) - 4 * delta.mean()) / delta.size
    assert found.influences.values == pytest.approx(expected, abs=1e-7)
    assert not found.grouped
    assert (found.texts, found.tokens, found.units, found.unit_name) == (45, 180, 45, "text")
    assert found.terms == Terms(1, ())


def test_influences_lie_where_their_texts_do():
    """The first six of twelve texts have nothing at position 1."""
    table = stored.sae_table(0, texts=12)
    for values in table.columns.values():
        values[:6, 1] = np.nan
    found = valued(measurement(table), on_texts(positions=PositionRange(1, 1)))
    assert (found.texts, found.units) == (6, 6)
    assert np.flatnonzero(found.influences.steps).tolist() == [6, 7, 8, 9, 10, 11]


def with_task(table: TaskTable) -> Measurement:
    return measurement(stored.sae_table(0)).with_tables(table)


def on_words(table: TaskTable) -> CellRef:
    return cell_ref("task", "made-up", table.sae, None, "words")


def test_items_of_a_document_are_one_unit():
    table = changed(stored.task_table(0, "words"), clusters=np.arange(40) // 8)
    found = valued(with_task(table), on_words(table), DELTA_LN_P)
    delta = table.columns["sae_ln_p"] - table.columns["clean_ln_p"]
    expected = (delta.reshape(5, 8).sum(axis=1) - 8 * delta.mean()) / 40
    assert found.influences.values == pytest.approx(expected, abs=1e-6)
    assert (found.texts, found.units, found.unit_name) == (40, 5, "item")


def margins_for(**checks: Limit) -> Thresholds:
    margin = Margin("either", by=0.01)
    return Thresholds(
        checks={
            name: CheckLimits(replace(limit, regression=margin)) for name, limit in checks.items()
        }
    )


CLASSES = bundled_checks()["class_effect_mse"]


def test_without_influences_each_group_is_left_out():
    """Documents are left out whole: of 24 of them, of 5 items each, 20 groups."""
    table = changed(stored.task_table(0, "words", items=120), clusters=np.arange(120) // 5)
    thresholds = margins_for(class_effect_mse=Limit("fraction"))
    found = valued(with_task(table), on_words(table), CLASSES, thresholds)
    assert found.grouped
    assert (found.texts, found.units) == (120, 24)
    groups = np.arange(120) // 5 % GROUPS

    def value(kept: np.ndarray) -> float:
        return valued(with_task(table.keep(kept)), on_words(table), CLASSES, thresholds).value

    without = np.array([value(groups != group) for group in range(GROUPS)])
    expected = (without.mean() - without) * 19 / 20
    assert found.influences.values == pytest.approx(expected, abs=1e-5)


def test_fewer_texts_than_groups_are_a_group_each():
    usable = bundled_checks()["usable_context"]
    thresholds = margins_for(
        usable_context=Limit("training contexts", parameters=(("window", 16.0),)),
        delta_ce=Limit("nats", max=0.35),
    )
    ref = cell_ref("sae", "made-up", stored.sae_ref(0), None)
    found = valued(measurement(stored.sae_table(0, texts=12)), ref, usable, thresholds)
    assert found.grouped
    assert found.influences.steps.tolist() == [0] * 12  # it holds its limit throughout
    # What it is made of: its own parameter, and the limit that it measures by.
    assert found.terms == Terms(1, (("delta_ce.max", 0.35), ("window", 16.0)))


@pytest.mark.parametrize("name", ["positive_features", "always_active_harmful", "ablated_best"])
def test_what_features_do_is_known_without_each_group(name: str):
    """Else a comparison of them would never have an interval."""
    limit = Limit("", parameters=(("share", 0.9),) if name == "always_active_harmful" else ())
    table = stored.task_table(0, "words", items=100)
    check = bundled_checks()[name]
    found = valued(with_task(table), on_words(table), check, margins_for(**{name: limit}))
    assert found.grouped
    assert len(found.influences.steps) == GROUPS


def test_what_is_not_measured_or_not_finite_says_why():
    broken = stored.sae_table(0)
    broken.columns["ce_sae"][3, 5] = np.nan
    made = replace(measurement(broken), failures={stored.sae_ref(1).sae_id: "no weights"})
    found = valued(made, on_texts())
    assert math.isnan(found.value)
    assert found.reason == "ce_sae is not finite on 1 token of 1 text"
    missing = valued(made, on_texts(layer=1))
    assert math.isnan(missing.value)
    assert (missing.reason, missing.influences.steps.shape) == ("no weights", (0,))


def test_a_baseline_has_the_cells_that_have_a_margin():
    """KL has one at layer 1 alone."""
    kl = bundled_checks()["kl"]
    cells = [(check, on_texts(layer)) for check in (DELTA_CE, kl) for layer in range(2)]
    made = make_baseline(measurement(stored.sae_table(0), stored.sae_table(1)), THRESHOLDS, cells)
    assert made.release == "made-up"
    hook_point = "blocks.1.hook_resid_pre"
    assert made.saes[1] == BaselineSae(hook_point, hook_point, "made-up-1")
    assert made.cells.keys() == {key(layer=0), key(layer=1), key("kl", layer=1)}
    assert made.pairing_terms["provenance.seed"] == 0


def beside(*keys: CellKey, matches: dict[str, str] | None = None) -> Comparison:
    cells = {each: CellValue(0.1, Influences.of(np.zeros(12)), 12, 48, 12) for each in keys}
    ids = dict.fromkeys(each.get("sae") for each in keys)
    saes = tuple(BaselineSae(sae_id, sae_id, "") for sae_id in ids)
    baseline = Baseline("old", {}, saes, cells)
    found = {sae_id: sae_id for sae_id in ids} if matches is None else matches
    return Comparison(FileBaseline("old", baseline), found)


def test_own_cells_come_first_and_then_what_only_the_baseline_has():
    comparison = beside(key(), key(layer=1), key(positions="8:15"), key("kl"))
    cells = comparison.cells(DELTA_CE, [on_texts()], "made-up")
    assert [str(cell) for cell in cells] == [
        "delta_ce-blocks.0.hook_resid_pre-4:7",
        "missing-delta_ce-blocks.0.hook_resid_pre-8:15",
        "missing-delta_ce-blocks.1.hook_resid_pre-4:7",
    ]
    assert [cell.absent for cell in cells] == [None, key(positions="8:15"), key(layer=1)]
    # What only the baseline has has no place in the release but the release itself.
    assert "sae" not in cells[1]


def test_an_unmatched_sae_has_cells_that_find_nothing():
    comparison = beside(key(), matches={})
    cells = comparison.cells(DELTA_CE, [on_texts()], "made-up")
    assert [cell.absent for cell in cells] == [None, key()]


@pytest.mark.parametrize(
    ("question", "summary"),
    [
        (
            "regression",
            "On the same texts, the figure is no worse than the baseline's by more than its "
            "margin.",
        ),
        (
            "equivalence",
            "On the same texts, the figure is the baseline's, to within its margin either way.",
        ),
    ],
)
def test_a_comparison_is_a_check_of_its_own(question: Question, summary: str):
    made = comparison_of(DELTA_CE, question)
    assert (made.name, made.compared, made.unit) == (question, DELTA_CE, "nats")
    assert made.title == f"{question} of delta_ce"
    assert (made.cells, made.needs) == (DELTA_CE.cells, DELTA_CE.needs)
    assert made.summary == summary


@pytest.mark.parametrize("question", QUESTIONS)
def test_what_is_asked_says_by_which_margin(question: Question):
    limit = Limit(
        "nats",
        max=0.35,
        regression=Margin("higher", by=0.01),
        equivalence=Margin("either", by=0.001),
    )
    thresholds = Thresholds(checks={"delta_ce": CheckLimits(limit)})
    comparison = Comparison(beside(key()).source, {}, question)
    cell = comparison.cell(DELTA_CE, on_texts(), thresholds, Coverage())
    assert cell.margin == thresholds.checks["delta_ce"].limit.compared(question)


def test_a_baseline_has_the_cells_with_a_margin_of_either_kind():
    """So that one file serves both questions."""
    limit = Limit("nats", max=0.35, equivalence=Margin("either", by=0.01))
    thresholds = Thresholds(checks={"delta_ce": CheckLimits(limit)})
    made = make_baseline(measurement(stored.sae_table(0)), thresholds, [(DELTA_CE, on_texts())])
    assert made.cells.keys() == {key()}
