"""What a Parquet file is looked at for without being read, and read as when it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sae_checks.errors import StoreError
from sae_checks.store.codec import _plain
from sae_checks.store.parquet import readable, rows_and_names


def written(path: Path, names: list[str | None], **options: object) -> Path:
    """A file with a column of names, as the store writes them, and one of figures."""
    sae = pa.array(names, pa.string()).dictionary_encode()
    pq.write_table(pa.table({"sae": sae, "l0": np.arange(len(names))}), path, **options)
    return path


@pytest.mark.parametrize("statistics", [True, False])
@pytest.mark.parametrize("names", [["a", "a", "a"], ["a", "b", "a"], ["", ""], []])
def test_names_are_found_with_and_without_statistics(tmp_path, names, statistics):
    path = written(tmp_path / "t.parquet", names, write_statistics=statistics)
    assert rows_and_names(path, ["sae"]) == (len(names), {"sae": set(names)})


def test_names_of_all_row_groups_are_found(tmp_path):
    path = written(tmp_path / "t.parquet", ["a", "a", "b", "b"], row_group_size=2)
    assert rows_and_names(path, ["sae"]) == (4, {"sae": {"a", "b"}})


def test_a_gap_is_no_name(tmp_path):
    path = written(tmp_path / "t.parquet", ["a", None, "a"])
    assert rows_and_names(path, ["sae"]) == (3, {"sae": {"a", None}})


def test_a_column_that_is_lacking_is_an_error(tmp_path):
    path = written(tmp_path / "t.parquet", ["a"])
    with pytest.raises(KeyError, match="task"):
        rows_and_names(path, ["sae", "task"])
    said = r"cannot be read \(b'task'\); restore it"
    with pytest.raises(StoreError, match=said), readable(tmp_path):
        rows_and_names(path, ["task"])


def test_a_column_of_numbers_is_read_for_its_names(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"sae": [7, 7]}), path)
    assert rows_and_names(path, ["sae"]) == (2, {"sae": {7}})


@pytest.mark.parametrize("first", [0, 1, 2])
def test_lists_lie_end_to_end_wherever_a_part_of_them_begins(first):
    rows = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(8.0)), 2)
    column = pa.chunked_array([rows.slice(first, 2)])
    np.testing.assert_array_equal(_plain(column), np.arange(8.0)[2 * first : 2 * first + 4])
