<<<<<<< HEAD
"""Datasets and tables, described but not loaded."""
=======
"""Which units are measured, and which table of them is meant: what a table is asked for by."""
>>>>>>> store

from __future__ import annotations

from collections.abc import Mapping
<<<<<<< HEAD
from dataclasses import dataclass, field

from sae_checks.records.release import SaeRef
=======
from dataclasses import asdict, dataclass, field

from sae_checks.records.release import SaeRef, TaskRef
>>>>>>> store
from sae_checks.records.table import Intervention, Table, TableKey


@dataclass(frozen=True)
class DatasetRef:
    """What decides which units are measured.

    Attributes:
        name: `TEXTS`, or a task's name.
<<<<<<< HEAD
        identity: what else decides it, as JSON may hold it; nothing for the texts of the run's own
            corpus, which the measurement's provenance tells.
    """

    name: str
    identity: Mapping[str, object] = field(default_factory=dict, hash=False)
=======
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
>>>>>>> store


@dataclass(frozen=True)
class TableRef:
<<<<<<< HEAD
    """Which table: of what class, on which data set, with what spliced in."""
=======
    """One table of a release in one setting, described but not read.

    Attributes:
        kind: the class of its evaluation's tables.
        dataset: of the units that are its rows.
        intervention: what is spliced in.
        observed: the SAE that the figures are of, where it is not the one that is spliced in.
    """
>>>>>>> store

    kind: type[Table]
    dataset: DatasetRef
    intervention: Intervention
    observed: SaeRef | None = None

    @property
    def key(self) -> TableKey:
<<<<<<< HEAD
        """The key of that table."""
=======
        """Which table it is among those that were read."""
>>>>>>> store
        observed = "" if self.observed is None else self.observed.sae_id
        return TableKey(self.kind.EVALUATION, self.dataset.name, self.intervention.name, observed)
