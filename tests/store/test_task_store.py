"""Tasks on disk: found again by what determined them, and what the manifest says of them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from sae_checks.errors import StoreError
from sae_checks.evals.tasks.table import TaskTable
from sae_checks.records import Release, TaskRef
from sae_checks.store import MeasuredTask, Store, read_measurement, task_refs
from sae_checks.store import store as store_module
from sae_checks.store.integrity import read_sealed
from tests.stored import (
    LOADING,
    change_sealed,
    provenance,
    sae_ref,
    task_ref,
    task_table,
    write_measurement,
)

LAYER_0, LAYER_1 = (sae_ref(layer).sae_id for layer in range(2))
TABLE = task_table(0)
TASK = TABLE.task


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """With two SAEs on one task, and no texts."""
    made = Store(tmp_path, Release("made-up", "folder", LOADING, (sae_ref(0), sae_ref(1))), of())
    with made.lock():
        for layer in range(2):
            made.write_task(task_table(layer))
        made.write_manifest({}, {}, [MeasuredTask(TASK, {"items": 40, "cut": 3})])
    return made


def of(**changes: object):
    return provenance(**changes)


def entries(store: Store) -> dict[str, dict]:
    manifest = store.read_manifest()
    assert manifest is not None
    assert len({entry["ref"]["name"] for entry in manifest["tasks"]}) == len(manifest["tasks"])
    return {entry["ref"]["name"]: entry for entry in manifest["tasks"]}


def test_a_task_lies_below_its_own_folder(store: Store):
    folder = store.task_folder(TASK)
    assert folder.parent == store.folder / "tasks"
    assert folder.name.startswith("made-up-task-")
    (of_layer_0,) = folder.glob("blocks.0.*")
    assert sorted(path.name for path in of_layer_0.iterdir()) == [
        "ablations.parquet",
        "features.parquet",
        "items.parquet",
        "task.json",
    ]
    files = {path.name: path for path in of_layer_0.glob("*.parquet")}
    described = json.loads((of_layer_0 / "task.json").read_text(encoding="utf-8"))
    assert len(described.pop("checksum")) == 64
    assert described == {
        "format": 2,
        "setting": provenance().key,
        "sae": {
            "sae_id": LAYER_0,
            "hook_point": LAYER_0,
            "layer": 0,
            "site": "hook_resid_pre",
            "training_context": 16,
            "d_in": 4,
            "d_sae": 32,
            "architecture": "standard",
            "loading": {
                "model_class_name": "HookedTransformer",
                "from_pretrained_kwargs": [],
                "prepend_bos": True,
            },
            "weights_key": "made-up-0",
            "dataset": None,
            "neuronpedia_id": "made-up/0-res",
        },
        "task": {
            "name": "made-up-task",
            "columns": sorted([*TABLE.columns, "features"]),
            "version": "0",
            "items": 40,
            "seed": 0,
            "answer": "first_token",
            "feature_window": 32,
            "made_by": "",
        },
        "columns": sorted([*TABLE.columns, "features"]),
        "ablated": 2,
        "complete": True,
        "description": {},
        "files": {
            name: {
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                "bytes": path.stat().st_size,
                "rows": len(pq.read_table(path, partitioning=None)),
            }
            for name, path in files.items()
        },
    }


def test_what_was_written_is_read(store: Store):
    stored = store.read_task(TASK, sae_ref(0))
    assert stored is not None
    assert stored.columns == {*TABLE.columns, "features"}
    assert stored.table.ablations is not None
    assert stored.table.ablations.asked == 2
    np.testing.assert_array_equal(stored.table.columns["sae_ln_p"], TABLE.columns["sae_ln_p"])


def test_without_features_and_ablations(store: Store):
    store.write_task(replace(TABLE, features=None, ablations=None))
    stored = store.read_task(TASK, sae_ref(0))
    assert stored is not None
    assert stored.columns == set(TABLE.columns)
    assert (stored.table.features, stored.table.ablations) == (None, None)


def test_nothing_was_written(tmp_path: Path, store: Store):
    assert store.read_task(replace(TASK, name="another"), sae_ref(0)) is None
    assert store.read_task(TASK, sae_ref(2)) is None
    assert store.read_task(TASK, replace(sae_ref(0), weights_key="one byte changed")) is None
    other = Store(tmp_path, store.release, of(seed=1))
    assert other.read_task(TASK, sae_ref(0)) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "another"},
        {"items": 41},
        {"seed": 1},
        {"answer": "whole"},
        {"feature_window": 16},
        {"version": "1"},
        {"columns": frozenset({"clean_ln_p", "features"})},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_determines_the_items_is_another_folder(store: Store, changes: dict):
    other: TaskRef = replace(TASK, **changes)
    assert store.task_folder(other) != store.task_folder(TASK)
    assert store.read_task(other, sae_ref(0)) is None
    store.write_task(replace(TABLE, task=other))
    assert store.read_task(other, sae_ref(0)) is not None
    assert store.read_task(TASK, sae_ref(0)) is not None  # and the first is still there


def test_the_same_content_elsewhere_is_the_same_task(store: Store):
    elsewhere = replace(TASK, location="/somewhere/else.jsonl")
    assert store.task_folder(elsewhere) == store.task_folder(TASK)
    assert store.read_task(elsewhere, sae_ref(0)) is not None


def test_a_write_that_fails_leaves_what_was_there(store: Store, monkeypatch: pytest.MonkeyPatch):
    before = sorted(path.relative_to(store.folder) for path in store.folder.rglob("*"))

    def fail(folder: Path, table: TaskTable) -> None:
        (folder / "items.parquet").write_bytes(b"half")
        raise OSError("the disk is full")

    monkeypatch.setattr(store_module, "write_task_table", fail)
    for task in (TASK, replace(TASK, items=41)):
        with pytest.raises(OSError, match="the disk is full"):
            store.write_task(replace(TABLE, task=task))
    assert sorted(path.relative_to(store.folder) for path in store.folder.rglob("*")) == before
    assert store.read_task(TASK, sae_ref(0)) is not None
    assert store.read_task(replace(TASK, items=41), sae_ref(0)) is None


def test_a_task_as_the_manifest_records_it(store: Store):
    assert entries(store) == {
        "made-up-task": {
            "ref": {
                "name": "made-up-task",
                "columns": sorted([*TABLE.columns, "features"]),
                "version": "0",
                "items": 40,
                "seed": 0,
                "answer": "first_token",
                "location": "made-up-task.jsonl",
                "feature_window": 32,
                "made_by": "",
            },
            "folder": store.task_folder(TASK).relative_to(store.folder).as_posix(),
            "failure": None,
            "description": {"items": 40, "cut": 3},
        }
    }


def test_a_run_that_read_no_items_keeps_what_was_said_of_them(store: Store):
    store.write_manifest({}, {}, [MeasuredTask(TASK, {})])
    assert entries(store)["made-up-task"]["description"] == {"items": 40, "cut": 3}


def test_a_task_of_the_same_name_gives_way(store: Store):
    other = replace(TASK, items=41)
    store.write_manifest({}, {}, [MeasuredTask(other, {})])
    entry = entries(store)["made-up-task"]
    assert (entry["ref"]["items"], entry["description"]) == (41, {})
    assert entry["folder"] != store.task_folder(TASK).relative_to(store.folder).as_posix()
    store.write_task(replace(TABLE, task=other))
    assert set(read_measurement(store.folder).tasks["made-up-task"]) == {LAYER_0}


def test_tasks_of_other_names_stay(store: Store):
    other = replace(TASK, name="another")
    store.write_task(replace(TABLE, task=other))
    store.write_manifest({}, {}, [MeasuredTask(other, {"items": 40})])
    assert list(entries(store)) == ["another", "made-up-task"]
    store.write_manifest({"corpus": "tales"}, {})  # a run on texts alone
    assert list(entries(store)) == ["another", "made-up-task"]
    measurement = read_measurement(store.folder)
    assert {name: set(tables) for name, tables in measurement.tasks.items()} == {
        "another": {LAYER_0},
        "made-up-task": {LAYER_0, LAYER_1},
    }
    assert task_refs(measurement.manifest) == (other, TASK)


def test_a_failure_is_kept_until_the_task_is_measured(store: Store):
    sentence = "task another: none of its questions can be asked of this model"
    other = task_ref("another")
    store.write_manifest({}, {}, [MeasuredTask(other, {}, sentence)])
    store.write_manifest({}, {})  # a run that did not ask for it
    measurement = read_measurement(store.folder)
    assert measurement.task_failures == {"another": sentence}
    assert measurement.tasks["another"] == {}
    store.write_manifest({}, {}, [MeasuredTask(other, {"items": 40})])
    assert read_measurement(store.folder).task_failures == {}


def test_a_measurement_of_tasks_alone(store: Store):
    measurement = read_measurement(store.folder)
    assert measurement.release.saes == (sae_ref(0), sae_ref(1))
    assert measurement.tables == {}
    assert measurement.failures == {}
    assert set(measurement.tasks["made-up-task"]) == {LAYER_0, LAYER_1}
    read = measurement.tasks["made-up-task"][LAYER_1]
    assert (read.sae, read.task) == (sae_ref(1), TASK)


def test_an_sae_without_texts_and_without_tasks(store: Store, tmp_path: Path):
    Store(tmp_path, replace(store.release, saes=(sae_ref(2),)), of()).write_manifest({}, {})
    assert read_measurement(store.folder).failures == {
        "blocks.2.hook_resid_pre": f"SAE 'blocks.2.hook_resid_pre' has no table in {store.folder}"
    }


def test_a_failure_of_an_sae_is_mended_by_its_table_of_a_task(store: Store, tmp_path: Path):
    larger = Store(tmp_path, replace(store.release, saes=(sae_ref(0), sae_ref(2))), of())
    larger.write_manifest({}, {sae_ref(2).sae_id: "weights are NaN"})
    assert read_measurement(store.folder).failures == {sae_ref(2).sae_id: "weights are NaN"}
    larger.write_task(task_table(2))
    larger.write_manifest({}, {})
    assert read_measurement(store.folder).failures == {}


def test_a_task_that_failed_and_nothing_else(tmp_path: Path):
    folder = write_measurement(
        tmp_path, layers=1, failures={0: "not asked for"}, task_failures={"another": "no question"}
    )
    with pytest.raises(StoreError) as caught:
        read_measurement(folder)
    assert str(caught.value) == f"{folder} holds no table of any SAE; measure again"


def test_other_columns_than_the_folder_says(store: Store):
    (path,) = store.task_folder(TASK).glob("blocks.1.*/task.json")
    columns = read_sealed(path)["columns"]
    change_sealed(path, columns=[name for name in columns if name != "prompt_l0"])
    with pytest.raises(StoreError) as caught:
        store.read_task(TASK, sae_ref(1))
    assert str(caught.value) == (
        f"{path} says other columns than the files beside it have; restore it, or measure again"
    )
