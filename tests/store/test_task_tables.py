"""Tables of tasks written and read again, as other programs open them, and damaged ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from sae_checks.errors import StoreError
from sae_checks.evals.tasks.table import AblationTable, FeatureTable
from sae_checks.records import GROUPS, Intervention, SideTable
from tests.store.round_trip import (
    assert_same_arrays,
    read,
    round_trip,
    rows_of,
    write,
)
from tests.stored import ablation_table, feature_table, task_table

TABLE = task_table(0)
FILES = ["items.parquet", "features.parquet", "ablations.parquet", "losses.parquet"]
LINK = "https://www.neuronpedia.org/made-up/0-res/"


def side(features: FeatureTable, ablations: AblationTable) -> dict[str, SideTable]:
    return {"features": features, "ablations": ablations}


def test_everything_comes_back(tmp_path: Path):
    back = round_trip(tmp_path, TABLE)
    assert (back.sae, back.key, back.sources) == (TABLE.sae, TABLE.key, TABLE.sources)
    assert back.columns.keys() == TABLE.columns.keys()
    for name, column in TABLE.columns.items():
        np.testing.assert_array_equal(back.columns[name], column)  # in float64
        assert back.columns[name].dtype == np.float64
    np.testing.assert_array_equal(back.prompt_tokens, TABLE.prompt_tokens)
    assert back.prompt_tokens.dtype == np.int64
    assert_same_arrays(back.features, TABLE.features)
    assert_same_arrays(back.ablations, TABLE.ablations)
    assert_same_arrays(back.losses, TABLE.losses)


def test_what_is_not_finite_stays_so(tmp_path: Path):
    columns = {name: values.copy() for name, values in TABLE.columns.items()}
    columns["sae_ln_p"][:2] = -np.inf, np.nan
    columns["prompt_mse"][3] = np.inf
    delta = columns["sae_ln_p"] - columns["clean_ln_p"]
    features, ablations = feature_table(delta), ablation_table(np.zeros(40))
    ablations.delta_ln_p[:2] = np.nan, np.inf
    table = replace(TABLE, columns=columns, side=side(features, ablations))
    back = round_trip(tmp_path, table)
    for name, column in columns.items():
        np.testing.assert_array_equal(back.columns[name], column)
    assert_same_arrays(back.features, features)
    assert_same_arrays(back.ablations, ablations)


def test_only_what_was_measured(tmp_path: Path):
    few = {name: TABLE.columns[name] for name in ("clean_ln_p", "sae_ln_p")}
    ranks = {name: TABLE.columns[name] for name in ("clean_rank", "sae_rank")}
    back = round_trip(tmp_path, replace(TABLE, columns=few | ranks, side={}))
    assert back.columns.keys() == few.keys() | ranks.keys()
    assert (back.features, back.ablations) == (None, None)
    assert [path.name for path in tmp_path.iterdir()] == ["items.parquet"]


def test_an_sae_without_an_active_feature(tmp_path: Path):
    delta = TABLE.columns["sae_ln_p"] - TABLE.columns["clean_ln_p"]
    none = feature_table(delta, np.zeros((0, 40), dtype=bool))
    no_ablation = ablation_table(np.zeros(0))
    back = round_trip(tmp_path, replace(TABLE, side=side(none, no_ablation)))
    assert_same_arrays(back.features, none)
    assert_same_arrays(back.ablations, no_ablation)


def test_items_as_others_read_them(tmp_path: Path):
    write(tmp_path, TABLE)
    rows = rows_of(tmp_path, "items.parquet")
    assert rows.column_names == [
        "sae",
        "task",
        "item",
        "prompt_tokens",
        "source",
        "clean_right",
        "sae_right",
        "class",
        "delta_ln_p",
        *TABLE.columns,
    ]
    frame = rows.to_pandas()
    assert set(frame["sae"]) == {"blocks.0.hook_resid_pre"}
    assert set(frame["task"]) == {"made-up-task"}
    assert list(frame["item"]) == list(range(40))
    assert list(frame["source"]) == [f"item {index}" for index in range(40)]
    assert frame["clean_right"].dtype == frame["sae_right"].dtype == np.bool_
    assert list(frame["clean_right"]) == list(TABLE.columns["clean_rank"] == 1)
    assert list(frame["sae_right"]) == list(TABLE.columns["sae_rank"] == 1)
    np.testing.assert_array_equal(frame["delta_ln_p"], frame["sae_ln_p"] - frame["clean_ln_p"])


def test_the_class_tells_who_is_right(tmp_path: Path):
    columns = {
        **TABLE.columns,
        "clean_rank": np.tile([1.0, 1.0, 2.0, 3.0, np.nan, 1.0, np.nan, 1.0], 5),
        "sae_rank": np.tile([1.0, 2.0, 1.0, 2.0, 1.0, np.nan, np.nan, 1.0], 5),
    }
    write(tmp_path, replace(TABLE, columns=columns))
    rows = rows_of(tmp_path, "items.parquet")
    told = ["both", "clean_only", "sae_only", "neither", None, None, None, "both"]
    assert rows["class"].to_pylist() == 5 * told
    assert rows["class"].null_count == 15
    assert rows["sae_right"].to_pylist()[5] is None
    assert rows["clean_right"].to_pylist()[3:6] == [False, None, None]


def test_features_as_others_read_them(tmp_path: Path):
    write(tmp_path, TABLE)
    rows, features = rows_of(tmp_path, "features.parquet"), TABLE.features
    assert isinstance(features, FeatureTable)
    assert rows.column_names == [
        "sae",
        "task",
        "feature",
        "items",
        "delta_ln_p",
        "score",
        "strength",
        "weighted_delta_ln_p",
        "weighted_score",
        "group_items",
        "group_score",
        "share_of_items",
        "mean_delta_ln_p",
        "mean_strength",
        "weighted_mean_delta_ln_p",
        "weighted_mean_score",
        "link",
    ]
    frame = rows.to_pandas()
    assert list(frame["feature"]) == [3, 4, 5, 6, 7, 8, 9, 10]
    assert list(frame["link"]) == [f"{LINK}{feature}" for feature in frame["feature"]]
    np.testing.assert_array_equal(frame["share_of_items"], features.items / 40)
    np.testing.assert_array_equal(frame["mean_delta_ln_p"], features.delta_ln_p / features.items)
    np.testing.assert_array_equal(frame["mean_strength"], np.full(8, 2.0))
    np.testing.assert_array_equal(
        frame["weighted_mean_delta_ln_p"], features.weighted_delta_ln_p / features.strength
    )
    np.testing.assert_array_equal(
        frame["weighted_mean_score"], features.weighted_score / features.strength
    )
    groups = np.stack(frame["group_items"])
    assert groups.shape == (8, GROUPS)
    np.testing.assert_array_equal(groups.sum(axis=1), frame["items"])
    np.testing.assert_array_equal(np.stack(frame["group_score"]).sum(axis=1), frame["score"])


def test_ablations_as_others_read_them(tmp_path: Path):
    write(tmp_path, TABLE)
    frame = rows_of(tmp_path, "ablations.parquet").to_pandas()
    assert list(frame.columns) == ["sae", "task", "feature", "best", "item", "delta_ln_p", "link"]
    assert list(frame["link"]) == [f"{LINK}{feature}" for feature in frame["feature"]]
    assert set(frame["feature"][frame["best"]]) == {9, 10}
    assert set(frame["feature"][~frame["best"]]) == {3, 4}
    assert len(frame) == sum(-(-40 // each) for each in (1, 2, 7, 8))


def test_an_sae_without_dashboards_has_no_links(tmp_path: Path):
    without = Intervention((replace(TABLE.sae, neuronpedia_id=None),))
    write(tmp_path, replace(TABLE, intervention=without))
    for file in ("features.parquet", "ablations.parquet"):
        links = rows_of(tmp_path, file)["link"]
        assert links.type == pa.string()
        assert links.null_count == len(links)


def test_no_warning_for_a_feature_of_strength_nought(tmp_path: Path):
    """Warnings are errors here; a figure that is none is NaN, for others too."""
    features = replace(feature_table(np.zeros(40)), strength=np.zeros(8))
    write(tmp_path, replace(TABLE, side={"features": features}))
    rows = rows_of(tmp_path, "features.parquet").to_pandas()
    assert rows["weighted_mean_delta_ln_p"].isna().all()


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"not Parquet"),
        lambda path: path.write_bytes(path.read_bytes()[:-100]),
    ],
    ids=["other", "cut off"],
)
def test_a_damaged_file(tmp_path: Path, file: str, damage):
    layout = write(tmp_path, TABLE)
    damage(tmp_path / file)
    with pytest.raises(StoreError) as caught:
        read(tmp_path, TABLE, layout)
    message = str(caught.value)
    assert message.startswith(f"the stored measurement {tmp_path} cannot be read (")
    assert message.endswith("); restore it, or measure again")
    assert "\n" not in message


@pytest.mark.parametrize("file", FILES)
def test_one_byte_that_changed_changes_no_figure(tmp_path: Path, file: str):
    """Wherever it lies: it is told, or it was of no account (statistics, say)."""
    layout = write(tmp_path, TABLE)
    path = tmp_path / file
    whole = path.read_bytes()
    told = 0
    for place in range(0, len(whole), 41):
        content = bytearray(whole)
        content[place] ^= 0xFF
        path.write_bytes(content)
        try:
            back = read(tmp_path, TABLE, layout)
        except StoreError:
            told += 1
            continue
        assert_same_arrays(back.features, TABLE.features)
        assert_same_arrays(back.ablations, TABLE.ablations)
        for name in back.columns.keys() & TABLE.columns.keys():  # names are held to task.json
            np.testing.assert_array_equal(back.columns[name], TABLE.columns[name])
    assert told > len(whole) / 41 / 2


def test_a_missing_file(tmp_path: Path):
    layout = write(tmp_path, TABLE)
    (tmp_path / "items.parquet").unlink()
    with pytest.raises(StoreError, match=r"No such file|items\.parquet"):
        read(tmp_path, TABLE, layout)
