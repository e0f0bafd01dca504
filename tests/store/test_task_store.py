"""Tasks on disk: found again by what determined them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from sae_checks.errors import StoreError
from sae_checks.records import Intervention
from sae_checks.store import Store, codec
from sae_checks.store.integrity import read_sealed
from tests.store.of_task import (
    AT_0,
    AT_1,
    LAYER_0,
    TABLE,
    TASK,
    other_items,
    store_of_task,
)
from tests.store.round_trip import assert_same
from tests.stored import (
    change_sealed,
    provenance,
    sae_ref,
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return store_of_task(tmp_path)


# What a manifest says of the table that `of_task.py` writes, part by part.
SAE = {
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
}
DATASET = {
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
}
FEATURES = {
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
}
LOSSES = {
    "arrays": {"item": "int32", "position": "int32", "delta_ce": "int32"},
    "derived": [],
    "numbers": {},
}
ABLATIONS = {
    "arrays": {
        "feature": "int64",
        "best": "bool",
        "item": "int64",
        "delta_ln_p": "float64",
    },
    "derived": ["link"],
    "numbers": {"asked": 2},
}


def described_file(path: Path) -> dict[str, object]:
    """What a manifest says of a file."""
    return {
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "bytes": path.stat().st_size,
        "rows": len(pq.read_table(path, partitioning=None)),
    }


def test_a_task_lies_below_its_own_folder(store: Store):
    folder = store.table_folder(AT_0).parent
    assert folder.parent == store.folder / "tasks"
    assert folder.name.startswith("made-up-task-")
    (of_layer_0,) = folder.glob("blocks.0.*")
    assert sorted(path.name for path in of_layer_0.iterdir()) == [
        "ablations.parquet",
        "features.parquet",
        "items.parquet",
        "losses.parquet",
        "table.json",
    ]


def test_its_manifest_says_all_of_it(store: Store):
    (of_layer_0,) = store.table_folder(AT_0).parent.glob("blocks.0.*")
    described = json.loads((of_layer_0 / "table.json").read_text(encoding="utf-8"))
    assert len(described.pop("checksum")) == 64
    assert described == {
        "format": 3,
        "setting": provenance().key,
        "sae": SAE,
        "observed": None,
        "evaluation": "tasks",
        "dataset": DATASET,
        "units": [[0, 40]],
        "positions": None,
        "columns": list(TABLE.columns),
        "labels": {"prompt_tokens": "int64", "source": "str"},
        "derived": ["clean_right", "sae_right", "class", "delta_ln_p"],
        "side": {"features": FEATURES, "ablations": ABLATIONS, "losses": LOSSES},
        "complete": True,
        "part": False,
        "description": {},
        "before": [],
        "replaces": [],
        "files": {path.name: described_file(path) for path in of_layer_0.glob("*.parquet")},
    }


def test_what_was_written_is_read(store: Store):
    stored = store.read(AT_0)
    assert stored is not None
    assert stored.table.measured == {*TABLE.columns, "features", "ablations", "losses"}
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
    assert Store(tmp_path, store.release, provenance(seed=1)).read(AT_0) is None


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
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(codec, "write_table", fail)
    other = replace(AT_0, intervention=Intervention((sae_ref(2),)))
    for ref in (AT_0, other):
        with pytest.raises(StoreError, match="No space left on device"):
            store.write(ref, replace(TABLE, intervention=ref.intervention))
    assert sorted(path.relative_to(store.folder) for path in store.folder.rglob("*")) == before
    assert store.read(AT_0) is not None
    assert store.read(other) is None


def test_other_columns_than_the_folder_says(store: Store):
    path = store.table_folder(AT_1) / "table.json"
    columns = read_sealed(path)["columns"]
    change_sealed(path, columns=[name for name in columns if name != "prompt_l0"])
    with pytest.raises(StoreError) as caught:
        store.read(AT_1)
    assert str(caught.value) == (
        f"{path} says other columns than the files beside it have; restore it, or measure again"
    )
