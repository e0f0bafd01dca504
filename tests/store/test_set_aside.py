"""Damaged tables are set aside to be measured again, and nothing is ever half written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sae_checks.errors import StoreError
from sae_checks.evals.context.table import ContextTable
from sae_checks.records import Release
from sae_checks.store import MeasuredDataset, Store
from tests.store.damages import (
    DAMAGES,
    HINT,
    SAE_0,
    SAE_1,
    as_folder,
    refusal,
    texts_of,
)
from tests.stored import (
    LOADING,
    ON_TEXTS,
    change_sealed,
    provenance,
    read,
    sae_ref,
    sae_table,
    table_ref,
    task_table,
    text_ref,
)


@pytest.mark.parametrize(
    ("damage", "name"), [(d, name) for d, (_, name, _) in DAMAGES.items()], ids=list(DAMAGES)
)
def test_what_was_mixed_up_or_cut_is_set_aside_to_be_measured_again(
    folder: Path, store: Store, damage: str, name: str
):
    """Nothing is deleted, and what is whole is still found."""
    DAMAGES[damage][0](folder)
    files = sorted(path.name for path in folder.rglob("*") if path.is_file())
    told: list[str] = []
    refs = [table_ref(kind(layer)) for kind in (sae_table, task_table) for layer in range(2)]
    lost = [store.find(ref, told.append) for ref in refs].count(None)
    both = {
        "folders",
        "folders of a task",
        "tokens",
        "position sums",
        "items",
        "features",
        "losses",
    }
    assert lost == (2 if damage in both else 1)
    assert len(told) == lost
    assert name in told[0]
    assert "; set aside as " in told[0]
    assert told[0].endswith(".damaged-1, and made anew")
    assert len(list(folder.rglob("*.damaged-1"))) == lost
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == files
    assert [store.find(ref, told.append) for ref in refs].count(None) == lost
    assert len(told) == lost  # once is enough


def test_the_whole_note(folder: Path, store: Store):
    table = texts_of(folder, 0)
    (table / "position_sums.parquet").unlink()
    told: list[str] = []
    assert store.find(text_ref(sae_ref(0)), told.append) is None
    assert told == [
        f"{table}/position_sums.parquet is missing (table.json names it); set aside as "
        f"{table.name}.damaged-1, and made anew"
    ]


def test_what_is_set_aside_again_takes_the_next_number(folder: Path, store: Store):
    told: list[str] = []
    table = texts_of(folder, 0)
    for number in (1, 2):
        (table / "tokens.parquet").unlink()
        assert store.find(text_ref(sae_ref(0)), told.append) is None
        assert (table.with_name(f"{table.name}.damaged-{number}") / "table.json").is_file()
        store.write(text_ref(sae_ref(0)), sae_table(0))
    assert store.find(text_ref(sae_ref(0)), told.append) is not None
    assert len(told) == 2


def test_half_a_table_is_refused_and_set_aside(folder: Path, store: Store):
    table = texts_of(folder, 0)
    (table / "table.json").unlink()
    assert refusal(folder) == f"{table} is no whole table (it has no table.json){HINT}"
    told: list[str] = []
    assert store.find(text_ref(sae_ref(0)), told.append) is None
    assert told == [
        f"{table} is no whole table (it has no table.json); set aside as {table.name}.damaged-1, "
        "and made anew"
    ]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.write_text("[]", encoding="utf-8"), "holds no JSON object but []"),
        (lambda path: change_sealed(path, setting="0"), "is of another setting (0)"),
        (as_folder, "cannot be read ([Errno 21] Is a directory: '{path}')"),
    ],
    ids=["list", "another's", "folder"],
)
def test_a_damaged_manifest_is_set_aside(folder: Path, store: Store, damage, said: str):
    path = folder / "manifest.json"
    damage(path)
    told: list[str] = []
    assert store.find_manifest(told.append) is None
    assert told == [
        f"{path} {said.format(path=path)}; set aside as manifest.json.damaged-1, and made anew"
    ]
    store.write_manifest([MeasuredDataset(ON_TEXTS, "context", {"corpus": "tales"})], {})
    assert set(read(folder).of(ContextTable)) == {SAE_0, SAE_1}


def test_a_manifest_made_anew_says_what_the_tables_say(tmp_path: Path):
    """A run that was stopped after its texts left tables and no manifest; the next reads none."""
    release = Release("made-up", "folder", LOADING, (sae_ref(0), sae_ref(1)))
    store, task = Store(tmp_path, release, provenance()), task_table(1)
    said = {"corpus": "tales", "fingerprint": "f"}
    store.write(table_ref(sae_table(0)), sae_table(0), description=said)
    store.write(table_ref(sae_table(1)), sae_table(1))
    store.write(table_ref(task), task, description={"fingerprint": "g"})
    store.write_manifest([MeasuredDataset(table_ref(task).dataset, "tasks", {})], {})
    manifest = read(store.folder).manifest
    assert manifest.texts == said
    assert manifest.tasks[0].description == {"fingerprint": "g"}


def test_a_table_is_replaced_at_once(folder: Path, store: Store):
    """Without a moment in which half of the old one lies there."""
    before = sorted(folder.rglob("*"))
    store.write(text_ref(sae_ref(0)), replace(sae_table(0), complete=False))
    stored = store.read(text_ref(sae_ref(0)))
    assert stored is not None
    assert not stored.table.complete
    np.testing.assert_array_equal(stored.table.columns["l0"], sae_table(0).columns["l0"])
    assert sorted(folder.rglob("*")) == before


def test_a_lock_that_is_a_folder_is_one_sentence(folder: Path, store: Store):
    as_folder(folder / ".lock")
    table = sae_table(0)
    for write in (
        lambda: store.append(table_ref(table), table, np.arange(12)),
        lambda: store.write(table_ref(table), table),
        lambda: store.compact(table_ref(table)),
        lambda: store.write_manifest([], {}, adaptive=True),
    ):
        with pytest.raises(StoreError) as caught:
            write()
        message = str(caught.value)
        assert message.startswith(f"{folder} cannot be measured into (")
        assert message.endswith(
            "); remove what is in the way, make room, or name another folder with --sae-store"
        )
        assert "\n" not in message


def test_what_is_there_is_found_where_nothing_can_be_written(folder: Path, store: Store):
    """Such as in a store that is complete, on a disk that is mounted to be read."""
    as_folder(folder / ".lock")
    stored = store.find(table_ref(sae_table(0)), pytest.fail)
    assert stored is not None
    manifest = store.find_manifest(pytest.fail)
    assert manifest is not None
    assert store.write_manifest([], {}) == manifest


def test_a_store_that_is_a_file_is_one_sentence(tmp_path: Path):
    root = tmp_path / "store"
    root.write_text("", encoding="utf-8")
    store = Store(root, Release("made-up", "folder", LOADING, (sae_ref(0),)), provenance())
    with pytest.raises(StoreError, match=r"cannot be measured into \(.*Not a directory"):
        store.write(table_ref(sae_table(0)), sae_table(0))
