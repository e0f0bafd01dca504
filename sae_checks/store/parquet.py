"""Parquet files with checksums, so that a damaged one is noticed."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sae_checks.errors import StoreError

# What a file that is missing or damaged can raise: no checksum covers the names of its columns.
_UNREADABLE = (OSError, pa.ArrowException, LookupError, ValueError, TypeError, AttributeError)


def write_rows(rows: pa.Table, path: Path) -> None:
    """Write a table to a file."""
    pq.write_table(rows, path, compression="zstd", write_page_checksum=True)


def read_rows(path: Path) -> pa.Table:
    """The table in a file; to be called within `readable`."""
    # `pq.read_table` asks first whether there is a data set of several files: twice the time.
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        return file.read()


def count_rows(path: Path) -> int:
    """How many rows a file has; to be called within `readable` where it may be damaged."""
    return int(pq.read_metadata(path).num_rows)


def names_in(path: Path, columns: Collection[str]) -> dict[str, set[str]]:
    """By column, the names in it; without columns that a file lacks.

    To be called within `readable`.
    """
    with pq.ParquetFile(path, read_dictionary=list(columns)) as file:
        there = [name for name in columns if name in file.schema_arrow.names]
        rows = file.read(columns=there)
    return {column: _distinct(rows[column]) for column in there}


def _distinct(column: pa.ChunkedArray) -> set[str]:
    """The values in a column; of one with a dictionary by that, which imports nothing more."""
    if not pa.types.is_dictionary(column.type) or column.null_count:
        return set(column.unique().to_pylist())
    return {name for chunk in column.chunks for name in chunk.dictionary.to_pylist()}


@contextmanager
def readable(folder: Path) -> Iterator[None]:
    """For the length of reading a folder's files: StoreError where one is missing or damaged."""
    try:
        yield
    except _UNREADABLE as error:
        raise StoreError(
            f"the stored measurement {folder} cannot be read ({error}); restore it, or measure "
            "again"
        ) from error
