"""Tables that are found by their columns, and compared value by value."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.equality.comparison import Comparison, EqualityError
from tests.equality.stores import KINDS as EVERY_KIND
from tests.equality.stores import POSITION_SUMS, TableName, read_store
from tests.equality.tables import compare_stores, differing

# Those of texts and tasks; features on texts are the demo's in tests/equality/test_command.py.
LATER = ("active features", "duplicates", "losses")
KINDS = [kind for kind in EVERY_KIND if kind.name not in LATER]

SUMS = np.arange(9, dtype=np.float64).reshape(3, 3) / 7


def write(path: Path, columns: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(dict(columns)), path)


def names(rows: int, sae: str = "a", task: str | None = None) -> dict[str, list[str]]:
    return {"sae": [sae] * rows, **({} if task is None else {"task": [task] * rows})}


def lists(values: np.ndarray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])


def tokens() -> dict[str, Any]:
    """Two texts of two positions."""
    return {
        **names(4),
        "text": np.array([0, 0, 1, 1], dtype=np.int32),
        "position": np.array([1, 2, 1, 2], dtype=np.int32),
        "massive": np.array([False, False, True, False]),
        "mse": np.array([0.5, 0.25, np.nan, 3], dtype=np.float32),
    }


def sums() -> dict[str, Any]:
    """Of position 1 ordinary tokens and massive ones, of position 2 ordinary ones."""
    return {
        "position": np.array([1, 2, 1], dtype=np.int32),
        "massive": np.array([False, False, True]),
        "tokens": np.array([1.0, 2.0, 1.0]),
        "sum": lists(SUMS),
    }


def items() -> dict[str, Any]:
    return {
        **names(2, task="t"),
        "item": np.array([0, 1], dtype=np.int32),
        "prompt_tokens": np.array([5, 6], dtype=np.int32),
        "source": ["one", "two"],
        "class": pa.array(["both", None]),
        "clean_ln_p": np.array([-0.1, -0.2]),
    }


def features() -> dict[str, Any]:
    return {
        **names(2, task="t"),
        "feature": np.array([3, 8], dtype=np.int32),
        "items": np.array([2, 1], dtype=np.int32),
        "score": np.array([2, -1], dtype=np.int32),
        "delta_ln_p": np.array([0.5, -0.5]),
        "group_items": lists(np.array([[1, 1], [0, 1]], dtype=np.int32)),
    }


def ablations() -> dict[str, Any]:
    return {
        **names(2, task="t"),
        "feature": np.array([3, 3], dtype=np.int32),
        "best": np.array([True, True]),
        "item": np.array([0, 1], dtype=np.int32),
        "delta_ln_p": np.array([0.5, 0.25]),
    }


def write_store(folder: Path, **changed: Mapping[str, Any]) -> Path:
    """One SAE on texts and on a task; arguments take the place of tables."""
    files = {
        "a-1/tokens.parquet": changed.get("tokens", tokens()),
        "a-1/position_sums.parquet": changed.get("sums", sums()),
        "tasks/t-1/a-1/items.parquet": changed.get("items", items()),
        "tasks/t-1/a-1/features.parquet": changed.get("features", features()),
        "tasks/t-1/a-1/ablations.parquet": changed.get("ablations", ablations()),
    }
    for name, columns in files.items():
        write(folder / name, columns)
    return folder


def compare(tmp_path: Path, sums_tolerance: float = 0.0, **changed: Mapping[str, Any]):
    """An unchanged store with one of which tables are changed, by kind."""
    old, new = write_store(tmp_path / "old"), write_store(tmp_path / "new", **changed)
    found = compare_stores(old, new, sums_tolerance=sums_tolerance)
    return {comparison.what: comparison for comparison in found}


def differences(found: Mapping[str, Comparison]) -> dict[str, dict[str, int]]:
    return {what: dict(c.differing) for what, c in found.items() if c.differences}


def test_equal_stores(tmp_path):
    found = compare(tmp_path)
    assert list(found) == [kind.name for kind in KINDS]
    assert differences(found) == {}
    counts = {what: comparison.compared for what, comparison in found.items()}
    assert counts == {
        "position sums": 3 + 3 + 9,  # rows, numbers of tokens, sums
        "tokens": 4 + 2 * 4,
        "ablations": 2 + 2 * 2,
        "features": 2 + 3 * 2 + 4,
        "items": 2 + 4 * 2,
    }


def test_one_bit_is_a_difference(tmp_path):
    changed = tokens()
    changed["mse"][1] = np.nextafter(np.float32(0.25), np.float32(1))
    found = compare(tmp_path, tokens=changed)
    assert differences(found) == {"tokens": {"mse": 1}}
    assert found["tokens"].first == ("a, text 0, position 2, mse: 0.25 became 0.2500000298023224",)


def test_a_figure_that_becomes_undefined_is_a_difference(tmp_path):
    changed = items()
    changed["clean_ln_p"][0] = np.nan
    found = compare(tmp_path, items=changed)
    assert found["items"].first == ("a on t, item 0, clean_ln_p: -0.1 became nan",)


def test_names_and_lists_are_compared(tmp_path):
    changed = features()
    changed["group_items"] = lists(np.array([[1, 1], [1, 0]], dtype=np.int32))
    classes = {**items(), "class": pa.array(["both", "neither"])}
    found = compare(tmp_path, features=changed, items=classes)
    assert differences(found) == {"features": {"group_items": 2}, "items": {"class": 1}}
    assert found["features"].first[0] == "a on t, feature 8, group_items[0]: 0 became 1"
    assert found["items"].first == ("a on t, item 1, class: None became 'neither'",)


@pytest.mark.parametrize(("side", "fewer", "more"), [("old", "new", "old"), ("new", "old", "new")])
def test_a_row_that_is_missing(tmp_path, side, fewer, more):
    write_store(tmp_path / more)
    shorter = {name: values[:3] for name, values in tokens().items()}
    write_store(tmp_path / fewer, tokens=shorter)
    found = {c.what: c for c in compare_stores(tmp_path / "old", tmp_path / "new")}
    assert differences(found) == {"tokens": {"rows": 1}}
    assert found["tokens"].first == (f"a, text 1, position 2: only the {side} store has this row",)


def test_a_table_that_is_missing(tmp_path):
    old, new = write_store(tmp_path / "old"), write_store(tmp_path / "new")
    (new / "tasks/t-1/a-1/ablations.parquet").unlink()
    found = {c.what: c for c in compare_stores(old, new)}
    assert differences(found) == {"ablations": {"whole tables": 1}}
    assert found["ablations"].first == ("the ablations of a on t: only the old store has them",)


def test_a_lost_column_is_a_difference_and_a_new_one_is_told(tmp_path):
    changed = {**tokens(), "kl": np.zeros(4, dtype=np.float32)}
    del changed["mse"]
    found = compare(tmp_path, tokens=changed)
    assert differences(found) == {"tokens": {"mse": 1}}
    assert found["tokens"].first == ("a: only the old store has the column mse",)
    assert found["tokens"].notes == ("only the new store has the column kl of tokens",)
    sides = (tmp_path / "old", tmp_path / "new")
    ignoring = {c.what: c for c in compare_stores(*sides, ignored=("mse", "kl"))}
    assert differences(ignoring) == {}
    assert ignoring["tokens"].notes == ()


def test_another_type_of_float_is_a_difference(tmp_path):
    changed = {**tokens(), "mse": tokens()["mse"].astype(np.float64)}
    found = compare(tmp_path, tokens=changed)
    assert differences(found) == {"tokens": {"mse": 4}}
    assert found["tokens"].first == ("a, mse: float32 in the old store, float64 in the new one",)


def test_another_width_of_lists_is_a_difference(tmp_path):
    found = compare(tmp_path, sums={**sums(), "sum": lists(SUMS[:, :2])})
    assert differences(found) == {"position sums": {"sum": 9}}


def test_sums_may_be_grouped_otherwise(tmp_path):
    """The largest is 8/7: a millionth of that is the most that any sum may be off."""
    near = {**sums(), "sum": lists(SUMS + 1e-6)}
    assert differences(compare(tmp_path, 1e-6, sums=near)) == {}
    far = {**sums(), "sum": lists(SUMS + 1.2e-6)}
    assert differences(compare(tmp_path, 1e-6, sums=far)) == {"position sums": {"sum": 9}}
    assert differences(compare(tmp_path, sums=near)) == {"position sums": {"sum": 9}}
    fewer = {**sums(), "tokens": np.array([1.0, 2.0, 1.0 + 1e-9])}  # a number of tokens may not
    assert differences(compare(tmp_path, 1e-6, sums=fewer)) == {"position sums": {"tokens": 1}}


def test_another_layout_is_read_alike(tmp_path):
    """Other names of files and folders, another order of rows, wider numbers, names only once."""
    old, new = write_store(tmp_path / "old"), tmp_path / "new"
    table = pa.table(tokens())
    order = [3, 1, 0, 2]
    write(new / "context/a/rows/part-0.parquet", dict_of(table.take(order[:1])))
    later = {n: c.cast(pa.int64()) if n == "text" else c for n, c in dict_of(table).items()}
    write(new / "context/a/rows/part-1.parquet", dict_of(pa.table(later).take(order[1:])))
    wide = {
        "ordinary_counts": np.array([0.0, 1.0, 2.0]),
        "ordinary_sums": lists(np.stack([SUMS[0] * 0, SUMS[0], SUMS[1]])),
        "massive_counts": np.array([0.0, 1.0, 0.0]),
        "massive_sums": lists(np.stack([SUMS[0] * 0, SUMS[2], SUMS[0] * 0])),
    }
    write(new / "context/a/sums/part-0.parquet", wide)
    for name, columns in {"i": items(), "f": features(), "a": ablations()}.items():
        its = {n: c for n, c in columns.items() if name == "i" or n not in ("sae", "task")}
        write(new / f"tasks/t/a/{name}.parquet", its)
    found = {c.what: c for c in compare_stores(old, new)}
    assert differences(found) == {}
    assert all(not comparison.notes for comparison in found.values())
    assert len(found) == len(KINDS)


def dict_of(table: pa.Table) -> dict[str, Any]:
    return {name: table[name] for name in table.column_names}


def test_a_description_may_say_whose_a_table_is(tmp_path):
    write(tmp_path / "position_sums.parquet", sums())
    (tmp_path / "sae.json").write_text('{"sae": {"sae_id": "b"}}', encoding="utf-8")
    assert list(read_store(tmp_path)) == [TableName(POSITION_SUMS, "b")]


def test_several_saes_in_one_file(tmp_path):
    both = {**tokens(), "sae": ["a", "b", "a", "b"], "observed": ["a", "b", "b", "b"]}
    write(tmp_path / "tokens.parquet", both)
    assert sorted((n.sae, n.observed, str(n)) for n in read_store(tmp_path)) == [
        ("a", "", "a"),
        ("a", "b", "a observed at b"),
        ("b", "", "b"),
    ]


def test_what_was_being_written_is_not_read(tmp_path):
    write_store(tmp_path)
    write(tmp_path / ".writing-1/table/tokens.parquet", tokens())
    assert len(read_store(tmp_path)) == len(KINDS)


def test_refusals_are_sentences(tmp_path):
    def refusal() -> str:
        with pytest.raises(EqualityError) as caught:
            read_store(tmp_path)
        return str(caught.value)

    assert refusal() == f"{tmp_path} holds no Parquet file; see the log of the run beside it"
    write(tmp_path / "s/position_sums.parquet", sums())
    assert refusal() == (
        f"{tmp_path}/s/position_sums.parquet does not say its sae, and none is named"
    )
    for sae in "ab":
        write(tmp_path / f"{sae}.parquet", {**tokens(), "sae": [sae] * 4})
    assert refusal() == (
        f"{tmp_path}/s/position_sums.parquet does not say its sae, and the files beside it "
        "name a, b"
    )
    (tmp_path / "s/position_sums.parquet").unlink()
    write(tmp_path / "c.parquet", tokens())
    assert refusal() == "the tokens of a have two rows of text 0, position 1"
    write(tmp_path / "d.parquet", {"sae": ["a"], "depth": [1]})
    assert refusal() == f"{tmp_path}/d.parquet is of no known kind of table; it has sae, depth"


@given(st.lists(st.floats(width=32), min_size=1), st.data())
def test_differing_is_of_bits(values, data):
    """A column equals itself; one value with another bit pattern is the one that is told."""
    old = np.array(values, dtype=np.float32)
    new, which = old.copy(), data.draw(st.integers(0, len(values) - 1))
    assert not differing(old, new).any()
    new[which] = np.nan if np.isnan(old[which]) else np.copysign(old[which], -old[which])
    expected = np.arange(len(values)) == which if not np.isnan(old[which]) else np.zeros(1, bool)
    np.testing.assert_array_equal(differing(old, new), np.broadcast_to(expected, old.shape))
