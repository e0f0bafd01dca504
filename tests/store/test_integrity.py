"""Stored tables that are damaged, mixed up or edited are refused in one sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sae_checks.errors import StoreError
from sae_checks.evals.context.table import ContextTable
from sae_checks.records import Release
from sae_checks.store import Store
from sae_checks.store.integrity import as_json, read_sealed, record_files, write_sealed
from tests.exhaustive import examples
from tests.store.damages import (
    CHANGED,
    DAMAGES,
    HINT,
    NO_FORMAT,
    OTHER_SAE,
    SAE_0,
    SAE_1,
    refusal,
    task_of,
    texts_of,
)
from tests.stored import (
    LOADING,
    change_sealed,
    provenance,
    read,
    sae_ref,
    sae_table,
    table_ref,
    task_table,
    text_ref,
    write_measurement,
)


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_was_mixed_up_or_cut_is_refused_naming_the_file(folder: Path, damage: str):
    change, name, said = DAMAGES[damage]
    change(folder)
    message = refusal(folder)
    file, _, rest = message.partition(name)
    assert Path(file).name.startswith(SAE_0)
    assert rest.startswith(f" {said}")
    assert rest.endswith(HINT)
    assert "\n" not in message


EDITS: dict[str, object] = {
    "columns": ["l0"],
    "complete": False,
    "positions": 32,
    "units": [[0, 62]],
    "setting": "0",
    "side": {},
}


@pytest.mark.parametrize("key", EDITS)
@pytest.mark.parametrize("of", [texts_of, task_of])
def test_an_edited_description_is_refused(folder: Path, of: Callable[[Path, int], Path], key: str):
    path = next(of(folder, 0).glob("*.json"))
    described = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(described | {key: EDITS[key]}), encoding="utf-8")
    assert refusal(folder) == f"{path} {CHANGED}{HINT}"


def test_a_description_set_out_otherwise_is_the_same(folder: Path):
    path = texts_of(folder, 0) / "table.json"
    described = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(described, sort_keys=True), encoding="utf-8")
    assert set(read(folder).of(ContextTable)) == {SAE_0, SAE_1}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[1, 2]", f"holds no JSON object but [1, 2]{HINT}"),
        ("null", f"holds no JSON object but null{HINT}"),
        ('"' + 99 * "x" + '"', f'holds no JSON object but "{39 * "x"}{HINT}'),
        ("{}", NO_FORMAT),
        ('{"texts": 1000000000000, "context": 64}', NO_FORMAT),
        ('{"format": 3, "texts": 1000000000000}', CHANGED + HINT),
        ('{"format": 4}', "is of format 4, where this version of sae-checks reads format 3; "
         "measure again"),
        ('{"format": true}', "is of format True, where this version of sae-checks reads format 3; "
         "measure again"),
        ("", f"cannot be read (Expecting value: line 1 column 1 (char 0)){HINT}"),
    ],
    ids=["list", "null", "text", "empty", "older", "huge", "newer", "true", "nothing"],
)  # fmt: skip
@pytest.mark.parametrize("of", [texts_of, task_of])
def test_a_description_of_another_shape_is_one_sentence(
    folder: Path, store: Store, of: Callable[[Path, int], Path], content: str, said: str
):
    path = next(of(folder, 0).glob("*.json"))
    path.write_text(content, encoding="utf-8")
    assert refusal(folder) == f"{path} {said}"
    told: list[str] = []
    refs = [text_ref(sae_ref(0)), table_ref(task_table(0))]
    found = [store.find(ref, told.append) for ref in refs]
    assert found.count(None) == 1
    assert told == [
        f"{path} {said.rpartition('; ')[0]}; set aside as {path.parent.name}.damaged-1, and "
        "made anew"
    ]


def test_a_table_of_other_weights_is_refused(folder: Path):
    """Of the same SAE as an earlier training left it, put where the later one's was."""
    path = texts_of(folder, 0) / "table.json"
    change_sealed(path, sae={**read_sealed(path)["sae"], "weights_key": "made-up-7"})
    assert refusal(folder) == (
        f"{path} describes another table (sae.weights_key is 'made-up-7', not 'made-up-0'){HINT}"
    )


@pytest.mark.parametrize("of", [texts_of, task_of])
def test_a_table_of_another_setting_is_refused(tmp_path: Path, folder: Path, of):
    """All else is the same: the SAE, its weights, the number of texts and items."""
    other = Store(
        tmp_path / "other",
        Release("made-up", "folder", LOADING, (sae_ref(0),)),
        provenance(seed=1),
    )
    for table in (sae_table(0), task_table(0)):
        other.write(table_ref(table), table)
    shutil.rmtree(of(folder, 0))
    shutil.copytree(of(other.folder, 0), of(folder, 1).with_name(of(other.folder, 0).name))
    assert refusal(folder) == (
        f"{of(folder, 0)}/table.json describes another table (setting is "
        f"'{provenance(seed=1).key}', not '{provenance().key}'){HINT}"
    )


def test_a_table_of_another_task_is_refused(folder: Path):
    path = task_of(folder, 0) / "table.json"
    change_sealed(path, dataset={**read_sealed(path)["dataset"], "name": "other"})
    assert refusal(folder) == (
        f"{path} describes another table (dataset.name is 'other', not 'made-up-task'){HINT}"
    )


