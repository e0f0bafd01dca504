"""Reads the tables of a store by what their columns are, wherever its files lie.

Today's folders and file names are not relied on: every Parquet file below the store is read, and
its columns say which kind of table it is. Whose table it is say its columns `sae` and `task`, or
else the nearest other files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tests.equality.comparison import EqualityError

Columns = dict[str, NDArray[Any]]
_NAMES = ("sae", "task", "observed")  # of the key of a table
# Evaluations whose tables have folders of their own beside those of texts and tasks.
_BESIDE = ("activity", "positions", "propagation", "stack", "stack_tasks")
_WIDE = ("ordinary_counts", "ordinary_sums", "massive_counts", "massive_sums")


@dataclass(frozen=True)
class Kind:
    """A kind of table: the columns that tell a row from the others, and further ones it has."""

    name: str
    rows: tuple[str, ...]
    has: tuple[str, ...] = ()
    of_task: bool = False


POSITION_SUMS = Kind("position sums", ("position", "massive"), ("tokens", "sum"))
KINDS = (
    POSITION_SUMS,
    Kind("tokens", ("text", "position")),
    Kind("active features", ("text", "document", "feature"), ("tokens",)),
    Kind("duplicates", ("feature", "nearest"), ("cosine",)),
    Kind("ablations", ("feature", "item"), ("delta_ln_p",), of_task=True),
    Kind("features", ("feature",), ("score",), of_task=True),
    Kind("losses", ("item", "position"), ("delta_ce",), of_task=True),
    Kind("items", ("item",), ("prompt_tokens",), of_task=True),
)


class TableName(NamedTuple):
    """Which table: its kind, and whose it is."""

    kind: Kind
    sae: str
    task: str = ""
    observed: str = ""
    evaluation: str = ""  # one of those beside texts and tasks

    def __str__(self) -> str:
        observed = f" observed at {self.observed}" if self.observed else ""
        of = f" ({self.evaluation})" if self.evaluation else ""
        return " on ".join(part for part in (self.sae + observed, self.task) if part) + of


@dataclass(frozen=True)
class Rows:
    """A table: whole numbers (n, k) that tell its rows apart; its columns, (n,) or (n, w)."""

    keys: NDArray[np.int64]
    columns: Columns


def read_store(store: Path) -> dict[TableName, Rows]:
    """All tables below a store's folder; the files of one table one after the other.

    Raises:
        EqualityError: there is none, or a file is of no known kind or nobody's.
    """
    found: dict[TableName, list[Rows]] = {}
    for path in _files(store):
        for name, rows in _tables(path, store):
            found.setdefault(name, []).append(rows)
    if not found:
        raise EqualityError(f"{store} holds no Parquet file; see the log of the run beside it")
    return {name: _joined(name, parts) for name, parts in found.items()}


def _files(folder: Path) -> list[Path]:
    """The Parquet files below a folder, but for what was being written in hidden folders."""
    found = sorted(folder.rglob("*.parquet"))
    return [p for p in found if not any(n.startswith(".") for n in p.relative_to(folder).parts)]


def _tables(path: Path, store: Path) -> Iterator[tuple[TableName, Rows]]:
    """The tables in a file, each of one SAE and task."""
    columns = _columns(pq.read_table(path, partitioning=None))
    if set(_WIDE) <= columns.keys():
        columns = _long(columns)
    kind = _kind(path, columns)
    size = len(columns[kind.rows[0]])
    names = {n: columns.pop(n) for n in _NAMES if n in columns}
    owners: dict[str, NDArray[Any]] = {"observed": np.full(size, "", dtype=object), **names}
    for name in ("sae", "task"):
        if name not in names:
            value = "" if name == "task" and not kind.of_task else _nearby(path, store, name)
            owners[name] = np.full(size, value, dtype=object)
    keys = np.stack([columns.pop(name).astype(np.int64) for name in kind.rows], axis=1)
    owner = np.array(list(zip(*(owners[n].tolist() for n in _NAMES), strict=True)), dtype=object)
    for sae, task, observed in sorted({tuple(one) for one in owner.tolist()}):
        its = np.asarray((owner == (sae, task, observed)).all(axis=1))
        evaluation = next((p for p in path.relative_to(store).parts if p in _BESIDE), "")
        where = "" if observed in (None, sae) else observed
        table = TableName(kind, sae, task, where, evaluation)
        yield table, Rows(keys[its], {n: values[its] for n, values in columns.items()})


def _kind(path: Path, columns: Mapping[str, Any]) -> Kind:
    for kind in KINDS:
        if {*kind.rows, *kind.has} <= columns.keys():
            return kind
    raise EqualityError(f"{path} is of no known kind of table; it has {', '.join(columns)}")


def _columns(table: pa.Table) -> Columns:
    return {name: _array(table[name].combine_chunks()) for name in table.column_names}


def _array(column: Any) -> NDArray[Any]:
    """A column as (n,), or (n, w) where its values are lists; strings as objects."""
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_list(column.type) or pa.types.is_fixed_size_list(column.type):
        fixed = pa.types.is_fixed_size_list(column.type)
        width = column.type.list_size if fixed else -1 if len(column) else 0
        return _array(column.flatten()).reshape(len(column), width)
    return np.asarray(column.to_numpy(zero_copy_only=False))


def _long(wide: Columns) -> Columns:
    """Position sums with a row per position as those with a row per position and kind of token."""
    ordinary_counts, ordinary_sums, massive_counts, massive_sums = (wide[name] for name in _WIDE)
    counts = np.concatenate([ordinary_counts, massive_counts])
    size = len(ordinary_counts)
    others = {name: values for name, values in wide.items() if name not in _WIDE}
    others = {"position": np.arange(size), **others}
    whole = {
        **{name: np.concatenate([values, values]) for name, values in others.items()},
        "massive": np.repeat([False, True], size),
        "tokens": counts,
        "sum": np.concatenate([ordinary_sums, massive_sums]),
    }
    return {name: values[counts != 0] for name, values in whole.items()}


def _joined(name: TableName, parts: list[Rows]) -> Rows:
    """The rows of all parts of a table, in the order of their keys.

    Raises:
        EqualityError: a row stands in it twice, or parts have different columns.
    """
    if len({frozenset(part.columns) for part in parts}) > 1:
        raise EqualityError(f"the files of the {name.kind.name} of {name} have different columns")
    keys = np.concatenate([part.keys for part in parts])
    order = np.lexsort(keys.T[::-1])
    keys = keys[order]
    again = np.flatnonzero((keys[1:] == keys[:-1]).all(axis=1))
    if len(again):
        told = row_name(name.kind, keys[again[0]])
        raise EqualityError(f"the {name.kind.name} of {name} have two rows of {told}")
    whole = {n: np.concatenate([part.columns[n] for part in parts]) for n in parts[0].columns}
    return Rows(keys, {n: values[order] for n, values in whole.items()})


def row_name(kind: Kind, key: NDArray[np.int64]) -> str:
    """A row for a person: "text 3, position 7"."""
    return ", ".join(f"{name} {number}" for name, number in zip(kind.rows, key, strict=True))


def _nearby(path: Path, store: Path, name: str) -> str:
    """The SAE or the task that the files of a folder are of: the file's own, or one above it."""
    for folder in path.parents:
        found = _named_in(folder, name)
        if len(found) == 1:
            return next(iter(found))
        if found or folder == store:
            break
    told = f"the files beside it name {', '.join(sorted(found))}" if found else "none is named"
    raise EqualityError(f"{path} does not say its {name}, and {told}")


def _named_in(folder: Path, name: str) -> frozenset[str]:
    """Names in that column of the Parquet files below a folder; else in its JSON files."""
    found: set[str] = set()
    for path in _files(folder):
        if name in pq.read_schema(path).names:
            found |= set(pq.read_table(path, partitioning=None, columns=[name])[name].to_pylist())
    if not found:
        described = (json.loads(p.read_text(encoding="utf-8")) for p in folder.glob("*.json"))
        found = {told for each in described if (told := _name_in(each, name)) is not None}
    return frozenset(found)


def _name_in(described: Any, name: str) -> str | None:
    """What a description says of its table: {"sae": {"sae_id": ...}, "task": {"name": ...}}."""
    if not isinstance(described, dict):
        return None
    value = described.get(name, described.get("dataset") if name == "task" else None)
    if isinstance(value, dict):
        value = value.get("sae_id" if name == "sae" else "name")
    return value if isinstance(value, str) else None
