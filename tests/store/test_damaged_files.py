"""Every kind of stored file, damaged in every way: noticed, told, set aside, and measured again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sae_checks.errors import StoreError
from sae_checks.records import Intervention, Release, TableRef
from sae_checks.store import MeasuredDataset, Store
from sae_checks.store.integrity import read_sealed, write_sealed
from tests.exhaustive import case
from tests.store.damages import as_folder, keep_rows, swap
from tests.store.grown import (
    ITEM_REF,
    TEXT_REF,
    Block,
    append,
    item_blocks,
    text_blocks,
    together,
)
from tests.store.round_trip import assert_same
from tests.stored import LOADING, ON_TEXTS, provenance, read, sae_ref

REFS = {"texts": TEXT_REF, "items": ITEM_REF}
BLOCKS = {"texts": text_blocks(), "items": item_blocks()}
OTHER = Intervention((sae_ref(1),))
# Of each table a part that lies between others, and all parts as one.
TABLES = {"texts": ("tokens", "position_sums"), "items": ("items", "features")}
FILES = [
    (of, prefix, f"{prefix}{name}")
    for of, kinds in TABLES.items()
    for prefix in ("part-00001", "")
    for name in (
        *(f"{'-' if prefix else ''}{kind}.parquet" for kind in kinds),
        ".json" if prefix else "table.json",
    )
]


def blocks_of(of: str, intervention: Intervention) -> list[Block]:
    from dataclasses import replace

    return [(replace(table, intervention=intervention), units) for table, units in BLOCKS[of]]


def build(root: Path) -> Path:
    """Two SAEs, measured on texts and items in three blocks; copies of it once compacted."""
    for state in ("parts", "compacted"):
        release = Release("made-up", "folder", LOADING, (sae_ref(0), sae_ref(1)))
        store = Store(root / state, release, provenance())
        for of, ref in REFS.items():
            for intervention in (ref.intervention, OTHER):
                one = TableRef(ref.kind, ref.dataset, intervention)
                append(store, one, blocks_of(of, intervention))
                if state == "compacted":
                    store.compact(one)
        items = MeasuredDataset(ITEM_REF.dataset, "tasks", {"items": 12})
        store.write_manifest([MeasuredDataset(ON_TEXTS, "context", {}), items], {})
    return root


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("built"))


@pytest.fixture
def store(request: pytest.FixtureRequest, built: Path, tmp_path: Path) -> Store:
    """A store of one's own, in parts where a part is to be damaged."""
    parts = getattr(request, "param", "part-00001")
    shutil.copytree(built / ("parts" if parts else "compacted"), tmp_path / "store")
    release = Release("made-up", "folder", LOADING, (sae_ref(0), sae_ref(1)))
    return Store(tmp_path / "store", release, provenance())


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def swap_with_the_other_sae(path: Path) -> None:
    (other,) = path.parents[1].glob(f"blocks.1.*/{path.name}")
    swap(path, other)


def drop_a_column(path: Path) -> None:
    rows = pq.read_table(path, partitioning=None)
    pq.write_table(rows.drop_columns([rows.column_names[-1]]), path)


def say_too_many_units(path: Path) -> None:
    """And seal it, as if it had been written so."""
    write_sealed(path, {**read_sealed(path), "units": [[0, 10**12]]})


def edit(path: Path) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, "units": [[0, 10**12]]}), encoding="utf-8")


def write(text: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(text, encoding="utf-8") and None


ANY: dict[str, Callable[[Path], None]] = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-30]) and None,
    "emptied": lambda path: path.write_bytes(b"") and None,
    "flipped": flip,
    "swapped": swap_with_the_other_sae,
    "deleted": Path.unlink,
    "a folder": as_folder,
}
OF_PARQUET = {
    "half the rows": lambda path: keep_rows(path, 0.5),
    "no rows": lambda path: keep_rows(path, 0),
    "a column fewer": drop_a_column,
}
OF_JSON = {
    "a list": write("[]"),
    "an object": write("{}"),
    "null": write("null"),
    "edited": edit,
    "too many units": say_too_many_units,
}
CASES = [
    case(prefix, of, file, damage, run=(i + j) % 6 == 0, name=f"{file}-{damage}".replace(" ", "_"))
    for i, (of, prefix, file) in enumerate(FILES)
    for j, damage in enumerate((*ANY, *(OF_JSON if file.endswith(".json") else OF_PARQUET)))
]


