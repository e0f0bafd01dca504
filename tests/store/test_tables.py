"""Tables written and read again, and files that are damaged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from sae_checks.errors import StoreError
from sae_checks.evals.context.table import PositionSums
from sae_checks.store.tables import read_table, write_table
from tests.stored import CONTEXT, TEXTS, WIDTH, sae_ref, sae_table


def round_trip(folder: Path, table):
    write_table(folder, table)
    return read_table(folder, table.sae, (table.texts, table.context))


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
    write_table(tmp_path, sae_table(0))
    rows = pq.read_table(tmp_path / "tokens.parquet", partitioning=None).to_pandas()
    assert len(rows) == TEXTS * (CONTEXT - 1)  # BOS is not measured
    assert list(rows.columns[:5]) == ["sae", "text", "position", "document", "massive"]
    assert set(rows["sae"]) == {"blocks.0.hook_resid_pre"}
    assert rows["position"].min() == 1


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
    back = round_trip(tmp_path, replace(sae_table(0), position_sums=sums)).position_sums
    assert back is not None
    for name in ("ordinary_counts", "ordinary_sums", "massive_counts", "massive_sums"):
        np.testing.assert_array_equal(getattr(back, name), getattr(sums, name))  # in float64


def test_documents_come_back(tmp_path: Path):
    """Those of measured tokens; where each text is its own, that is what is written."""
    documents = np.arange(TEXTS * CONTEXT, dtype=np.int32).reshape(TEXTS, CONTEXT) // 100
    documents[:, 0] = -1  # BOS is not measured
    back = round_trip(tmp_path, replace(sae_table(0), documents=documents))
    np.testing.assert_array_equal(back.documents, documents)
    assert back.documents.dtype == np.int32
    own = round_trip(tmp_path, sae_table(0))
    assert own.units.count == TEXTS
    np.testing.assert_array_equal(own.documents[:, 1], np.arange(TEXTS))


def test_without_position_sums(tmp_path: Path):
    back = round_trip(tmp_path, replace(sae_table(0), position_sums=None))
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
    write_table(tmp_path, sae_table(0))
    damage(tmp_path / file)
    with pytest.raises(StoreError) as caught:
        read_table(tmp_path, sae_ref(0), (TEXTS, CONTEXT))
    message = str(caught.value)
    assert message.startswith(f"the stored measurement {tmp_path} cannot be read (")
    assert message.endswith("); restore it, or measure again")


def test_a_missing_file(tmp_path: Path):
    with pytest.raises(StoreError, match=r"No such file|tokens\.parquet"):
        read_table(tmp_path, sae_ref(0), (TEXTS, CONTEXT))
