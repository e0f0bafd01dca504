"""An SAE's table as Parquet files that pandas or DuckDB open as they are.

`tokens.parquet`: a row per text and position that was measured, with `sae`, `text`, `position`,
`document`, `massive` and a column per quantity. `position_sums.parquet`: a row per position and
kind of token, with the number of tokens and Σ(x − c).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from sae_checks.evals.context.table import ContextTable, PositionSums
from sae_checks.records import FloatArray, SaeRef
from sae_checks.store.parquet import read_rows, readable, write_rows

_TOKENS = "tokens.parquet"
_POSITION_SUMS = "position_sums.parquet"
_INDEX = ("sae", "text", "position", "document", "massive")


def write_table(folder: Path, table: ContextTable) -> None:
    """Write a table's files into a folder that exists."""
    text, position = np.nonzero(~np.isnan(table.columns["norm"]))
    documents = table.documents
    columns = {
        "sae": pa.DictionaryArray.from_arrays(
            np.zeros(len(text), dtype=np.int32), [table.sae.sae_id]
        ),
        "text": text.astype(np.int32),
        "position": position.astype(np.int32),
        "document": text.astype(np.int32) if documents is None else documents[text, position],
        "massive": table.massive[text, position],
        # Measured in float32; wider columns would store nothing more.
        **{name: c[text, position].astype(np.float32) for name, c in table.columns.items()},
    }
    write_rows(pa.table(columns), folder / _TOKENS)
    if table.position_sums is not None:
        write_rows(_position_rows(table.position_sums), folder / _POSITION_SUMS)


def read_table(folder: Path, sae: SaeRef, shape: tuple[int, int]) -> ContextTable:
    """Read a table of the given shape (texts, C).

    Raises:
        StoreError: a file is missing or damaged.
    """
    with readable(folder):
        rows = read_rows(folder / _TOKENS)
        sums_file = folder / _POSITION_SUMS
        sums = read_rows(sums_file) if sums_file.exists() else None
        return _table(sae, rows, sums, shape)


def _table(
    sae: SaeRef, rows: pa.Table, sums: pa.Table | None, shape: tuple[int, int]
) -> ContextTable:
    place = (rows["text"].to_numpy(), rows["position"].to_numpy())
    columns = {}
    for name in rows.column_names:
        if name not in _INDEX:
            columns[name] = np.full(shape, np.nan)
            columns[name][place] = rows[name].to_numpy()
    massive = np.zeros(shape, dtype=np.bool_)
    massive[place] = rows["massive"].to_numpy(zero_copy_only=False)
    documents = np.full(shape, -1, dtype=np.int32)
    documents[place] = rows["document"].to_numpy()
    position_sums = None if sums is None else _position_sums(sums, shape[1], sae.d_in)
    return ContextTable(sae, columns, massive, position_sums, documents=documents)


def _position_rows(sums: PositionSums) -> pa.Table:
    counts = np.stack([sums.ordinary_counts, sums.massive_counts])  # (2, C)
    vectors = np.stack([sums.ordinary_sums, sums.massive_sums])  # (2, C, d)
    massive, position = np.nonzero(counts)
    flat = pa.array(vectors[massive, position].reshape(-1))
    return pa.table(
        {
            "position": position.astype(np.int32),
            "massive": massive.astype(np.bool_),
            "tokens": counts[massive, position],
            "sum": pa.FixedSizeListArray.from_arrays(flat, vectors.shape[-1]),
        }
    )


def _position_sums(rows: pa.Table, context: int, width: int) -> PositionSums:
    place = (
        rows["massive"].to_numpy(zero_copy_only=False).astype(np.intp),
        rows["position"].to_numpy(),
    )
    counts: FloatArray = np.zeros((2, context))
    vectors: FloatArray = np.zeros((2, context, width))
    counts[place] = rows["tokens"].to_numpy()
    flat = rows["sum"].combine_chunks().flatten().to_numpy()
    vectors[place] = flat.reshape(-1, width)
    return PositionSums(counts[0], vectors[0], counts[1], vectors[1])
