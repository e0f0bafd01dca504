"""All that was measured of a release, and what it was measured with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from sae_checks.records.manifest import Manifest
from sae_checks.records.release import Release
from sae_checks.records.table import TEXTS, Table, TableKey

_Table = TypeVar("_Table", bound=Table)


@dataclass(frozen=True)
class Measurement:
    """The tables of a release, by their keys, and why there are not more.

    Attributes:
        failures: by SAE id, why it could not be measured.
        dataset_failures: by data set, why nothing could be measured on it.
    """

    release: Release
    context: int
    tables: dict[TableKey, Table] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    manifest: Manifest = field(default_factory=Manifest)
    dataset_failures: dict[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every table has the whole budget."""
        return all(table.complete for table in self.tables.values())

    def of(self, kind: type[_Table], dataset: str = TEXTS) -> dict[str, _Table]:
        """The tables of an evaluation on a data set, by the name of their interventions."""
        return {
            key.intervention: table
            for key, table in self.tables.items()
            if isinstance(table, kind) and key[:2] == (kind.EVALUATION, dataset)
        }

    def find(self, kind: type[_Table], dataset: str, intervention: str) -> _Table | None:
        """A table of an evaluation of which nothing else is observed; None where there is none."""
        table = self.tables.get(TableKey(kind.EVALUATION, dataset, intervention))
        return table if isinstance(table, kind) else None

    def with_tables(self, *tables: Table) -> Measurement:
        """The same with these tables, in the place of those of the same keys."""
        return replace(self, tables={**self.tables, **by_key(tables)})


def by_key(tables: Mapping[str, Table] | tuple[Table, ...] | list[Table]) -> dict[TableKey, Table]:
    """Tables by their keys."""
    each = tables.values() if isinstance(tables, Mapping) else tables
    return {table.key: table for table in each}
