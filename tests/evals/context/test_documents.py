"""Documents are what is independent: texts of one count once, a text of two counts twice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_checks.evals.context.cells import Cell, ReleaseCell
from sae_checks.evals.context.table import ContextTable
from sae_checks.evals.tasks.release import TaskReleaseCell
from sae_checks.judge.coverage import FIXED
from sae_checks.judge.estimate import Estimate
from sae_checks.judge.statistics import ratio_of_sums
from sae_checks.judge.thresholds import CheckLimits, Limit, Thresholds
from sae_checks.records import PositionRange
from sae_checks.records.units import Units
from tests import stored
from tests.places import cell_on_items, cell_on_texts
from tests.stored import CONTEXT, TEXTS
from tests.tables import changed

THRESHOLDS = Thresholds(checks={"delta_ce": CheckLimits(Limit("nats", max=0.5))})
# Each of a cell's estimates, all of which rest on sums per document.
ESTIMATES = {
    "mean": lambda cell: cell.mean("ce_clean"),
    "difference": lambda cell: cell.mean_difference("ce_sae", "ce_clean"),
    "ratio": lambda cell: cell.ratio("mse", "norm"),
    "growth": lambda cell: cell.growth("norm"),
    "share_massive": lambda cell: cell.share_massive(),
    "explained_variance": lambda cell: cell.explained_variance(),
    "ce_recovered": lambda cell: cell.ce_recovered("ce_mean"),
    "usable_context": lambda cell: cell.usable_context(0.1, 8),
    "depth_trend": lambda cell: depth_trend(cell),
}


def depth_trend(cell: Cell) -> Estimate:
    """Of three SAEs on the same documents."""
    others = [changed(stored.sae_table(layer), documents=cell.table.documents) for layer in (1, 2)]
    cells = [cell, *(replace(cell, table=other) for other in others)]
    return ReleaseCell(tuple(cells)).depth_trend("ce_clean", "in_context")


def cell_of(table: ContextTable, positions: PositionRange | None = None) -> Cell:
    positions = positions or PositionRange(20, CONTEXT - 2)
    return cell_on_texts("made-up", table, "sae", positions, "delta_ce", THRESHOLDS)


def with_documents(*first_of_text: int, **columns: np.ndarray) -> ContextTable:
    """The made-up table, each text of the document given."""
    table = stored.sae_table(0)
    table.massive[::3, 30] = True
    table.columns.update(columns)
    documents = np.repeat(np.array(first_of_text, dtype=np.int32)[:, None], CONTEXT, axis=1)
    documents[:, 0] = -1
    return changed(table, documents=documents)


@pytest.mark.parametrize("name", ESTIMATES)
def test_one_document_a_text_changes_nothing(name):
    """To the last bit, in whatever order the documents were drawn."""
    plain = stored.sae_table(0)
    plain.massive[::3, 30] = True
    documents = np.random.default_rng(0).permutation(TEXTS) + 5
    ours, theirs = (ESTIMATES[name](cell_of(t)) for t in (with_documents(*documents), plain))
    np.testing.assert_array_equal(ours.standard_error, theirs.standard_error)  # NaN of one
    assert (ours.value, ours.low, ours.high) == (theirs.value, theirs.low, theirs.high)
    assert (ours.texts, ours.clusters) == (TEXTS, None)


@pytest.mark.parametrize("name", ESTIMATES)
def test_two_texts_of_a_document_count_once(name):
    """The value stays; the interval is one of six documents."""
    documents = np.arange(TEXTS) // 2
    table = with_documents(*documents)
    ours, theirs = ESTIMATES[name](cell_of(table)), ESTIMATES[name](cell_of(stored.sae_table(0)))
    if name != "share_massive":
        assert ours.value == pytest.approx(theirs.value, rel=1e-12)
    assert (ours.texts, ours.clusters, ours.units) == (TEXTS, 6, 6)
    assert ours.tokens == theirs.tokens


def test_a_mean_by_hand():
    """Two texts of three documents; the first one's tokens stand in both."""
    l0 = np.array([[0.0, 1, 2, 6, 9], [0, 4, 4, 7, 9]])
    norm = np.ones((2, 5))
    l0[:, 0] = norm[:, 0] = np.nan
    documents = np.array([[-1, 0, 0, 1, 1], [-1, 0, 2, 2, 2]], dtype=np.int32)
    table = ContextTable.of(
        stored.sae_ref(0), {"l0": l0, "norm": norm}, np.zeros((2, 5), bool), documents=documents
    )
    estimate = cell_of(table, PositionRange(1, 3)).mean("l0")
    by_hand = ratio_of_sums([1 + 2 + 4, 6, 4 + 7], [3, 1, 2], [3, 1, 2], FIXED)
    assert estimate == replace(by_hand, texts=2, clusters=3)
    # Where a document has no token in the cell, the others are all there are.
    elsewhere = cell_of(table, PositionRange(2, 2)).mean("l0")
    assert (elsewhere.texts, elsewhere.clusters, elsewhere.value) == (2, None, 3)


