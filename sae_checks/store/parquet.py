"""Parquet files with checksums, so that a damaged one is noticed."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sae_checks.errors import StoreError

_SMALL = 2**20  # bytes
# What a file that is missing or damaged can raise: no checksum covers the names of its columns.
_UNREADABLE = (OSError, pa.ArrowException, LookupError, ValueError, TypeError, AttributeError)


def write_rows(rows: pa.Table, path: Path) -> None:
    """Write a table to a file."""
    pq.write_table(rows, path, compression="zstd", write_page_checksum=True)


def read_rows(path: Path) -> pa.Table:
    """The table in a file; to be called within `readable`."""
    # `pq.read_table` asks first whether there is a data set of several files, and a path what file
    # system it is on: each takes as long as reading a small file.
    with _opened(path) as source, pq.ParquetFile(source, page_checksum_verification=True) as file:
        # Handing columns out to threads takes longer than reading the few of a small file.
        return file.read(use_threads=path.stat().st_size > _SMALL)


def _opened(path: Path) -> pa.NativeFile:
    return pa.OSFile(str(path))


def count_rows(path: Path) -> int:
    """How many rows a file has; to be called within `readable` where it may be damaged."""
    return int(pq.read_metadata(path).num_rows)


def rows_and_names(path: Path, columns: Collection[str]) -> tuple[int, dict[str, set[str]]]:
    """How many rows a file has, and by column the names in it.

    To be called within `readable`; a column that the file lacks is a KeyError.
    """
    with _opened(path) as source, pq.ParquetFile(source, read_dictionary=list(columns)) as file:
        rows, known = int(file.metadata.num_rows), _only_names(file.metadata, columns)
        if known is not None:
            return rows, known
        found = file.read(columns=list(columns))
    return rows, {column: _distinct(found[column]) for column in columns}


def _only_names(metadata: pq.FileMetaData, columns: Collection[str]) -> dict[str, set[str]] | None:
    """The names in the first columns of a file, by its statistics; None where they do not tell.

    A column whose least and greatest value are the same holds no other: reading it would take
    longer than all the rest of looking at a file.
    """
    if not metadata.num_row_groups or metadata.num_columns < len(columns):
        return None
    found: dict[str, set[str]] = {}
    for at, name in enumerate(columns):
        found[name] = set()
        for group in range(metadata.num_row_groups):
            chunk = metadata.row_group(group).column(at)
            said = chunk.statistics
            if chunk.path_in_schema != name or said is None or said.null_count != 0:
                return None
            if not said.has_min_max or not isinstance(said.min, str) or said.min != said.max:
                return None
            found[name].add(said.min)
    return found


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
