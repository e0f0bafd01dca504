"""Influences of the estimates of cells: what leaving a unit out does, in the place of that unit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sae_checks.evals.context.cells import Cell, ReleaseCell
from sae_checks.evals.context.table import ContextTable
from sae_checks.evals.tasks.cells import TaskCell
from sae_checks.evals.tasks.table import TaskTable
from sae_checks.judge.estimate import Estimate
from sae_checks.judge.thresholds import CheckLimits, Limit, Thresholds
from sae_checks.records import PositionRange
from tests import stored
from tests.places import cell_on_items, cell_on_texts
from tests.tables import changed

TEXTS, ITEMS = 120, 400
THRESHOLDS = Thresholds(checks={"any": CheckLimits(Limit("", report_only=True))})
IN_CONTEXT, PAST = PositionRange(4, 7), PositionRange(16, 31)


def varied(layer: int = 0) -> ContextTable:
    """Quantities that differ from token to token and from text to text; a few tokens massive.

    Every third text has no token up to position 7.
    """
    generator = np.random.default_rng(layer)
    table = stored.sae_table(layer, texts=TEXTS)
    shape = table.massive.shape
    factor = np.exp(generator.normal(0, 0.2, (TEXTS, 1)) + generator.normal(0, 0.2, shape))
    columns = dict(table.columns)
    for name in ("l0", "l1", "mse"):
        columns[name] = columns[name] * factor
    columns["ce_sae"] = columns["ce_clean"] + 0.1 * (layer + 1) * factor
    for name in columns:
        columns[name][::3, :8] = np.nan
    return changed(table, columns=columns, massive=generator.random(shape) < 0.02)


def on_texts(table: ContextTable, positions: PositionRange) -> Cell:
    return cell_on_texts("made-up", table, "in_context", positions, "any", THRESHOLDS)


OF_TEXTS: dict[str, tuple[PositionRange, Callable[[Cell], Estimate]]] = {
    "mean": (IN_CONTEXT, lambda cell: cell.mean("l0")),
    "difference": (IN_CONTEXT, lambda cell: cell.mean_difference("ce_sae", "ce_clean")),
    "ratio": (IN_CONTEXT, lambda cell: cell.ratio("mse", "norm")),
    "growth": (PAST, lambda cell: cell.growth(("ce_sae", "ce_clean"), floor=0.02)),
    "growth_below_the_floor": (PAST, lambda cell: cell.growth("mse", floor=50.0)),
    "share_massive": (IN_CONTEXT, lambda cell: cell.share_massive()),
    "ce_recovered": (IN_CONTEXT, lambda cell: cell.ce_recovered("ce_zero")),
}


def close_to_leaving_out(estimate: Estimate, without: list[float]) -> None:
    """To first order: value - value without a unit = its influence · n/(n - 1)."""
    assert estimate.influence is not None
    moved = estimate.value - np.array(without)
    assert estimate.influence.shape == moved.shape
    largest = np.abs(moved).max()
    assert largest > 0
    np.testing.assert_allclose(estimate.influence, moved, rtol=0.1, atol=0.02 * largest)


@pytest.mark.parametrize("name", OF_TEXTS)
def test_of_texts(name: str):
    positions, estimate = OF_TEXTS[name]
    table = varied()
    others = [table.keep(np.arange(TEXTS) != text) for text in range(TEXTS)]
    without = [estimate(on_texts(each, positions)).value for each in others]
    made = estimate(on_texts(table, positions))
    close_to_leaving_out(made, without)
    assert made.influence is not None
    if positions is IN_CONTEXT:
        assert not made.influence[::3].any()  # in their places, though they have no tokens


def test_of_explained_variance():
    """A text of large errors pulls it down; the mean activation is held fixed."""
    table = stored.sae_table(0, texts=TEXTS)
    table.columns["mse"][7] *= 3
    made = on_texts(table, IN_CONTEXT).explained_variance()
    assert made.influence is not None
    assert made.influence.argmin() == 7
    error = table.columns["mse"][:, 4:8].sum(axis=1)
    unexplained = on_texts(table, IN_CONTEXT).ratio("mse", "squared_distance")
    assert unexplained.influence is not None
    assert np.corrcoef(made.influence, error)[0, 1] < 0
    assert np.corrcoef(made.influence, unexplained.influence)[0, 1] < -0.99


def test_of_a_usable_context_they_are_not_known():
    """It is no smooth function of sums: it jumps from window to window."""
    made = on_texts(stored.sae_table(0, texts=TEXTS), PAST).usable_context(0.35, 4)
    assert made.value == 4
    assert made.influence is None


def test_of_a_trend_over_layers():
    """Texts that have no tokens in the regime keep their places."""
    tables = [varied(layer) for layer in range(3)]
    for table in tables:
        for values in table.columns.values():
            values[5] = np.nan
    cells = tuple(on_texts(table, PositionRange(1, 62)) for table in tables)
    made = ReleaseCell(cells).depth_trend(("ce_sae", "ce_clean"), "in_context")
    assert made.influence is not None
    assert made.influence.shape == (TEXTS,)
    assert made.texts == TEXTS - 1
    assert made.influence[5] == 0


def varied_task(clusters: np.ndarray | None = None) -> TaskTable:
    generator = np.random.default_rng(3)
    table = stored.task_table(0, "words", items=ITEMS)
    right = generator.random((2, ITEMS)) < np.array([[0.7], [0.6]])
    ranks = {"clean_rank": 2.0 - right[0], "sae_rank": 2.0 - right[1]}
    return changed(table, columns={**table.columns, **ranks}, clusters=clusters)


def on_items(table: TaskTable) -> TaskCell:
    return cell_on_items("made-up", table, "any", THRESHOLDS)


OF_ITEMS: dict[str, Callable[[TaskCell], Estimate]] = {
    "mean": lambda cell: cell.mean(("sae_ln_p", "clean_ln_p")),
    "accuracy_drop": lambda cell: cell.accuracy_drop(),
    "kept": lambda cell: cell.kept("sae_logit_difference", "prompt_l0"),
}


@pytest.mark.parametrize("name", OF_ITEMS)
@pytest.mark.parametrize("clusters", [None, np.arange(ITEMS) // 4], ids=["items", "documents"])
def test_of_items_and_of_documents(name: str, clusters: np.ndarray | None):
    table, estimate = varied_task(clusters), OF_ITEMS[name]
    of = np.arange(ITEMS) if clusters is None else clusters
    without = [estimate(on_items(table.keep(of != unit))).value for unit in np.unique(of)]
    made = estimate(on_items(table))
    close_to_leaving_out(made, without)
    assert made.influence is not None
    assert len(made.influence) == made.units


def test_of_an_accuracy_drop_by_hand():
    """Four items: the first is lost, the others stay. 25 points; (1 - 0.25)/4 and (0 - 0.25)/4."""
    columns = {"clean_rank": np.array([1.0, 1, 1, 2]), "sae_rank": np.array([2.0, 1, 1, 2])}
    made = on_items(stored.task_table(0, items=4, **columns)).accuracy_drop()
    assert made.value == 25
    assert made.influence == pytest.approx([18.75, -6.25, -6.25, -6.25])


@pytest.mark.parametrize("clusters", [None, np.arange(ITEMS) // 4], ids=["items", "documents"])
def test_of_a_rank_correlation(clusters: np.ndarray | None):
    made = on_items(varied_task(clusters)).rank_correlation("prompt_l0", "prompt_mse")
    assert made.influence is not None
    assert made.influence.shape == (made.units,)
    assert made.influence.sum() == pytest.approx(0, abs=1e-9)


def test_of_classes_and_features_they_are_not_known():
    cell = on_items(varied_task())
    for estimate in (
        cell.class_effect("prompt_mse"),
        cell.positive_features(),
        cell.ablation(True),
    ):
        assert estimate.influence is None
