"""Any table and its side tables as Parquet files that pandas or DuckDB open as they are.

A table of columns (units, C) has a row per unit and position that was measured, in
`tokens.parquet`; one of columns (units,) a row per unit, in a file called after them:
`items.parquet`. Each row has the names of what was measured, the number of its unit, its labels,
what follows from the columns (`Table.derived`, never read back), and the columns. A side table has
a file of its own name, with a column per array; an array of two axes is a column of lists.

What the files do not say by themselves is the layout, which is kept beside them as JSON: how long a
text is, which columns are labels and of what kind of numbers, and the numbers of side tables that
are no arrays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sae_checks.records import SHIFT, TEXT_DATASETS, IntArray, SideTable, Table, TableRef
from sae_checks.store.integrity import damaged
from sae_checks.store.parquet import read_rows, readable, write_rows

Columns = dict[str, NDArray[Any]]
_MOST = 2**31
# What stands where no token was measured, by the kind of a label's values.
_NOTHING: dict[str, object] = {"b": False, "i": -1, "U": ""}


def names_of(ref: TableRef) -> dict[str, str]:
    """By column of any of its files, the only name that stands in it."""
    return _names(ref.dataset.name, ref.intervention.name, ref.key.observed)


def layout_of(table: Table, units: IntArray) -> dict[str, Any]:
    """What the files of a table do not say by themselves.

    Args:
        table: columns and labels of one shape, (units,) or (units, C).
        units: (units,) their numbers, rising.

    Raises:
        ValueError: shapes or numbers are otherwise.
    """
    shape = _shape(table, units)
    return {
        "units": ranges_of(units),
        "positions": shape[1] if len(shape) == 2 else None,
        "columns": list(table.columns),
        "labels": {name: _kind(values) for name, values in table.labels.items()},
        "derived": list(table.derived()),
        "side": {name: _side_layout(side, table) for name, side in table.side.items()},
        "complete": table.complete,
        "part": table.part,
    }


def write_table(folder: Path, prefix: str, table: Table, units: IntArray) -> None:
    """Write a table's files into a folder that exists.

    Args:
        folder: where to.
        prefix: of the files' names.
        table: columns and labels of one shape, (units,) or (units, C).
        units: (units,) their numbers, rising.

    Raises:
        ValueError: shapes or numbers are otherwise, or one name stands for two columns.
    """
    shape = _shape(table, units)
    index, place = _index(table, units, shape)
    # Tokens are measured in float32; wider columns would store nothing more.
    wide = np.dtype(np.float32 if len(shape) == 2 else np.float64)
    columns = {name: values[place].astype(wide) for name, values in table.columns.items()}
    parts = [index, _at(table.labels, place), _at(table.derived(), place), columns]
    names = _names(table.dataset, table.intervention.name, table.key.observed)
    write_rows(_arrow(names, parts), folder / (prefix + _file_name(type(table), len(shape))))
    for name, side in table.side.items():
        rows = _arrow(names, [side.arrays(), side.derived(table)])
        write_rows(rows, folder / f"{prefix}{name}.parquet")


def read_table(path: Path, prefix: str, ref: TableRef, layout: Mapping[str, Any]) -> Table:
    """Read a table that was written beside the JSON file that holds its layout.

    Args:
        path: the JSON file.
        prefix: of the Parquet files' names.
        ref: which table it is.
        layout: as `write_table` gave it.

    Raises:
        StoreError: a file is missing or damaged, or has other columns than the layout says.
    """
    folder, axes = path.parent, 1 if layout["positions"] is None else 2
    with readable(folder):
        units = units_of(layout["units"])
        rows = read_rows(folder / (prefix + _file_name(ref.kind, axes)))
        index = [ref.kind.UNIT, "position"][:axes]
        own = [*index, *layout["labels"], *layout["derived"], *layout["columns"]]
        _refuse_other_columns(path, rows, [*names_of(ref), *own])
        shape: tuple[int, ...] = (len(units), layout["positions"])[:axes]
        place = _place(rows, ref.kind.UNIT, units, axes)
        return ref.kind(
            dataset=ref.dataset.name,
            intervention=ref.intervention,
            columns={
                name: _dense(rows, name, "float64", shape, place) for name in layout["columns"]
            },
            labels={n: _dense(rows, n, kind, shape, place) for n, kind in layout["labels"].items()},
            side={
                name: _read_side(path, prefix, name, ref, each)
                for name, each in layout["side"].items()
            },
            observed=ref.observed,
            complete=layout["complete"],
            part=layout["part"],
        )


def files_of(kind: type[Table], prefix: str, layout: Mapping[str, Any]) -> list[str]:
    """What the files of a table of some layout are called."""
    axes = 1 if layout["positions"] is None else 2
    names = (_file_name(kind, axes), *(f"{name}.parquet" for name in layout["side"]))
    return [prefix + name for name in names]


def ranges_of(units: IntArray) -> list[list[int]]:
    """Rising numbers as ranges first .. end - 1: [0, 1, 2, 7] as [[0, 3], [7, 8]]."""
    if not len(units):
        return []
    ends = np.flatnonzero(np.diff(units) != 1)
    first, last = units[np.r_[0, ends + 1]], units[np.r_[ends, len(units) - 1]]
    return [[int(one), int(other) + 1] for one, other in zip(first, last, strict=True)]


def units_of(ranges: Iterable[Iterable[int]]) -> IntArray:
    """The numbers in ranges, as `ranges_of` gives them.

    Raises:
        ValueError: they are more than files hold.
    """
    found = [np.arange(0, dtype=np.int64)]
    for first, end in ranges:
        if end > _MOST:
            raise ValueError(f"{end:,} units are more than the {_MOST:,} that files hold")
        found.append(np.arange(first, end, dtype=np.int64))
    return np.concatenate(found)


def _names(dataset: str, intervention: str, observed: str) -> dict[str, str]:
    return {
        "sae": intervention,
        **({"observed": observed} if observed else {}),
        **({} if dataset in TEXT_DATASETS else {"task": dataset}),
        **({"dataset": dataset} if dataset == SHIFT else {}),
    }


def _file_name(kind: type[Table], axes: int) -> str:
    """Called after what a row is."""
    return f"{'token' if axes == 2 else kind.UNIT}s.parquet"


def _shape(table: Table, units: IntArray) -> tuple[int, ...]:
    """(units,) or (units, C)."""
    arrays = {**table.labels, **table.columns}
    shapes = {values.shape for values in arrays.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) not in (1, 2):
        found = {name: values.shape for name, values in arrays.items()}
        raise ValueError(f"columns of {table.key} are not of one shape: {found}")
    (shape,) = shapes
    if units.shape != shape[:1] or (len(units) and (units[0] < 0 or (np.diff(units) < 1).any())):
        raise ValueError(
            f"{len(units)} numbers of {shape[0]} units of {table.key} must rise from 0"
        )
    return tuple(int(length) for length in shape)


def _index(
    table: Table, units: IntArray, shape: tuple[int, ...]
) -> tuple[Columns, tuple[NDArray[np.intp], ...]]:
    """The columns that say which unit and position a row is of, and where its figures stand."""
    if len(shape) == 1:
        return {table.UNIT: units}, (np.arange(shape[0]),)
    measured = np.zeros(shape, dtype=np.bool_)
    for values in table.columns.values():
        measured |= ~np.isnan(values)
    row, position = np.nonzero(measured)
    return {table.UNIT: units[row], "position": position}, (row, position)


def _at(columns: Columns, place: tuple[NDArray[np.intp], ...]) -> Columns:
    return {name: values[place] for name, values in columns.items()}


def _arrow(names: Mapping[str, str], parts: Iterable[Columns]) -> pa.Table:
    """A table of Arrow's: names first, then all columns."""
    columns = [(name, _column(values)) for part in parts for name, values in part.items()]
    length = len(columns[0][1])
    nothing = np.zeros(length, dtype=np.int32)
    named = [(n, pa.DictionaryArray.from_arrays(nothing, [name])) for n, name in names.items()]
    titles = [name for name, _ in (*named, *columns)]
    if len(set(titles)) < len(titles):
        raise ValueError(f"a name stands for two columns: {', '.join(titles)}")
    return pa.table([values for _, values in (*named, *columns)], names=titles)


