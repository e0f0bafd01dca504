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
from sae_checks.records import DatasetEntry, DatasetRef, Intervention, Release, TableRef
from sae_checks.store import MeasuredDataset, Store, codec
from sae_checks.store.integrity import read_sealed
from tests.store.round_trip import assert_same
from tests.stored import (
    LOADING,
    ON_TEXTS,
    change_sealed,
    provenance,
    read,
    sae_ref,
    task_of,
    task_table,
    write_measurement,
)

LAYER_0, LAYER_1 = (sae_ref(layer).sae_id for layer in range(2))
TABLE = task_table(0)
TASK = DatasetRef.of_task(task_of(TABLE))
AT_0, AT_1 = (TableRef(TaskTable, TASK, Intervention((sae_ref(n),))) for n in range(2))


def other_items(**changes: object) -> DatasetRef:
    """The task, but for some of what decides its items."""
    return DatasetRef.of_task(replace(task_of(TABLE), **changes))  # type: ignore[arg-type]


def found(ref: DatasetRef, **more: object) -> MeasuredDataset:
    return MeasuredDataset(ref, "tasks", **{"description": {}, **more})  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """With two SAEs on one task, and no texts."""
    made = Store(tmp_path, Release("made-up", "folder", LOADING, (sae_ref(0), sae_ref(1))), of())
    for layer, ref in enumerate((AT_0, AT_1)):
        made.write(ref, task_table(layer))
    made.write_manifest([found(TASK, description={"items": 40, "cut": 3})], {})
    return made


def of(**changes: object):
    return provenance(**changes)


def entries(store: Store) -> dict[str, DatasetEntry]:
    manifest = store.read_manifest()
    assert manifest is not None
    made = {entry.ref.name: entry for entry in manifest.tasks}
    assert len(made) == len(manifest.tasks)
    return made


