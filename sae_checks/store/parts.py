"""The parts that a table's folder holds: one per block that was measured, or all in one.

    part-00003-tokens.parquet, part-00003-position_sums.parquet, part-00003.json
    tokens.parquet, position_sums.parquet, table.json        once they are compacted

Each part's JSON is written last: a part without it was being written when the process died. It
names the parts that were there before it, so that a lost one is missed, and those that it takes the
place of, which are not read any more. Parts of the same columns make up a table; a run that asks
for more columns than are stored begins one of its own beside it, which takes its place once it has
as many units.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sae_checks.records import IntArray, Table, TableRef
from sae_checks.store import codec
from sae_checks.store.files import owner
from sae_checks.store.integrity import damaged, read_sealed, verify_files, verify_owner
from sae_checks.store.layout import refuse_malformed
from sae_checks.store.parquet import readable

TABLE = "table.json"
_PART = re.compile(r"part-\d+")


@dataclass(frozen=True)
class StoredTable:
    """A table as it is stored, its rows in rising order of their units.

    Attributes:
        units: (rows,) the number of each row's unit.
        in_parts: whether `Store.compact` would store it otherwise.
    """

    table: Table
    units: IntArray
    in_parts: bool = False


@dataclass(frozen=True)
class Part:
    """One part, by its JSON file and what that says."""

    path: Path
    described: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Of the JSON file."""
        return self.path.name

    @property
    def number(self) -> int:
        """In the order in which parts are written; -1 of those that were compacted."""
        return -1 if self.name == TABLE else int(self.path.stem.removeprefix("part-"))

    @cached_property
    def units(self) -> frozenset[int]:
        """The numbers of its units.

        Raises:
            StoreError: its JSON does not tell them.
        """
        with readable(self.path.parent):
            return frozenset(codec.units_of(self.described["units"]).tolist())


@dataclass(frozen=True)
class Group:
    """Parts that make up one table, in the order in which they were written."""

    ref: TableRef
    parts: tuple[Part, ...]

    @cached_property
    def units(self) -> frozenset[int]:
        """The numbers of all their units."""
        return frozenset().union(*(part.units for part in self.parts))

    @property
    def measured(self) -> frozenset[str]:
        """The columns and side tables that they have when they are joined."""
        layout = self.parts[0].described
        alone = len(self.parts) == 1
        side = (name for name in layout["side"] if alone or self.ref.kind.SIDE[name].JOINS)
        return frozenset({*layout["columns"], *side})

    def covers(self, measured: Iterable[str], units: Iterable[int]) -> bool:
        """Whether it has these columns and side tables of these units."""
        return self.measured.issuperset(measured) and self.units.issuperset(units)

    def read(self) -> StoredTable:
        """Their rows as one table.

        Raises:
            StoreError: a file is damaged.
        """
        tables = [
            codec.read_table(part.path, prefix_of(part.name), self.ref, part.described)
            for part in self.parts
        ]
        table = tables[0]
        for later in tables[1:]:
            table = table.join(later)
        units = np.concatenate([codec.units_of(part.described["units"]) for part in self.parts])
        order = np.argsort(units, kind="stable")
        # What another process wrote in the meantime may leave some units out.
        whole = table.complete and bool(np.array_equal(units[order], np.arange(len(units))))
        if len(tables) > 1:
            table = replace(
                table,
                columns={name: values[order] for name, values in table.columns.items()},
                labels={name: values[order] for name, values in table.labels.items()},
            )
        in_parts = any(part.name != TABLE for part in self.parts)
        return StoredTable(replace(table, complete=whole), units[order], in_parts)


def find_parts(folder: Path, owner: Mapping[str, Any]) -> list[Part]:
    """The parts in a folder, in the order in which they were written.

    Raises:
        StoreError: one cannot be read, is another's, or is missing.
    """
    if not folder.is_dir():
        if folder.exists():
            raise damaged(folder, "is no folder")
        return []
    paths = [p for p in folder.glob("*.json") if p.name == TABLE or _PART.fullmatch(p.stem)]
    parts = sorted((Part(path, read_sealed(path)) for path in paths), key=lambda each: each.number)
    for part in parts:
        verify_owner(part.path, part.described, owner)
        refuse_malformed(part.path, part.described)
    gone = replaced(parts)
    names = {part.name for part in parts} | gone
    for part in parts:
        for name in part.described["before"]:
            if name not in names:
                raise damaged(folder / name, f"is missing ({part.name} names it)")
    if TABLE not in names and any(not _PART.match(p.name) for p in folder.glob("*.parquet")):
        raise damaged(folder, f"is no whole table (it has no {TABLE})")
    return [part for part in parts if part.name not in gone]


def grouped(parts: Iterable[Part], ref: TableRef) -> list[Group]:
    """Those together that have the same columns, labels and side tables that can be joined."""
    groups: dict[object, list[Part]] = {}
    for part in parts:
        if not part.described["side"].keys() <= ref.kind.SIDE.keys():
            raise damaged(part.path, "says side tables that no such table has")
        groups.setdefault(shape_of(part.described, ref), []).append(part)
    return [Group(ref, tuple(of_shape)) for of_shape in groups.values()]


def shape_of(layout: Mapping[str, Any], ref: TableRef) -> tuple[object, ...]:
    """What has to be the same for parts to make up one table."""
    side = frozenset(name for name in layout["side"] if ref.kind.SIDE[name].JOINS)
    labels = frozenset(layout["labels"].items())
    return frozenset(layout["columns"]), side, labels, layout["positions"]


def read_groups(folder: Path, ref: TableRef, provenance_key: str) -> list[Group]:
    """What a folder holds of a table, all of it looked at; empty if it holds none.

    Raises:
        StoreError: anything is damaged, another's, or of another format.
    """
    parts = find_parts(folder, owner(provenance_key, ref))
    for part in parts:
        verify_files(part.path, part.described["files"], codec.names_of(ref))
    for found in sorted(folder.glob("*.parquet")):
        _refuse_stranger(found, parts)
    return grouped(parts, ref)


def widest(groups: Sequence[Group], needs: frozenset[str] = frozenset()) -> Group:
    """That of all that is needed which has the most columns, and then the most units."""
    return max(groups, key=lambda g: (needs <= g.measured, len(g.measured), len(g.units)))


def description_of(parts: Iterable[Part]) -> Mapping[str, Any]:
    """The first description of units that parts carry; empty if none does."""
    found: Iterable[Mapping[str, Any]] = (part.described["description"] for part in parts)
    return next((each for each in found if each), {})


def replaced(parts: Iterable[Part]) -> frozenset[str]:
    """The names of the parts that others took the place of."""
    return frozenset(name for part in parts for name in part.described["replaces"])


def prefix_of(name: str) -> str:
    """Of the names of a part's Parquet files."""
    return "" if name == TABLE else f"{name.removesuffix('.json')}-"


def describing(name: str) -> str:
    """The name of the JSON that a Parquet file lies beside."""
    match = _PART.match(name)
    return f"{match[0]}.json" if match else TABLE


def _refuse_stranger(found: Path, parts: Sequence[Part]) -> None:
    """Refuse a file that no part names; one whose part has no JSON is left from a death."""
    if any(found.name in part.described["files"] for part in parts):
        return
    described = describing(found.name)
    if any(part.name == described for part in parts):
        raise damaged(found, f"is no file of this table ({described} does not name it)")
