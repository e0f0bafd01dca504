"""Compares the tables of two stores, value by value and bit by bit."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.equality.comparison import SHOWN, Comparison, together
from tests.equality.stores import (
    KINDS,
    POSITION_SUMS,
    Rows,
    TableName,
    read_store,
    row_name,
)


def compare_stores(
    old: Path, new: Path, *, sums_tolerance: float = 0.0, ignored: Collection[str] = ()
) -> list[Comparison]:
    """One comparison for each kind of table that either store has.

    Args:
        old: a folder with a store.
        new: another one, which may be laid out otherwise.
        sums_tolerance: how far the sums of a position may lie apart, as a share of the SAE's
            largest absolute sum.
        ignored: names of columns that are not compared.

    Raises:
        EqualityError: a store cannot be read.
    """
    tables = (read_store(old), read_store(new))
    found = []
    for kind in KINDS:
        names = sorted({n for side in tables for n in side if n.kind is kind}, key=lambda n: n[1:])
        parts = [_compare(name, tables, sums_tolerance, ignored) for name in names]
        if parts:
            found.append(together(kind.name, parts))
    return found


def _compare(
    name: TableName,
    tables: tuple[Mapping[TableName, Rows], Mapping[TableName, Rows]],
    sums_tolerance: float,
    ignored: Collection[str],
) -> Comparison:
    old, new = (side.get(name) for side in tables)
    kind = name.kind
    if old is None or new is None:
        only = "new" if old is None else "old"
        told = f"the {kind.name} of {name}: only the {only} store has them"
        return Comparison(kind.name, 1, {"whole tables": 1}, (told,))
    parts = [_compare_keys(name, old, new)]
    both = [n for n in old.columns if n in new.columns and n not in ignored]
    common, in_old, in_new = _common(old.keys, new.keys)
    for column in both:
        tolerance = sums_tolerance if kind is POSITION_SUMS and column == "sum" else 0.0
        values = (old.columns[column][in_old], new.columns[column][in_new])
        parts.append(_compare_column(name, column, common, values, tolerance))
    lost = [n for n in old.columns if n not in new.columns and n not in ignored]
    parts += [
        Comparison(kind.name, 1, {n: 1}, (f"{name}: only the old store has the column {n}",))
        for n in lost
    ]
    gained = tuple(
        f"only the new store has the column {n} of {kind.name}"
        for n in new.columns
        if n not in old.columns and n not in ignored
    )
    return together(kind.name, [*parts, Comparison(kind.name, notes=gained)])


def _compare_keys(name: TableName, old: Rows, new: Rows) -> Comparison:
    """Which rows only one side has."""
    sides = (("old", old.keys, new.keys), ("new", new.keys, old.keys))
    missing = [(side, key) for side, its, other in sides for key in _only(its, other)]
    first = [
        f"{name}, {row_name(name.kind, key)}: only the {side} store has this row"
        for side, key in missing[:SHOWN]
    ]
    compared = len(_common(old.keys, new.keys)[0]) + len(missing)
    return Comparison("rows", compared, {"rows": len(missing)} if missing else {}, tuple(first))


def _compare_column(
    name: TableName,
    column: str,
    keys: NDArray[np.int64],
    values: tuple[NDArray[Any], NDArray[Any]],
    tolerance: float,
) -> Comparison:
    old, new = values
    size = old.size
    # Whole numbers may be stored wider; another type of float is another figure.
    kinds = {old.dtype.kind, new.dtype.kind}
    if old.dtype != new.dtype and (len(kinds) > 1 or "f" in kinds):
        told = f"{name}, {column}: {old.dtype} in the old store, {new.dtype} in the new one"
        return Comparison("column", size, {column: size}, (told,))
    if old.shape != new.shape:
        told = (
            f"{name}, {column}: of shape {old.shape} in the old store, {new.shape} in the new one"
        )
        return Comparison("column", size, {column: max(size, 1)}, (told,))
    apart = differing(old, new, tolerance)
    first = [
        f"{name}, {row_name(name.kind, keys[where[0]])}, {column}{_entry(where)}: "
        f"{_text(old[where])} became {_text(new[where])}"
        for where in map(tuple, np.argwhere(apart)[:SHOWN].tolist())
    ]
    count = int(apart.sum())
    return Comparison("column", size, {column: count} if count else {}, tuple(first))


def differing(old: NDArray[Any], new: NDArray[Any], tolerance: float = 0.0) -> NDArray[np.bool_]:
    """Which values are not the same: to the bit, but that all NaN are alike.

    Args:
        old: of any shape.
        new: of the same shape and, if of floats, type.
        tolerance: how far apart floats may be, as a share of the largest absolute one of `old`.
    """
    if old.dtype.kind != "f":
        return np.asarray(old != new, dtype=np.bool_)
    whole = np.dtype(f"u{old.dtype.itemsize}")
    bits = [np.ascontiguousarray(values).view(whole) for values in (old, new)]
    apart = (bits[0] != bits[1]) & ~(np.isnan(old) & np.isnan(new))
    if tolerance > 0 and old.size:
        near = np.abs(old - new) <= tolerance * np.nanmax(np.abs(old))
        apart &= ~near
    return np.asarray(apart, dtype=np.bool_)


def _common(
    old: NDArray[np.int64], new: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.intp], NDArray[np.intp]]:
    """Keys that both have, and where each has them."""
    codes = _codes(old, new)
    _, in_old, in_new = np.intersect1d(*codes, assume_unique=True, return_indices=True)
    return old[in_old], in_old, in_new


def _only(its: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    own, others = _codes(its, other)
    return its[~np.isin(own, others)]


def _codes(
    old: NDArray[np.int64], new: NDArray[np.int64]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Keys as numbers: equal ones of both sides are the same number, in the order of the keys."""
    _, codes = np.unique(np.concatenate([old, new]), axis=0, return_inverse=True)
    codes = codes.reshape(-1)
    return codes[: len(old)], codes[len(old) :]


def _entry(where: tuple[int, ...]) -> str:
    return "".join(f"[{number}]" for number in where[1:])


def _text(value: Any) -> str:
    """A value with all its digits."""
    return repr(value.item() if isinstance(value, np.generic) else value)