def test_documents_are_numbered_as_they_were_drawn():
    """Whatever the order of texts; of those without a measured token there are none."""
    documents = np.array([[-1, 7, 7], [-1, 2, 4], [-1, -1, -1]], dtype=np.int32)
    units = Units.of(documents, 3)
    assert units.count == 3
    np.testing.assert_array_equal(units.index, [[0, 2, 2], [0, 0, 1], [0, 0, 0]])
    np.testing.assert_array_equal(
        units.sums(np.array([[1.0, 2], [4, 8], [0, 0]]), slice(1, 3)), [4, 8, 3]
    )


DOCUMENTS = st.lists(st.integers(0, 4), min_size=TEXTS, max_size=TEXTS)


@given(DOCUMENTS, st.lists(st.booleans(), min_size=TEXTS, max_size=TEXTS))
def test_keeping_documents_is_keeping_their_texts(of_text, chosen):
    table = with_documents(*of_text)
    which = np.array(chosen[: table.units.count])
    numbers = np.unique(of_text)  # in the order of units, unless units are texts
    rows = which if table.units.index is None else np.isin(of_text, numbers[which])
    ours = cell_of(table.keep_documents(which)).mean("ce_clean")
    theirs = cell_of(table.keep(rows)).mean("ce_clean")
    assert (ours.texts, ours.units, ours.tokens) == (theirs.texts, theirs.units, theirs.tokens)
    if rows.any():
        assert ours.value == pytest.approx(theirs.value, rel=1e-12)
        assert ours.standard_error == pytest.approx(theirs.standard_error, rel=1e-9)
    assert table.keep_documents(which).part
    assert table.keep_documents(which).massive.sum() == table.massive[rows].sum()


def test_groups_never_split_a_document():
    table = with_documents(*(np.arange(TEXTS) % 5))
    assert table.groups.tolist() == [0, 1, 2, 3, 4]
    assert stored.sae_table(0, texts=45).groups.tolist() == [text % 20 for text in range(45)]
    kept = table.keep_documents(table.groups != 1)
    assert set(np.unique(kept.documents)) == {-1, 0, 2, 3, 4}


def rank_agreement(documents: np.ndarray | None, clusters: np.ndarray | None) -> Estimate:
    tasks, texts = [], []
    for layer in range(6):
        order = np.random.default_rng(layer).permutation(40)
        of_task = stored.task_table(
            layer, sae_rank=1.0 + (order < 3 * layer), clean_rank=np.ones(40)
        )
        tasks.append(
            cell_on_items("made-up", changed(of_task, clusters=clusters), "delta_ce", THRESHOLDS)
        )
        table = stored.sae_table(layer, lambda layer, position: 0.001 * layer + 0 * position)
        texts.append(cell_of(changed(table, documents=documents)))
    return TaskReleaseCell(tuple(tasks), tuple(texts)).rank_agreement()


def test_rank_agreement_leaves_out_whole_documents():
    """Of items too: dealt out one by one, those of a document were split among the groups."""
    plain = rank_agreement(None, None)
    assert dict(plain.notes) == {"saes": 6, "corpus_texts": TEXTS}
    documents = with_documents(*(np.arange(TEXTS) // 4)).documents
    by_document = rank_agreement(documents, None)
    assert dict(by_document.notes) == {"saes": 6, "corpus_texts": TEXTS, "corpus_documents": 3}
    assert by_document.value == plain.value
    clusters = np.arange(40) // 20
    by_cluster = rank_agreement(None, clusters)
    assert by_cluster.value == pytest.approx(plain.value)
    # Two documents of items make two groups, at one degree of freedom.
    assert by_cluster.high - by_cluster.low == pytest.approx(
        min(1, by_cluster.value + FIXED.reach(1, 2) * by_cluster.standard_error)
        - max(-1, by_cluster.value - FIXED.reach(1, 2) * by_cluster.standard_error)
    )