def test_a_task_lies_below_its_own_folder(store: Store):
    folder = store.table_folder(AT_0).parent
    assert folder.parent == store.folder / "tasks"
    assert folder.name.startswith("made-up-task-")
    (of_layer_0,) = folder.glob("blocks.0.*")
    assert sorted(path.name for path in of_layer_0.iterdir()) == [
        "ablations.parquet",
        "features.parquet",
        "items.parquet",
        "table.json",
    ]
    files = {path.name: path for path in of_layer_0.glob("*.parquet")}
    described = json.loads((of_layer_0 / "table.json").read_text(encoding="utf-8"))
    assert len(described.pop("checksum")) == 64
    assert described == {
        "format": 3,
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
        "observed": None,
        "evaluation": "tasks",
        "dataset": {
            "name": "made-up-task",
            "identity": {
                "columns": sorted([*TABLE.columns, "features"]),
                "version": "0",
                "items": 40,
                "seed": 0,
                "answer": "first_token",
                "feature_window": 32,
                "made_by": "",
            },
        },
        "units": [[0, 40]],
        "positions": None,
        "columns": list(TABLE.columns),
        "labels": {"prompt_tokens": "int64", "source": "str"},
        "derived": ["clean_right", "sae_right", "class", "delta_ln_p"],
        "side": {
            "features": {
                "arrays": {
                    "feature": "int64",
                    "items": "int64",
                    "delta_ln_p": "float64",
                    "score": "int64",
                    "strength": "float64",
                    "weighted_delta_ln_p": "float64",
                    "weighted_score": "float64",
                    "group_items": "int64",
                    "group_score": "int64",
                },
                "derived": [
                    "share_of_items",
                    "mean_delta_ln_p",
                    "mean_strength",
                    "weighted_mean_delta_ln_p",
                    "weighted_mean_score",
                    "link",
                ],
                "numbers": {},
            },
            "ablations": {
                "arrays": {
                    "feature": "int64",
                    "best": "bool",
                    "item": "int64",
                    "delta_ln_p": "float64",
                },
                "derived": ["link"],
                "numbers": {"asked": 2},
            },
        },
        "complete": True,
        "part": False,
        "description": {},
        "before": [],
        "replaces": [],
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
    stored = store.read(AT_0)
    assert stored is not None
    assert stored.table.measured == {*TABLE.columns, "features", "ablations"}
    assert_same(stored.table, TABLE)
    np.testing.assert_array_equal(stored.units, np.arange(40))


def test_without_features_and_ablations(store: Store):
    store.write(AT_0, replace(TABLE, side={}))
    stored = store.read(AT_0)
    assert stored is not None
    assert stored.table.measured == set(TABLE.columns)


def test_nothing_was_written(tmp_path: Path, store: Store):
    changed = replace(sae_ref(0), weights_key="one byte changed")
    assert store.read(replace(AT_0, dataset=other_items(name="another"))) is None
    assert store.read(replace(AT_0, intervention=Intervention((sae_ref(2),)))) is None
    assert store.read(replace(AT_0, intervention=Intervention((changed,)))) is None
    assert Store(tmp_path, store.release, of(seed=1)).read(AT_0) is None


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
    other = replace(AT_0, dataset=other_items(**changes))
    assert store.table_folder(other) != store.table_folder(AT_0)
    assert store.read(other) is None
    store.write(other, replace(TABLE, dataset=other.dataset.name))
    assert store.read(other) is not None
    assert store.read(AT_0) is not None  # and the first is still there


def test_the_same_content_elsewhere_is_the_same_task(store: Store):
    assert other_items(location="/somewhere/else.jsonl") == TASK


def test_a_write_that_fails_leaves_what_was_there(store: Store, monkeypatch: pytest.MonkeyPatch):
    before = sorted(path.relative_to(store.folder) for path in store.folder.rglob("*"))

    def fail(folder: Path, *rest: object) -> None:
        (folder / "items.parquet").write_bytes(b"half")
        raise OSError("the disk is full")

    monkeypatch.setattr(codec, "write_table", fail)
    other = replace(AT_0, intervention=Intervention((sae_ref(2),)))
    for ref in (AT_0, other):
        with pytest.raises(OSError, match="the disk is full"):
            store.write(ref, replace(TABLE, intervention=ref.intervention))
    assert sorted(path.relative_to(store.folder) for path in store.folder.rglob("*")) == before
    assert store.read(AT_0) is not None
    assert store.read(other) is None


def test_a_task_as_the_manifest_records_it(store: Store):
    assert entries(store) == {
        "made-up-task": DatasetEntry(
            TASK,
            "tasks",
            store.table_folder(AT_0).parent.relative_to(store.folder).as_posix(),
            {"items": 40, "cut": 3},
        )
    }


def test_a_task_is_known_again_from_the_manifest(store: Store):
    """Where its data lie is said beside what it is."""
    task = task_of(TABLE)
    store.write_manifest([found(TASK, description={"location": task.location})], {})
    assert entries(store)["made-up-task"].task == task


def test_a_run_that_read_no_items_keeps_what_was_said_of_them(store: Store):
    store.write_manifest([found(TASK)], {})
    assert entries(store)["made-up-task"].description == {"items": 40, "cut": 3}


def test_a_task_of_the_same_name_gives_way(store: Store):
    other = other_items(items=41)
    store.write_manifest([found(other)], {})
    entry = entries(store)["made-up-task"]
    assert (entry.ref, entry.description) == (other, {})
    assert store.folder / entry.folder != store.table_folder(AT_0).parent
    store.write(replace(AT_0, dataset=other), TABLE)
    assert set(read(store.folder).of(TaskTable, "made-up-task")) == {LAYER_0}


def test_tasks_of_other_names_stay(store: Store):
    other = other_items(name="another")
    store.write(replace(AT_0, dataset=other), replace(TABLE, dataset="another"))
    store.write_manifest([found(other, description={"items": 40})], {})
    assert list(entries(store)) == ["another", "made-up-task"]
    # A run on texts alone.
    store.write_manifest([MeasuredDataset(ON_TEXTS, "context", {"corpus": "tales"})], {})
    assert list(entries(store)) == ["another", "made-up-task"]
    measurement = read(store.folder)
    assert set(measurement.of(TaskTable, "another")) == {LAYER_0}
    assert set(measurement.of(TaskTable, "made-up-task")) == {LAYER_0, LAYER_1}
    assert [entry.ref for entry in measurement.manifest.tasks] == [other, TASK]


def test_a_failure_is_kept_until_the_task_is_measured(store: Store):
    sentence = "task another: none of its questions can be asked of this model"
    other = other_items(name="another")
    store.write_manifest([found(other, failure=sentence)], {})
    store.write_manifest([], {})  # a run that did not ask for it
    measurement = read(store.folder)
    assert measurement.dataset_failures == {"another": sentence}
    assert measurement.of(TaskTable, "another") == {}
    store.write_manifest([found(other, description={"items": 40})], {})
    assert read(store.folder).dataset_failures == {}


def test_a_measurement_of_tasks_alone(store: Store):
    measurement = read(store.folder)
    assert measurement.release.saes == (sae_ref(0), sae_ref(1))
    assert set(measurement.tables) == {AT_0.key, AT_1.key}
    assert measurement.failures == {}
    assert measurement.tables[AT_1.key].sae == sae_ref(1)


def test_an_sae_without_texts_and_without_tasks(store: Store, tmp_path: Path):
    Store(tmp_path, replace(store.release, saes=(sae_ref(2),)), of()).write_manifest([], {})
    assert read(store.folder).failures == {
        "blocks.2.hook_resid_pre": f"SAE 'blocks.2.hook_resid_pre' has no table in {store.folder}"
    }


def test_a_failure_of_an_sae_is_mended_by_its_table_of_a_task(store: Store, tmp_path: Path):
    larger = Store(tmp_path, replace(store.release, saes=(sae_ref(0), sae_ref(2))), of())
    larger.write_manifest([], {sae_ref(2).sae_id: "weights are NaN"})
    assert read(store.folder).failures == {sae_ref(2).sae_id: "weights are NaN"}
    larger.write(replace(AT_0, intervention=Intervention((sae_ref(2),))), task_table(2))
    larger.write_manifest([], {})
    assert read(store.folder).failures == {}


def test_a_task_that_failed_and_nothing_else(tmp_path: Path):
    folder = write_measurement(
        tmp_path, layers=1, failures={0: "not asked for"}, task_failures={"another": "no question"}
    )
    with pytest.raises(StoreError) as caught:
        read(folder)
    assert str(caught.value) == f"{folder} holds no table of any SAE; measure again"


def test_other_columns_than_the_folder_says(store: Store):
    path = store.table_folder(AT_1) / "table.json"
    columns = read_sealed(path)["columns"]
    change_sealed(path, columns=[name for name in columns if name != "prompt_l0"])
    with pytest.raises(StoreError) as caught:
        store.read(AT_1)
    assert str(caught.value) == (
        f"{path} says other columns than the files beside it have; restore it, or measure again"
    )