def _column(values: NDArray[Any]) -> pa.Array:
    if values.ndim == 2:
        return pa.FixedSizeListArray.from_arrays(_column(values.reshape(-1)), values.shape[1])
    if values.dtype.kind == "i" and _fits(values):
        values = values.astype(np.int32)
    mask = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else None
    of_type = pa.string() if values.dtype.kind == "U" else None
    return pa.array(np.ma.getdata(values), of_type, mask=mask)


def _fits(values: NDArray[Any]) -> bool:
    limits = np.iinfo(np.int32)
    return not values.size or bool(limits.min <= values.min() and values.max() <= limits.max)


def _kind(values: NDArray[Any]) -> str:
    return "str" if values.dtype.kind == "U" else values.dtype.name


def _side_layout(side: SideTable, table: Table) -> dict[str, Any]:
    arrays = side.arrays()
    return {
        "arrays": {name: _kind(values) for name, values in arrays.items()},
        "derived": list(side.derived(table)),
        "numbers": {name: value for name, value in vars(side).items() if name not in arrays},
    }


def _read_side(
    path: Path, prefix: str, name: str, ref: TableRef, layout: Mapping[str, Any]
) -> SideTable:
    rows = read_rows(path.parent / f"{prefix}{name}.parquet")
    _refuse_other_columns(path, rows, [*names_of(ref), *layout["arrays"], *layout["derived"]])
    arrays = {each: _values(rows, each, kind) for each, kind in layout["arrays"].items()}
    return ref.kind.SIDE[name](**arrays, **layout["numbers"])


