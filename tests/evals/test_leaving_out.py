"""A measurement without a group of its texts and items."""

from __future__ import annotations

import numpy as np

from sae_checks.evals.leaving_out import groups_in, without_group
from sae_checks.records import GROUPS
from tests import stored
from tests.baseline.test_comparison import measurement, with_task
from tests.tables import changed


def test_features_without_a_group_are_those_of_the_other_items():
    """Scores and counts, as if the group's items had never been measured."""
    table = stored.task_table(0, "words", items=60)
    delta = table.columns["sae_ln_p"] - table.columns["clean_ln_p"]
    active = np.arange(60) % np.arange(1, 9)[:, None] == 0
    kept = np.arange(60) % GROUPS != 3
    less = without_group(with_task(table), 3).tables[table.key]
    expected = stored.feature_table(delta[kept], active[:, kept])
    assert less.features is not None
    assert less.features.items.tolist() == expected.items.tolist()
    assert less.features.score.tolist() == expected.score.tolist()
    assert less.ablations is not None
    assert table.ablations is not None
    before = kept[table.ablations.item]
    assert np.flatnonzero(kept)[less.ablations.item].tolist() == (
        table.ablations.item[before].tolist()
    )
    assert less.ablations.delta_ln_p.tolist() == table.ablations.delta_ln_p[before].tolist()


def test_a_document_is_left_out_as_a_whole():
    """Its tokens in every text, as if they had not been measured; those of others stay."""
    table = stored.sae_table(0, texts=6)
    of_texts = np.array([0, 0, 1, 1, 2, 2], dtype=np.int32)
    documents = np.broadcast_to(of_texts[:, None], (6, stored.CONTEXT)).copy()
    table = changed(table, documents=documents)
    assert table.groups.tolist() == [0, 1, 2]
    less = without_group(measurement(table), 1).tables[table.key]
    there = ~np.isnan(table.columns["norm"])
    there[2:4] = False
    np.testing.assert_array_equal(~np.isnan(less.columns["norm"]), there)


def test_items_of_a_document_are_left_out_together():
    table = changed(stored.task_table(0, "words"), clusters=np.arange(40) // 8)
    less = without_group(with_task(table), 2).tables[table.key]
    assert less.sources == tuple(f"item {row}" for row in range(40) if row // 8 != 2)
    assert groups_in(with_task(table), "words").tolist() == [0, 1, 2, 3, 4]
    assert groups_in(with_task(table), "elsewhere").tolist() == []


def test_texts_are_dealt_out_in_turn():
    table = stored.sae_table(0, texts=45)
    less = without_group(measurement(table), 3).tables[table.key]
    kept = np.delete(np.arange(45), [3, 23, 43])
    assert less.columns["l0"].shape == (42, stored.CONTEXT)
    np.testing.assert_array_equal(less.columns["ce_sae"], table.columns["ce_sae"][kept])
    assert groups_in(measurement(table)).tolist() == list(range(GROUPS))
