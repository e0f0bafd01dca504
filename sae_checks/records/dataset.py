"""Which units are measured, and which table of them is meant: what a table is asked for by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from sae_checks.records.release import SaeRef, TaskRef
from sae_checks.records.table import Intervention, Table, TableKey


@dataclass(frozen=True)
class DatasetRef:
    """What decides which units are measured.

    Attributes:
        name: `TEXTS`, or a task's name.
        identity: all else that decides it, as JSON can hold it; empty for the texts of a run's
            corpus, which the provenance describes.
    """

    name: str
    identity: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def of_task(cls, task: TaskRef) -> DatasetRef:
        """The items of a task, wherever the file or data set lies that they are made of."""
        identity = {**asdict(task), "columns": sorted(task.columns)}
        del identity["name"], identity["location"]
        return cls(task.name, identity)


@dataclass(frozen=True)
class TableRef:
    """One table of a release in one setting, described but not read.

    Attributes:
        kind: the class of its evaluation's tables.
        dataset: of the units that are its rows.
        intervention: what is spliced in.
        observed: the SAE that the figures are of, where it is not the one that is spliced in.
    """

    kind: type[Table]
    dataset: DatasetRef
    intervention: Intervention
    observed: SaeRef | None = None

    @property
    def key(self) -> TableKey:
        """Which table it is among those that were read."""
        observed = "" if self.observed is None else self.observed.sae_id
        return TableKey(self.kind.EVALUATION, self.dataset.name, self.intervention.name, observed)