def test_a_task_is_no_table_of_texts(folder: Path):
    texts, task = texts_of(folder, 0), task_of(folder, 0)
    shutil.rmtree(texts)
    shutil.copytree(task, texts)
    assert refusal(folder) == (
        f"{texts}/table.json describes another table (evaluation is 'tasks', not 'context'){HINT}"
    )


@pytest.mark.parametrize(
    ("name", "column", "found"),
    [("items.parquet", "sae", SAE_1), ("features.parquet", "sae", SAE_1),
     ("ablations.parquet", "task", "other")],
)  # fmt: skip
def test_names_inside_the_files_have_to_be_the_owners(
    folder: Path, name: str, column: str, found: str
):
    """Even where checksums fit: the last thing that keeps one SAE from another's figures."""
    table, wanted = task_of(folder, 0), {"sae": SAE_0, "task": "made-up-task"}[column]
    rows = pq.read_table(table / name, partitioning=None)
    index = rows.column_names.index(column)
    pq.write_table(rows.set_column(index, column, [[found] * len(rows)]), table / name)
    change_sealed(table / "table.json", files=record_files(sorted(table.glob("*.parquet"))))
    assert refusal(folder) == f"{table / name} is of {column} '{found}', not of '{wanted}'{HINT}"


def test_other_rows_than_were_written_are_refused(folder: Path):
    path = texts_of(folder, 0) / "table.json"
    files = read_sealed(path)["files"]
    files["tokens.parquet"]["rows"] += 1
    change_sealed(path, files=files)
    rows = 12 * 63
    assert refusal(folder) == (
        f"{path.parent}/tokens.parquet has {rows} rows, where table.json says {rows + 1}{HINT}"
    )


def test_a_changed_byte_is_told_by_its_checksum(folder: Path):
    path = texts_of(folder, 0) / "tokens.parquet"
    content = bytearray(path.read_bytes())
    content[-20] ^= 1  # in the footer, which no checksum of Parquet's covers
    path.write_bytes(content)
    assert refusal(folder) == (
        f"{path} was changed after it was written (its SHA-256 is not that of table.json){HINT}"
    )


def test_a_cut_file_is_told_by_its_size(folder: Path):
    path = texts_of(folder, 0) / "tokens.parquet"
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:1000])
    assert refusal(folder) == (
        f"{path} has 1,000 bytes, where table.json says {size:,} were written{HINT}"
    )


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_measurement(
        tmp_path_factory.mktemp("untouched"), tasks=[task_table(0), task_table(1)]
    )
    read(folder)
    return folder


@given(st.data())
@settings(max_examples=examples(60))
def test_no_bit_of_any_file_can_flip_unnoticed(untouched: Path, data: st.DataObject):
    paths = sorted(path for path in untouched.rglob("*") if path.is_file() and path.name != ".lock")
    path = data.draw(st.sampled_from(paths))
    whole = path.read_bytes()
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    content = bytearray(whole)
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    try:
        with pytest.raises(StoreError) as caught:
            read(untouched)
        assert "\n" not in str(caught.value)
    finally:
        path.write_bytes(whole)


@given(
    st.dictionaries(
        st.text(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=10,
        ),
    )
)
def test_what_is_sealed_is_read_back(tmp_path_factory, content):
    content = {k: v for k, v in content.items() if k not in ("format", "checksum")}
    path = tmp_path_factory.mktemp("sealed") / "any.json"
    write_sealed(path, content)
    assert read_sealed(path) == as_json(content)


@pytest.mark.parametrize("content", ["[]", "null", "7", '"provenance"', "{}"])
def test_a_manifest_of_another_shape_is_no_measurement(folder: Path, content: str):
    (folder / "manifest.json").write_text(content, encoding="utf-8")
    assert refusal(folder) == (
        f"--sae-measurements {folder} is no stored measurement (it has no manifest.json of "
        "sae-checks); a run says in its summary where it stored its tables"
    )


def test_an_edited_manifest_is_refused(folder: Path):
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["saes"][0]["folder"], manifest["saes"][1]["folder"] = (
        manifest["saes"][1]["folder"],
        manifest["saes"][0]["folder"],
    )
    path.write_text(json.dumps(manifest), encoding="utf-8")
    assert refusal(folder) == f"{path} {CHANGED}{HINT}"


def test_a_manifest_that_names_the_wrong_folders_is_refused(folder: Path):
    path = folder / "manifest.json"
    entries = read_sealed(path)["saes"]
    names = [entry["folder"] for entry in entries]
    for entry, name in zip(entries, reversed(names), strict=True):
        entry["folder"] = name
    change_sealed(path, saes=entries)
    assert OTHER_SAE in refusal(folder)


def test_a_measurement_of_the_format_before_is_refused(folder: Path):
    path = folder / "manifest.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content | {"format": 2}), encoding="utf-8")
    assert refusal(folder) == (
        f"{path} is of format 2, where this version of sae-checks reads format 3; measure again"
    )


def test_a_manifest_of_an_older_format_is_refused(folder: Path):
    path = folder / "manifest.json"
    older = {k: v for k, v in read_sealed(path).items() if k != "setting"}
    path.write_text(json.dumps(older), encoding="utf-8")
    assert refusal(folder) == f"{path} {NO_FORMAT}"
