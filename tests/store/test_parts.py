"""Tables that are stored block by block: what is read of them, and how they become one part."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sae_checks.errors import StoreError
from sae_checks.store import MeasuredDataset, Store
from sae_checks.store.integrity import read_sealed
from tests.exhaustive import examples
from tests.store.damages import HINT
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
from tests.stored import ON_TEXTS, read, task_table

BOTH = pytest.mark.parametrize(
    ("ref", "blocks"),
    [(TEXT_REF, text_blocks()), (ITEM_REF, item_blocks())],
    ids=["texts", "items"],
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return store_in(tmp_path)


@BOTH
def test_what_is_there_after_each_block_is_what_was_measured(store: Store, ref, blocks):
    for count, (table, units) in enumerate(blocks, start=1):
        store.append(ref, table, units)
        assert_same(table_of(store, ref), together(blocks[:count]))


def test_the_files_of_blocks_and_of_a_finished_table(store: Store):
    append(store, TEXT_REF, text_blocks()[:2])
    assert names(store, TEXT_REF) == [
        "part-00000-position_sums.parquet",
        "part-00000-tokens.parquet",
        "part-00000.json",
        "part-00001-position_sums.parquet",
        "part-00001-tokens.parquet",
        "part-00001.json",
    ]
    described = read_sealed(store.table_folder(TEXT_REF) / "part-00001.json")
    assert described["units"] == [[5, 9]]
    assert (described["before"], described["replaces"]) == (["part-00000.json"], [])
    assert set(described["files"]) == {
        "part-00001-tokens.parquet", "part-00001-position_sums.parquet",
    }  # fmt: skip
    store.compact(TEXT_REF)
    assert names(store, TEXT_REF) == ["position_sums.parquet", "table.json", "tokens.parquet"]
    assert read_sealed(store.table_folder(TEXT_REF) / "table.json")["units"] == [[0, 9]]
    assert sorted(path.name for path in store.table_folder(TEXT_REF).parent.iterdir()) == [
        store.table_folder(TEXT_REF).name
    ]


@BOTH
def test_compacting_changes_no_figure(store: Store, ref, blocks):
    append(store, ref, blocks)
    before = table_of(store, ref)
    store.compact(ref)
    assert_same(table_of(store, ref), before)


def test_what_is_one_part_already_is_not_written_again(store: Store):
    append(store, TEXT_REF, text_blocks())
    store.compact(TEXT_REF)
    path = store.table_folder(TEXT_REF) / "table.json"
    before = path.stat().st_ino
    store.compact(TEXT_REF)
    assert path.stat().st_ino == before


def test_compacting_what_is_not_there_makes_nothing(store: Store):
    store.compact(TEXT_REF)
    assert not store.table_folder(TEXT_REF).exists()


@BOTH
def test_a_table_grows_after_it_was_compacted(store: Store, ref, blocks):
    append(store, ref, blocks[:2])
    store.compact(ref)
    append(store, ref, blocks[2:])
    assert "table.json" in names(store, ref)
    assert "part-00000.json" in names(store, ref)
    assert_same(table_of(store, ref), together(blocks))
    store.compact(ref)
    assert not any(name.startswith("part-") for name in names(store, ref))
    assert_same(table_of(store, ref), together(blocks))


@given(st.data())
@settings(max_examples=examples(30))
def test_rows_are_in_the_order_of_their_units_however_they_came(tmp_path_factory, data):
    sizes = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=5))
    blocks = item_blocks(sizes)
    order = data.draw(st.permutations(range(len(sizes))))
    compacted = data.draw(st.integers(0, len(sizes)))
    store = store_in(tmp_path_factory.mktemp("store"))
    for count, number in enumerate(order):
        if count == compacted:
            store.compact(ITEM_REF)
        append(store, ITEM_REF, [blocks[number]])
    table, whole = table_of(store, ITEM_REF), together(blocks)
    for name, values in whole.columns.items():
        np.testing.assert_array_equal(table.columns[name], values)
    np.testing.assert_array_equal(table.labels["source"], whole.labels["source"])
    for name, values in whole.side["features"].arrays().items():
        np.testing.assert_allclose(table.side["features"].arrays()[name], values)


def test_the_last_block_says_whether_all_was_measured(store: Store):
    blocks = text_blocks()
    append(store, TEXT_REF, blocks[:2])
    assert not table_of(store, TEXT_REF).complete
    append(store, TEXT_REF, blocks[2:])
    assert table_of(store, TEXT_REF).complete


def test_a_table_with_a_gap_is_not_complete(store: Store):
    blocks = text_blocks()
    append(store, TEXT_REF, [blocks[0], blocks[2]])
    assert not table_of(store, TEXT_REF).complete
    stored = store.read(TEXT_REF)
    assert stored is not None
    assert stored.units.tolist() == [0, 1, 2, 3, 4, 9, 10, 11]


def test_a_block_that_another_process_wrote_is_dropped(store: Store):
    blocks = text_blocks()
    append(store, TEXT_REF, blocks)
    before = names(store, TEXT_REF)
    append(store, TEXT_REF, [blocks[1]])
    store.compact(TEXT_REF)
    append(store, TEXT_REF, [blocks[1]])
    assert len(before) == 9
    assert_same(table_of(store, TEXT_REF), together(blocks))


def test_a_longer_block_takes_the_place_of_shorter_ones(store: Store):
    """Of a run that measures all at once, beside one that measures block by block."""
    blocks, (whole,) = text_blocks(), text_blocks([12])
    append(store, TEXT_REF, blocks[:2])
    append(store, TEXT_REF, [whole])
    assert {name[:10] for name in names(store, TEXT_REF)} == {"part-00002"}
    append(store, TEXT_REF, [blocks[2]])
    assert_same(table_of(store, TEXT_REF), whole[0])
    (longer,) = text_blocks([14])
    store.compact(TEXT_REF)
    append(store, TEXT_REF, [longer])
    assert_same(table_of(store, TEXT_REF), longer[0])
    assert {name[:10] for name in names(store, TEXT_REF)} == {"part-00000"}


def test_blocks_that_are_staggered_never_count_a_unit_twice(store: Store):
    whole = together(text_blocks())
    append(store, TEXT_REF, [(replace(whole.keep(slice(0, 6)), part=False), np.arange(6))])
    append(store, TEXT_REF, [(replace(whole.keep(slice(4, 8)), part=False), np.arange(4, 8))])
    append(store, TEXT_REF, [(replace(whole.keep(slice(8, 12)), part=False), np.arange(8, 12))])
    stored = store.read(TEXT_REF)
    assert stored is not None
    assert stored.units.tolist() == [0, 1, 2, 3, 4, 5, 8, 9, 10, 11]
    assert not stored.table.complete


def test_a_part_that_was_taken_the_place_of_twice_is_not_missed(store: Store):
    """Its name stands in what was written between, and in nothing that is there now."""
    blocks = item_blocks([2, 3])
    append(store, ITEM_REF, blocks)
    ablated = replace(task_table(10, items=2), intervention=blocks[0][0].intervention)
    for number in (2, 3):
        store.append(ITEM_REF, ablated, np.arange(2))
        assert {name[:10] for name in names(store, ITEM_REF)} == {
            "part-00001", f"part-0000{number}",
        }  # fmt: skip
        assert table_of(store, ITEM_REF).rows == 5
    described = read_sealed(store.table_folder(ITEM_REF) / "part-00003.json")
    assert described["replaces"] == ["part-00002.json", "part-00000.json"]


def test_what_was_being_written_at_a_death_is_not_read_and_goes(store: Store):
    blocks = text_blocks()
    append(store, TEXT_REF, blocks[:2])
    folder = store.table_folder(TEXT_REF)
    (folder / "part-00001.json").unlink()
    (folder / "part-00002-tokens.parquet").write_bytes(b"half")
    (folder / "part-00002.tmp").write_text("{", encoding="utf-8")
    assert_same(table_of(store, TEXT_REF), blocks[0][0])
    append(store, TEXT_REF, blocks[1:2])
    assert {name.split(".")[0].split("-")[1] for name in names(store, TEXT_REF)} == {
        "00000", "00001",
    }  # fmt: skip
    assert_same(table_of(store, TEXT_REF), together(blocks[:2]))


def test_a_file_that_no_run_wrote_is_not_removed(store: Store):
    blocks = text_blocks()
    append(store, TEXT_REF, blocks[:1])
    store.compact(TEXT_REF)
    stranger = store.table_folder(TEXT_REF) / "more.parquet"
    stranger.write_bytes(b"mine")
    append(store, TEXT_REF, blocks[1:])
    with pytest.raises(StoreError) as caught:
        store.compact(TEXT_REF)
    assert str(caught.value) == (
        f"{stranger} is no file of this table (table.json does not name it){HINT}"
    )
    assert stranger.read_bytes() == b"mine"


@pytest.mark.parametrize("compacted", [False, True])
def test_a_part_that_is_gone_is_missed(store: Store, compacted: bool):
    blocks = text_blocks()
    append(store, TEXT_REF, blocks[:2])
    if compacted:
        store.compact(TEXT_REF)
    append(store, TEXT_REF, blocks[2:])
    folder = store.table_folder(TEXT_REF)
    lost, by = ("table", "part-00000") if compacted else ("part-00000", "part-00001")
    (folder / f"{lost}.json").unlink()
    with pytest.raises(StoreError) as caught:
        store.read(TEXT_REF)
    assert str(caught.value) == f"{folder}/{lost}.json is missing ({by}.json names it){HINT}"


def test_blocks_are_refused_beside_what_is_damaged(store: Store):
    """A later run sets it aside, and tells so."""
    blocks = text_blocks()
    append(store, TEXT_REF, blocks[:1])
    path = store.table_folder(TEXT_REF) / "part-00000.json"
    path.write_text("[]", encoding="utf-8")
    for write in (
        lambda: append(store, TEXT_REF, blocks[1:]),
        lambda: store.compact(TEXT_REF),
    ):
        with pytest.raises(StoreError) as caught:
            write()
        assert str(caught.value) == f"{path} holds no JSON object but []{HINT}"


def test_a_measurement_that_was_stopped_is_read_as_far_as_it_came(store: Store):
    blocks = text_blocks()
    append(store, TEXT_REF, blocks[:2])
    store.write_manifest([MeasuredDataset(ON_TEXTS, "context", {})], {})
    measurement = read(store.folder)
    assert_same(measurement.tables[TEXT_REF.key], together(blocks[:2]))
    assert not measurement.complete
    assert measurement.manifest.texts == {"corpus": "tales"}


def test_texts_whose_run_died_before_its_manifest_are_recorded_by_the_next(store: Store):
    append(store, TEXT_REF, text_blocks())
    append(store, ITEM_REF, item_blocks())
    store.write_manifest([MeasuredDataset(ITEM_REF.dataset, "tasks", {"items": 12})], {})
    assert set(read(store.folder).tables) == {TEXT_REF.key, ITEM_REF.key}