@pytest.mark.parametrize(("store", "of", "file", "damage"), CASES, indirect=["store"])
def test_damage_is_noticed_set_aside_and_measured_again(
    store: Store, of: str, file: str, damage: str
):
    ref, blocks = REFS[of], BLOCKS[of]
    folder = store.table_folder(ref)
    {**ANY, **OF_PARQUET, **OF_JSON}[damage](folder / file)
    kept = {path.name: path.stat().st_size for path in folder.rglob("*") if path.is_file()}

    with pytest.raises(StoreError) as caught:
        read(store.folder)
    message = str(caught.value)
    assert message.startswith((str(folder), f"the stored measurement {folder}"))
    assert message.endswith(("; measure again", "; restore it, or measure again"))
    assert "\n" not in message

    told: list[str] = []
    assert store.find(ref, told.append) is None
    aside = folder.with_name(f"{folder.name}.damaged-1")
    reason = message.rpartition("; ")[0]
    if damage != "deleted":  # of which the first to miss it depends on what is left
        reason = reason.removesuffix("; restore it, or measure again")
    assert told == [f"{reason.removesuffix('; restore it, or')}; set aside as {aside.name}, and "
                    "made anew"]  # fmt: skip
    there = {path.name: path.stat().st_size for path in aside.rglob("*") if path.is_file()}
    assert there == kept  # nothing is deleted

    append(store, ref, blocks)  # as it is measured again
    store.compact(ref)
    stored = store.find(ref, told.append)
    assert stored is not None
    assert_same(stored.table, together(blocks))
    other = TableRef(ref.kind, ref.dataset, OTHER)
    if damage == "swapped":
        assert store.find(other, told.append) is None
        assert len(told) == 2
        append(store, other, blocks_of(of, OTHER))
    else:  # what is whole is still found
        assert store.find(other, told.append) is not None
        assert len(told) == 1
    assert len(read(store.folder).tables) == 4


@pytest.mark.parametrize("of", REFS)
def test_without_the_last_description_the_last_block_is_measured_again(store: Store, of: str):
    """As it is where the process died before it was written."""
    ref, blocks = REFS[of], BLOCKS[of]
    (store.table_folder(ref) / "part-00002.json").unlink()
    found = store.find(ref, pytest.fail)
    assert found is not None
    assert_same(found.table, together(blocks[:2]))
    append(store, ref, blocks[2:])
    found = store.find(ref, pytest.fail)
    assert found is not None
    assert_same(found.table, together(blocks))


@pytest.mark.parametrize("damage", ["truncated", "emptied", "flipped", "a folder", *OF_JSON])
def test_a_damaged_manifest_is_noticed_set_aside_and_made_anew(store: Store, damage: str):
    path = store.folder / "manifest.json"
    whole = path.read_bytes()
    if damage == "too many units":
        write_sealed(path, {**read_sealed(path), "saes": 10**12})
    elif damage == "edited":
        content = json.loads(whole)
        path.write_text(json.dumps({**content, "context": 10**12}), encoding="utf-8")
    else:
        {**ANY, **OF_JSON}[damage](path)
    with pytest.raises(StoreError) as caught:
        read(store.folder)
    message = str(caught.value)
    assert str(store.folder) in message
    assert "\n" not in message
    told: list[str] = []
    assert store.find_manifest(told.append) is None
    assert len(told) == 1
    assert told[0].startswith(f"{path} ")
    assert told[0].endswith("; set aside as manifest.json.damaged-1, and made anew")
    assert (store.folder / "manifest.json.damaged-1").exists()
    items = MeasuredDataset(ITEM_REF.dataset, "tasks", {"items": 12})
    store.write_manifest([MeasuredDataset(ON_TEXTS, "context", {}), items], {})
    assert path.read_bytes() == whole
