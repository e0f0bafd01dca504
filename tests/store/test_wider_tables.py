"""Blocks of more columns, or with more side tables, beside those that are stored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sae_checks.store import Store
from tests.store.grown import (
    ITEM_REF,
    TEXT_REF,
    append,
    item_blocks,
    names,
    store_in,
    table_of,
    text_blocks,
    together,
)
from tests.store.round_trip import assert_same
from tests.stored import task_table


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return store_in(tmp_path)


def fewer(blocks):
    """The same blocks, of less that was measured."""
    kept = [
        {name: values for name, values in table.columns.items() if name not in ("kl", "l0")}
        for table, _ in blocks
    ]
    return [
        (replace(table, columns=columns), units)
        for (table, units), columns in zip(blocks, kept, strict=True)
    ]


def test_a_run_for_more_columns_loses_nothing_before_it_has_as_much(store: Store):
    blocks = text_blocks()
    append(store, TEXT_REF, fewer(blocks))
    store.compact(TEXT_REF)
    append(store, TEXT_REF, blocks[:1])
    few, all_columns = frozenset({"ce_sae"}), frozenset(blocks[0][0].columns)
    assert_same(table_of(store, TEXT_REF), blocks[0][0])  # the most columns, and then units
    assert_same(table_of(store, TEXT_REF, all_columns), blocks[0][0])
    store.compact(TEXT_REF)
    assert names(store, TEXT_REF) == [
        "part-00000-position_sums.parquet",
        "part-00000-tokens.parquet",
        "part-00000.json",
        "position_sums.parquet",
        "table.json",
        "tokens.parquet",
    ]
    append(store, TEXT_REF, blocks[1:])
    assert_same(table_of(store, TEXT_REF, few), together(blocks))
    store.compact(TEXT_REF)
    assert names(store, TEXT_REF) == ["position_sums.parquet", "table.json", "tokens.parquet"]
    assert_same(table_of(store, TEXT_REF), together(blocks))
    append(store, TEXT_REF, fewer(blocks))  # nothing new
    assert len(names(store, TEXT_REF)) == 3


def test_of_two_that_lack_columns_of_each_other_both_stay(store: Store):
    blocks = text_blocks()
    others = [(replace(t, columns={"l0": t.columns["l0"]}), units) for t, units in blocks]
    append(store, TEXT_REF, fewer(blocks))
    append(store, TEXT_REF, others)
    for _ in range(2):
        assert table_of(store, TEXT_REF, frozenset({"l0"})).columns.keys() == {"l0"}
        assert "ce_sae" in table_of(store, TEXT_REF, frozenset({"ce_sae"})).columns
        store.compact(TEXT_REF)
    assert "part-00000.json" in names(store, TEXT_REF)


def test_ablations_last_while_the_table_does_not_grow(store: Store):
    table = replace(task_table(0, items=5), complete=False)
    store.append(ITEM_REF, table, np.arange(5))
    store.compact(ITEM_REF)
    assert_same(table_of(store, ITEM_REF), table)
    later, units = item_blocks([5, 7])[1]
    store.append(ITEM_REF, later, units)
    assert table_of(store, ITEM_REF).rows == 12
    assert set(table_of(store, ITEM_REF).side) == {"features", "losses"}
    whole = replace(task_table(0, items=12), complete=False)
    store.append(ITEM_REF, whole, np.arange(12))
    assert set(table_of(store, ITEM_REF).side) == {"features", "losses", "ablations"}
