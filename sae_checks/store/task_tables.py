"""An SAE's tables of one task as Parquet files that pandas or DuckDB open as they are.

`items.parquet`: a row per item. `features.parquet`: a row per feature that is active on an item.
`ablations.parquet`: a row per ablated feature and item on which it is active.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from sae_checks.evals.tasks.table import ITEM_CLASSES, AblationTable, FeatureTable, TaskTable
from sae_checks.records import GROUPS, IntArray, SaeRef, TaskRef
from sae_checks.store.parquet import read_rows, readable, write_rows

_ITEMS, _FEATURES, _ABLATIONS = "items.parquet", "features.parquet", "ablations.parquet"
# Of items.parquet: what is no column of a `TaskTable`, or follows from its columns.
_INDEX = ("sae", "task", "item", "source", "cluster", "prompt_tokens")
_DERIVED = ("clean_right", "sae_right", "delta_ln_p", "class")


def write_task_table(folder: Path, table: TaskTable) -> None:
    """Write a table's files into a folder that exists."""
    write_rows(_item_rows(table), folder / _ITEMS)
    if table.features is not None:
        write_rows(_feature_rows(table, table.features), folder / _FEATURES)
    if table.ablations is not None:
        write_rows(_ablation_rows(table, table.ablations), folder / _ABLATIONS)


def read_task_table(folder: Path, sae: SaeRef, task: TaskRef, ablated: int) -> TaskTable:
    """Read a table; `ablated` is how many best and worst features were asked to be ablated.

    Raises:
        StoreError: a file is missing or damaged.
    """
    with readable(folder):
        items = read_rows(folder / _ITEMS)
        features = _read_if_there(folder / _FEATURES)
        ablations = _read_if_there(folder / _ABLATIONS)
        return TaskTable(
            sae=sae,
            task=task,
            columns={
                name: items[name].to_numpy().astype(np.float64)
                for name in items.column_names
                if name not in (*_INDEX, *_DERIVED)
            },
            prompt_tokens=items["prompt_tokens"].to_numpy().astype(np.int64),
            sources=tuple(items["source"].to_pylist()),
            features=None if features is None else _features(features),
            ablations=None if ablations is None else _ablations(ablations, ablated),
            clusters=_clusters(items),
        )


def _item_rows(table: TaskTable) -> pa.Table:
    columns = table.columns
    clean, spliced = columns["clean_rank"] == 1, columns["sae_rank"] == 1
    broken = np.isnan(columns["clean_rank"] + columns["sae_rank"])
    classes = pa.DictionaryArray.from_arrays(
        pa.array((clean + 2 * spliced).astype(np.int32), mask=broken), list(ITEM_CLASSES)
    )
    return pa.table(
        {
            **_names(table, table.items),
            "item": np.arange(table.items, dtype=np.int32),
            "source": list(table.sources),
            **({} if table.clusters is None else {"cluster": table.clusters}),
            "prompt_tokens": table.prompt_tokens.astype(np.int32),
            "clean_right": pa.array(clean, mask=broken),
            "sae_right": pa.array(spliced, mask=broken),
            "class": classes,
            "delta_ln_p": columns["sae_ln_p"] - columns["clean_ln_p"],
            **columns,
        }
    )


def _feature_rows(table: TaskTable, features: FeatureTable) -> pa.Table:
    with np.errstate(invalid="ignore", divide="ignore"):
        means = {
            "share_of_items": features.items / table.items,
            "mean_delta_ln_p": features.delta_ln_p / features.items,
            "mean_strength": features.strength / features.items,
            "weighted_mean_delta_ln_p": features.weighted_delta_ln_p / features.strength,
            "weighted_mean_score": features.weighted_score / features.strength,
        }
    return pa.table(
        {
            **_names(table, len(features.feature)),
            "feature": features.feature.astype(np.int32),
            "items": features.items.astype(np.int32),
            "score": features.score.astype(np.int32),
            **means,
            "delta_ln_p": features.delta_ln_p,
            "strength": features.strength,
            "weighted_delta_ln_p": features.weighted_delta_ln_p,
            "weighted_score": features.weighted_score,
            "group_items": _lists(features.group_items),
            "group_score": _lists(features.group_score),
            "link": _links(table.sae, features.feature),
        }
    )


def _ablation_rows(table: TaskTable, ablations: AblationTable) -> pa.Table:
    return pa.table(
        {
            **_names(table, len(ablations.feature)),
            "feature": ablations.feature.astype(np.int32),
            "best": ablations.best,
            "item": ablations.item.astype(np.int32),
            "delta_ln_p": ablations.delta_ln_p,
            "link": _links(table.sae, ablations.feature),
        }
    )


def _names(table: TaskTable, rows: int) -> dict[str, pa.Array]:
    nothing = np.zeros(rows, dtype=np.int32)
    return {
        "sae": pa.DictionaryArray.from_arrays(nothing, [table.sae.sae_id]),
        "task": pa.DictionaryArray.from_arrays(nothing, [table.task.name]),
    }


def _links(sae: SaeRef, features: IntArray) -> pa.Array:
    return pa.array([sae.feature_link(int(feature)) for feature in features], pa.string())


def _lists(values: np.ndarray) -> pa.Array:
    flat = pa.array(values.astype(np.int32).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, GROUPS)


def _clusters(rows: pa.Table) -> IntArray | None:
    if "cluster" not in rows.column_names:
        return None
    return np.asarray(rows["cluster"].to_numpy(), dtype=np.int64)


def _features(rows: pa.Table) -> FeatureTable:
    def whole(name: str) -> np.ndarray:
        return np.asarray(rows[name].to_numpy(), dtype=np.int64)

    def grouped(name: str) -> np.ndarray:
        flat = rows[name].combine_chunks().flatten().to_numpy()
        return np.asarray(flat, dtype=np.int64).reshape(-1, GROUPS)

    return FeatureTable(
        feature=whole("feature"),
        items=whole("items"),
        delta_ln_p=rows["delta_ln_p"].to_numpy(),
        score=whole("score"),
        strength=rows["strength"].to_numpy(),
        weighted_delta_ln_p=rows["weighted_delta_ln_p"].to_numpy(),
        weighted_score=rows["weighted_score"].to_numpy(),
        group_items=grouped("group_items"),
        group_score=grouped("group_score"),
    )


def _ablations(rows: pa.Table, asked: int) -> AblationTable:
    return AblationTable(
        feature=rows["feature"].to_numpy().astype(np.int64),
        best=rows["best"].to_numpy(zero_copy_only=False),
        item=rows["item"].to_numpy().astype(np.int64),
        delta_ln_p=rows["delta_ln_p"].to_numpy(),
        asked=asked,
    )


def _read_if_there(path: Path) -> pa.Table | None:
    return read_rows(path) if path.exists() else None
