"""Parquet files with checksums, so that a damaged one is noticed."""

from __future__ import annotations

from collections.abc import Iterator
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
    return pq.read_table(path, partitioning=None, page_checksum_verification=True)


def count_rows(path: Path) -> int:
    """How many rows a file has; to be called within `readable` where it may be damaged."""
    return int(pq.read_metadata(path).num_rows)


def names_in(path: Path, column: str) -> set[str]:
    """The names in a column, none if there is no such column; to be called within `readable`."""
    if column not in pq.read_schema(path).names:
        return set()
    rows = pq.read_table(path, partitioning=None, columns=[column])
    return set(rows[column].unique().to_pylist())


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
