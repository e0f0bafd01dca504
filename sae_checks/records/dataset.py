"""Datasets and tables, described but not loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sae_checks.records.release import SaeRef
from sae_checks.records.table import Intervention, Table, TableKey


@dataclass(frozen=True)
class DatasetRef:
    """What decides which units are measured.

    Attributes:
        name: `TEXTS`, or a task's name.
        identity: what else decides it, as JSON may hold it; nothing for the texts of the run's own
            corpus, which the measurement's provenance tells.
    """

    name: str
    identity: Mapping[str, object] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class TableRef:
    """Which table: of what class, on which data set, with what spliced in."""

    kind: type[Table]
    dataset: DatasetRef
    intervention: Intervention
    observed: SaeRef | None = None

    @property
    def key(self) -> TableKey:
        """The key of that table."""
        observed = "" if self.observed is None else self.observed.sae_id
        return TableKey(self.kind.EVALUATION, self.dataset.name, self.intervention.name, observed)
