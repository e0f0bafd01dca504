"""Tables through Parquet and back, without a store around them."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sae_checks.records import IntArray, Table
from sae_checks.store import codec
from sae_checks.store.integrity import as_json
from tests.stored import table_ref


def write(folder: Path, table: Table, units: IntArray | None = None) -> dict[str, object]:
    """Write a table's files; returns the layout as JSON gives it back."""
    numbers = np.arange(table.rows) if units is None else units
    codec.write_table(folder, "", table, numbers)
    return as_json(codec.layout_of(table, numbers))


def read(folder: Path, table: Table, layout: dict[str, object]) -> Table:
    """Read the files of a table of this kind."""
    return codec.read_table(folder / "table.json", "", table_ref(table), layout)


def round_trip(folder: Path, table: Table, units: IntArray | None = None) -> Table:
    """A table as it comes back."""
    return read(folder, table, write(folder, table, units))


def rows_of(folder: Path, file: str) -> pa.Table:
    """As anybody opens it, who knows nothing of the gate."""
    return pq.read_table(folder / file, partitioning=None)


def assert_same_arrays(first: object, second: object) -> None:
    """Two records of arrays, field by field, to the bit and of the same kind of numbers."""
    assert type(first) is type(second)
    for field in fields(first):  # type: ignore[arg-type]
        one, other = getattr(first, field.name), getattr(second, field.name)
        np.testing.assert_array_equal(one, other)
        if isinstance(one, np.ndarray):
            assert one.dtype == other.dtype


def assert_same(first: Table, second: Table) -> None:
    """Two tables, to the bit and of the same kind of numbers."""
    assert (type(first), first.key) == (type(second), second.key)
    assert (first.complete, first.part) == (second.complete, second.part)
    for ours, theirs in ((first.columns, second.columns), (first.labels, second.labels)):
        assert list(ours) == list(theirs)
        for name, values in ours.items():
            np.testing.assert_array_equal(values, theirs[name])
            assert values.dtype.kind == theirs[name].dtype.kind
    assert list(first.side) == list(second.side)
    for name, side in first.side.items():
        assert_same_arrays(side, second.side[name])
