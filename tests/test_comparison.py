"""Which cells are compared, and how their values move without a group of texts or items."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from sae_checks.baseline import Baseline, BaselineSae
from sae_checks.baseline_sources import FileBaseline
from sae_checks.checking import CellKey, CellRef, bundled_checks
from sae_checks.comparison import Comparison, make_baseline, regression_of, replicate
from sae_checks.judge.paired import Replicated
from sae_checks.judge.thresholds import CheckLimits, Limit, Margin, Override, Thresholds
from sae_checks.records import ITEM_GROUPS, Measurement, PositionRange, Release, SaeTable
from tests import stored

DELTA_CE, DELTA_LN_P = (bundled_checks()[name] for name in ("delta_ce", "delta_ln_p"))
THRESHOLDS = Thresholds(
    checks={
        "delta_ce": CheckLimits(Limit("nats", max=0.35, regression=Margin("higher", by=0.01))),
        "delta_ln_p": CheckLimits(Limit("nats", min=-1.0, regression=Margin("lower", by=0.01))),
        "kl": CheckLimits(
            Limit("nats", max=0.4),
            (Override(sae="blocks.1.*", regression=Margin("higher", by=0.01)),),
        ),
    }
)
RANGE = PositionRange(4, 7)


def measurement(*tables: SaeTable) -> Measurement:
    saes = tuple(table.sae for table in tables)
    return Measurement(
        Release("made-up", "folder", stored.LOADING, saes),
        stored.CONTEXT,
        {table.sae.sae_id: table for table in tables},
        manifest={"provenance": stored.provenance().as_dict()},
    )


def on_texts(layer: int = 0, positions: PositionRange = RANGE) -> CellRef:
    return CellRef("in_context", "made-up", stored.sae_ref(layer), positions)


def key(check: str = "delta_ce", layer: int = 0, positions: str = "4:7") -> CellKey:
    return CellKey(check, stored.sae_ref(layer).sae_id, positions, "")


def replicated(made: Measurement, ref: CellRef, check=DELTA_CE) -> Replicated:
    (found,) = replicate(made, THRESHOLDS, [(check, ref)]).values()
    return found


def test_moves_are_what_leaving_a_group_out_does():
    """45 texts in 20 groups: every twentieth is left out, three of them or two."""
    table = stored.sae_table(0, texts=45)
    delta = (table.columns["ce_sae"] - table.columns["ce_clean"])[:, 4:8]
    found = replicated(measurement(table), on_texts())
    assert found.value == pytest.approx(delta.mean())
    for group in range(ITEM_GROUPS):
        others = np.delete(delta, np.arange(group, 45, ITEM_GROUPS), axis=0)
        assert found.moves[group] == pytest.approx(others.mean() - delta.mean(), abs=1e-12)
    assert (found.texts, found.tokens, found.unit_name) == (45, 180, "text")


def test_fewer_texts_than_groups_are_a_group_each():
    found = replicated(measurement(stored.sae_table(0, texts=12)), on_texts())
    assert found.moves.shape == (12,)
    assert np.count_nonzero(found.moves) == 12


def test_groups_count_where_their_texts_lie():
    """The first six of twelve texts have nothing at position 1: the other six say how it moves."""
    table = stored.sae_table(0, texts=12)
    for values in table.columns.values():
        values[:6, 1] = np.nan
    found = replicated(measurement(table), on_texts(positions=PositionRange(1, 1)))
    assert found.texts == 6
    assert np.count_nonzero(found.moves) == 6


def test_items_of_a_document_are_left_out_together():
    table = stored.task_table(0, "words")
    clustered = replace(table, clusters=np.arange(40) // 8)
    made = replace(measurement(stored.sae_table(0)), tasks={"words": {table.sae.sae_id: clustered}})
    found = replicated(made, CellRef("task", "made-up", table.sae, None, "words"), DELTA_LN_P)
    delta = table.columns["sae_ln_p"] - table.columns["clean_ln_p"]
    without = [np.delete(delta, np.arange(8 * row, 8 * row + 8)).mean() for row in range(5)]
    assert found.moves == pytest.approx(np.array(without) - delta.mean())
    assert (found.texts, found.unit_name) == (40, "item")


def test_what_is_not_measured_or_not_finite_says_why():
    broken = stored.sae_table(0)
    broken.columns["ce_sae"][3, 5] = np.nan
    made = replace(measurement(broken), failures={stored.sae_ref(1).sae_id: "no weights"})
    found = replicated(made, on_texts())
    assert math.isnan(found.value)
    assert found.reason == "ce_sae is not finite on 1 token of 1 text"
    missing = replicated(made, on_texts(layer=1))
    assert math.isnan(missing.value)
    assert (missing.reason, missing.moves.shape) == ("no weights", (0,))


def test_a_baseline_has_the_cells_that_have_a_margin():
    """KL has one at layer 1 alone."""
    kl = bundled_checks()["kl"]
    cells = [(check, on_texts(layer)) for check in (DELTA_CE, kl) for layer in range(2)]
    made = make_baseline(measurement(stored.sae_table(0), stored.sae_table(1)), THRESHOLDS, cells)
    assert made.release == "made-up"
    hook_point = "blocks.1.hook_resid_pre"
    assert made.saes[1] == BaselineSae(hook_point, hook_point, "made-up-1")
    assert made.cells.keys() == {key(layer=0), key(layer=1), key("kl", layer=1)}
    assert made.setting["provenance.seed"] == 0


def beside(*keys: CellKey, matches: dict[str, str] | None = None) -> Comparison:
    cells = {each: Replicated(0.1, np.zeros(12), 12, 48) for each in keys}
    ids = dict.fromkeys(each.sae for each in keys)
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
    assert cells[1].place.sae is None


def test_an_unmatched_sae_has_cells_that_find_nothing():
    comparison = beside(key(), matches={})
    cells = comparison.cells(DELTA_CE, [on_texts()], "made-up")
    assert [cell.absent for cell in cells] == [None, key()]


def test_a_comparison_is_a_check_of_its_own():
    made = regression_of(DELTA_CE)
    assert (made.name, made.compared, made.unit) == ("regression", DELTA_CE, "nats")
    assert (made.cells, made.needs) == (DELTA_CE.cells, DELTA_CE.needs)
    assert made.summary == (
        "On the same texts, the figure is no worse than the baseline's by more than its margin."
    )
