"""Tables written and read again, and files that are damaged."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_checks.errors import StoreError
from sae_checks.evals.context.table import PositionSums
from sae_checks.records import Intervention
from sae_checks.store.codec import ranges_of, units_of
from tests.store.round_trip import assert_same, read, round_trip, write
from tests.stored import CONTEXT, TEXTS, WIDTH, sae_ref, sae_table


def test_every_column_comes_back(tmp_path: Path):
    table = sae_table(0)
    table.massive[1, 2] = True
    back = round_trip(tmp_path, table)
    assert back.columns.keys() == table.columns.keys()
    for name, column in table.columns.items():
        np.testing.assert_array_equal(back.columns[name], column)  # NaN where it was
        assert back.columns[name].dtype == np.float64
    np.testing.assert_array_equal(back.massive, table.massive)
    assert back.massive.dtype == np.bool_
    assert (back.sae, back.texts, back.context) == (table.sae, TEXTS, CONTEXT)


def test_undefined_stays_undefined(tmp_path: Path):
    table = sae_table(0)
    table.columns["kl"][3, 5] = np.nan  # of a token that was measured
    for column in table.columns.values():
        column[4] = np.nan  # a text of which nothing was
    back = round_trip(tmp_path, table)
    assert np.isnan(back.columns["kl"][3, 5])
    assert np.isfinite(back.columns["norm"][3, 5])
    assert all(np.isnan(column[4]).all() for column in back.columns.values())
    assert np.isnan(back.columns["ce_sae"][:, -1]).all()


def test_values_are_kept_in_float32(tmp_path: Path):
    table = sae_table(0)
    table.columns["mse"][0, 1] = 1 / 3
    back = round_trip(tmp_path, table)
    assert back.columns["mse"][0, 1] == np.float32(1 / 3)
    schema = pq.read_schema(tmp_path / "tokens.parquet")
    assert str(schema.field("mse").type) == "float"


def test_rows_are_tidy(tmp_path: Path):
    table = sae_table(0)
    table.labels["document"] = np.full((TEXTS, CONTEXT), 7, dtype=np.int32)
    write(tmp_path, table)
    rows = pq.read_table(tmp_path / "tokens.parquet", partitioning=None).to_pandas()
    assert len(rows) == TEXTS * (CONTEXT - 1)  # BOS is not measured
    assert list(rows.columns[:5]) == ["sae", "text", "position", "massive", "document"]
    assert set(rows["sae"]) == {"blocks.0.hook_resid_pre"}
    assert rows["position"].min() == 1
    assert rows.dtypes["text"] == rows.dtypes["position"] == rows.dtypes["document"] == np.int32


def test_rows_have_the_numbers_of_their_units(tmp_path: Path):
    """A block of texts 30, 31, ...; some of which were not measured at all."""
    table = sae_table(0)
    for column in table.columns.values():
        column[4] = np.nan
    units = 30 + np.arange(TEXTS)
    assert_same(round_trip(tmp_path, table, units), table)
    rows = pq.read_table(tmp_path / "tokens.parquet", partitioning=None)
    assert sorted(set(rows["text"].to_pylist())) == [30, 31, 32, 33, *range(35, 42)]


def test_position_sums_as_others_read_them(tmp_path: Path):
    table = sae_table(0)
    write(tmp_path, table)
    rows = pq.read_table(tmp_path / "position_sums.parquet", partitioning=None)
    assert rows.column_names == [
        "sae", "ordinary_counts", "ordinary_sums", "massive_counts", "massive_sums", "position",
    ]  # fmt: skip
    assert rows["position"].to_pylist() == list(range(CONTEXT))
    assert rows["ordinary_counts"].to_pylist() == [0.0] + (CONTEXT - 1) * [float(TEXTS)]
    assert len(rows["ordinary_sums"][0].as_py()) == WIDTH


def test_position_sums_come_back_exactly(tmp_path: Path):
    generator = np.random.default_rng(0)
    ordinary, massive = np.zeros(CONTEXT), np.zeros(CONTEXT)
    ordinary[1:], massive[7] = TEXTS, 2
    sums = PositionSums(
        ordinary,
        generator.normal(size=(CONTEXT, WIDTH)) * (ordinary > 0)[:, None],
        massive,
        1e9 * generator.normal(size=(CONTEXT, WIDTH)) * (massive > 0)[:, None],
    )
    back = round_trip(tmp_path, replace(sae_table(0), side={"position_sums": sums})).position_sums
    assert back is not None
    for name in ("ordinary_counts", "ordinary_sums", "massive_counts", "massive_sums"):
        np.testing.assert_array_equal(getattr(back, name), getattr(sums, name))  # in float64


def test_documents_come_back(tmp_path: Path):
    """Those of measured tokens; where each text is its own, none are written."""
    documents = np.arange(TEXTS * CONTEXT, dtype=np.int32).reshape(TEXTS, CONTEXT) // 100
    documents[:, 0] = -1  # BOS is not measured
    table = replace(sae_table(0), labels={**sae_table(0).labels, "document": documents})
    back = round_trip(tmp_path, table)
    np.testing.assert_array_equal(back.documents, documents)
    assert back.documents.dtype == np.int32
    own = round_trip(tmp_path, sae_table(0))
    assert own.units.count == TEXTS
    assert own.documents is None


def test_without_position_sums(tmp_path: Path):
    back = round_trip(tmp_path, replace(sae_table(0), side={}))
    assert back.position_sums is None


def damage_the_middle(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize("file", ["tokens.parquet", "position_sums.parquet"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"not Parquet"),
        lambda path: path.write_bytes(path.read_bytes()[:-100]),
        damage_the_middle,
    ],
    ids=["other", "cut off", "one byte"],
)
def test_a_damaged_file(tmp_path: Path, file: str, damage):
    layout = write(tmp_path, sae_table(0))
    damage(tmp_path / file)
    with pytest.raises(StoreError) as caught:
        read(tmp_path, sae_table(0), layout)
    message = str(caught.value)
    assert message.startswith(f"the stored measurement {tmp_path} cannot be read (")
    assert message.endswith("); restore it, or measure again")


def test_a_missing_file(tmp_path: Path):
    layout = write(tmp_path, sae_table(0))
    (tmp_path / "tokens.parquet").unlink()
    with pytest.raises(StoreError, match=r"No such file|tokens\.parquet"):
        read(tmp_path, sae_table(0), layout)


@given(st.sets(st.integers(0, 200)))
def test_units_are_kept_as_ranges(numbers: set[int]):
    units = np.array(sorted(numbers), dtype=np.int64)
    ranges = ranges_of(units)
    np.testing.assert_array_equal(units_of(ranges), units)
    assert all(end < first for (_, end), (first, _) in pairwise(ranges))  # as few as can be


def test_ranges_by_hand():
    assert ranges_of(np.array([0, 1, 2, 7])) == [[0, 3], [7, 8]]


@pytest.mark.parametrize(
    "units", [np.arange(TEXTS - 1), np.arange(TEXTS)[::-1], np.zeros(TEXTS, int), -np.arange(TEXTS)]
)
def test_numbers_that_are_not_those_of_the_rows_are_a_bug(tmp_path: Path, units: np.ndarray):
    with pytest.raises(ValueError, match=r"numbers of 12 units of .* must rise from 0"):
        write(tmp_path, sae_table(0), units)


def test_columns_of_several_shapes_are_a_bug(tmp_path: Path):
    table = sae_table(0)
    table.columns["of_texts"] = np.zeros(TEXTS)
    with pytest.raises(ValueError, match="are not of one shape"):
        write(tmp_path, table)


def test_a_label_called_like_a_column_is_a_bug(tmp_path: Path):
    table = sae_table(0)
    table.labels["norm"] = table.massive
    with pytest.raises(ValueError, match="a name stands for two columns: sae, text, position"):
        write(tmp_path, table)


def test_what_was_measured_is_kept_where_the_norm_is_not(tmp_path: Path):
    table = sae_table(0)
    table.columns["norm"][3, 5] = np.nan
    back = round_trip(tmp_path, table)
    assert back.columns["l0"][3, 5] == 20
    assert np.isnan(back.columns["norm"][3, 5])


def test_the_names_of_all_that_took_part(tmp_path: Path):
    """Two SAEs at once, and the figures of a third."""
    table = sae_table(0)
    one, other, third = (sae_ref(layer) for layer in range(3))
    both = replace(table, intervention=Intervention((one, other)), observed=third)
    assert_same(round_trip(tmp_path, both), both)
    rows = pq.read_table(tmp_path / "tokens.parquet", partitioning=None)
    assert set(rows["sae"].to_pylist()) == {f"{one.sae_id}+{other.sae_id}"}
    assert set(rows["observed"].to_pylist()) == {third.sae_id}
