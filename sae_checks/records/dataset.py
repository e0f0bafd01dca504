"""Which units are measured, and which table of them is meant: what a table is asked for by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from sae_checks.records.release import SaeRef, TaskRef
from sae_checks.records.table import SHIFT, Intervention, Table, TableKey


@dataclass(frozen=True)
class CorpusRef:
    """A corpus beside that of a run.

    Attributes:
        name: as `--sae-corpus` takes it: a data set id, a file, or one that needs neither.
        version: what identifies its content.
        packing: how texts are made of its documents.
    """

    name: str
    version: str
    packing: str

    @property
    def told(self) -> str:
        """Its name without the folder that a file lies in: the same wherever that is."""
        return Path(self.name).name if Path(self.name).suffix else self.name


@dataclass(frozen=True)
class DatasetRef:
    """What decides which units are measured.

    Attributes:
        name: `TEXTS`, `SHIFT`, or a task's name.
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

    @classmethod
    def of_shift(cls, corpus: CorpusRef) -> DatasetRef:
        """The texts of a second corpus; budget, context and seed are the run's own."""
        identity = {"corpus": corpus.told, "version": corpus.version, "packing": corpus.packing}
        return cls(SHIFT, identity)


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
