"""Writing the parts of a table: a block beside those that are there, or all of them as one.

One process at a time does so, which the caller sees to. It may die at any moment: what it left is
never read, and the next one removes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sae_checks.records import IntArray, Table, TableRef
from sae_checks.store import codec
from sae_checks.store.files import owner
from sae_checks.store.integrity import record_files, write_sealed
from sae_checks.store.parts import (
    TABLE,
    Group,
    Part,
    describing,
    description_of,
    find_parts,
    grouped,
    prefix_of,
    read_groups,
    replaced,
    shape_of,
)
from sae_checks.store.swap import replacing


@dataclass(frozen=True)
class TableFolder:
    """Where one table is stored in one setting."""

    path: Path
    ref: TableRef
    provenance_key: str  # the key of the provenance

    def append(self, block: Table, units: IntArray, description: Mapping[str, object]) -> None:
        """Write a block beside what is there, unless its units are there already.

        It takes the place of shorter blocks of the same units, and once its table has as many
        units, of a table of fewer columns.

        Raises:
            StoreError: what is there is damaged or another's.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        parts = find_parts(self.path, owner(self.provenance_key, self.ref))
        _remove_leftovers(self.path, parts)
        layout = {**codec.layout_of(block, units), "description": dict(description)}
        name = f"part-{1 + max((part.number for part in parts), default=-1):05}.json"
        new, groups = Part(self.path / name, layout), grouped(parts, self.ref)
        measured = Group(self.ref, (new,)).measured
        if any(group.covers(measured, new.units) for group in groups):
            return
        alike = [p for p in parts if shape_of(p.described, self.ref) == shape_of(layout, self.ref)]
        if any(part.units & new.units and not part.units <= new.units for part in alike):
            return  # another process wrote some of them: joined, they would count twice
        less = [part for part in alike if part.units <= new.units]
        whole = Group(self.ref, (*(part for part in alike if part not in less), new))
        for group in groups:
            if group.parts[0] not in alike and whole.covers(group.measured, group.units):
                less += group.parts
        gone = [*(part.name for part in less), *replaced(less)]
        self._write(self.path, name, block, layout, [part.name for part in parts], gone)
        for part in less:
            _remove(part)

    def write(self, table: Table, units: IntArray, description: Mapping[str, object]) -> None:
        """Write a table in the place of all that is there."""
        layout = {**codec.layout_of(table, units), "description": dict(description)}
        with replacing(self.path) as scratch:
            self._write(scratch, TABLE, table, layout)

    def compact(self) -> None:
        """Write all parts as one, and remove what was left over.

        Parts of columns that those of another table lack stay a table of their own.

        Raises:
            StoreError: what is there is damaged or another's.
        """
        groups = read_groups(self.path, self.ref, self.provenance_key)
        kept = [group for group in groups if not _is_less(group, groups)]
        kept.sort(key=lambda group: (-len(group.measured), -len(group.units)))
        names = [TABLE, *(f"part-{number:05}.json" for number in range(len(kept) - 1))]
        if not kept or [part.name for group in groups for part in group.parts] == names:
            _remove_leftovers(self.path, [part for group in kept for part in group.parts])
            return
        with replacing(self.path) as scratch:
            for number, (name, group) in enumerate(zip(names, kept, strict=False)):
                stored = group.read()
                layout = codec.layout_of(stored.table, stored.units)
                layout["description"] = dict(description_of(group.parts))
                self._write(scratch, name, stored.table, layout, names[:number])

    def _write(
        self,
        folder: Path,
        name: str,
        table: Table,
        layout: Mapping[str, Any],
        before: Sequence[str] = (),
        replaces: Sequence[str] = (),
    ) -> None:
        """Write a part: its Parquet files first, and then its JSON, which makes it one."""
        prefix = prefix_of(name)
        codec.write_table(folder, prefix, table, codec.units_of(layout["units"]))
        files = [folder / each for each in codec.files_of(self.ref.kind, prefix, layout)]
        described = {
            **owner(self.provenance_key, self.ref),
            **layout,
            "before": list(before),
            "replaces": list(replaces),
            "files": record_files(files),
        }
        write_sealed(folder / name, described)


def _is_less(group: Group, groups: Iterable[Group]) -> bool:
    """Whether another group has all that it has."""
    for other in groups:
        if other is not group and other.covers(group.measured, group.units):
            alike = group.covers(other.measured, other.units)
            if not alike or other.parts[0].number > group.parts[0].number:
                return True
    return False


def _remove(part: Part) -> None:
    """Remove a part that is not needed any more: its JSON first, as it is no part then."""
    part.path.unlink()
    for name in part.described["files"]:
        (part.path.parent / name).unlink(missing_ok=True)


def _remove_leftovers(folder: Path, parts: Sequence[Part]) -> None:
    """Remove what processes left that died while they wrote or removed parts."""
    gone = replaced(parts)
    for name in gone:
        (folder / name).unlink(missing_ok=True)
    described = {part.name for part in parts}
    for path in folder.glob("*.parquet"):
        if (name := describing(path.name)) not in described and (name != TABLE or TABLE in gone):
            path.unlink()
    for path in folder.glob("*.tmp"):
        path.unlink()