def _refuse_other_columns(path: Path, rows: pa.Table, said: list[str]) -> None:
    if sorted(rows.column_names) != sorted(said):
        raise damaged(path, "says other columns than the files beside it have")


def _place(rows: pa.Table, unit: str, units: IntArray, axes: int) -> tuple[NDArray[Any], ...]:
    """Where the figures of each row of a file stand in a table of these units."""
    numbers = _plain(rows[unit])
    row = np.searchsorted(units, numbers)
    if not np.array_equal(units[row], numbers) or (axes == 1 and len(numbers) != len(units)):
        raise ValueError(f"rows are not of the {unit}s that they should be of")
    return (row,) if axes == 1 else (row, _plain(rows["position"]))


def _dense(
    rows: pa.Table, name: str, kind: str, shape: tuple[int, ...], place: tuple[NDArray[Any], ...]
) -> NDArray[Any]:
    values = _values(rows, name, kind)
    dense = np.full(shape, _NOTHING.get(values.dtype.kind, np.nan), dtype=values.dtype)
    dense[place] = values
    return dense


def _values(rows: pa.Table, name: str, kind: str) -> NDArray[Any]:
    column = rows[name]
    if kind == "str":
        return np.array(column.to_pylist(), dtype=np.str_)
    if pa.types.is_fixed_size_list(column.type):
        return _plain(column).reshape(-1, column.type.list_size).astype(kind)
    return _plain(column).astype(kind)


def _plain(column: pa.ChunkedArray) -> NDArray[Any]:
    """A column of numbers or booleans without gaps, which no stored column has; lists end to end.

    Arrow's own `to_numpy` does the same, but imports pandas for it: a quarter of a second. So does
    `flatten` import all functions that compute.
    """
    values = column.combine_chunks()
    if pa.types.is_fixed_size_list(values.type) and not values.null_count:
        length = values.type.list_size
        values = values.values.slice(values.offset * length, len(values) * length)
    if not pa.types.is_primitive(values.type):
        raise ValueError(f"a column holds {values.type}, and no numbers")
    kind = np.dtype(values.type.to_pandas_dtype())
    if values.null_count:
        raise ValueError("there are gaps in a column")
    if not len(values):
        return np.zeros(0, dtype=kind)
    buffer, first, end = values.buffers()[1], values.offset, values.offset + len(values)
    if kind != np.bool_:
        return np.frombuffer(buffer, dtype=kind)[first:end]
    bits = np.frombuffer(buffer, dtype=np.uint8)  # eight values a byte
    return np.unpackbits(bits, count=end, bitorder="little")[first:].astype(np.bool_)
