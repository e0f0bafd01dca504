"""What a measurement's manifest records: the setting, its SAEs, and the data sets measured on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sae_checks.records.dataset import DatasetRef
from sae_checks.records.declared import Declared
from sae_checks.records.release import ModelLoading, SaeRef, TaskRef
from sae_checks.records.table import SHIFT, TEXT_DATASETS, TEXTS
from sae_checks.records.typed import refuse_other_types


@dataclass(frozen=True)
class SaeEntry:
    """One SAE: the name of the folders of its own tables, and why it has none."""

    ref: SaeRef
    folder: str
    failure: str | None = None

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> SaeEntry:
        """What was written as JSON."""
        ref = content["ref"]
        pairs = tuple((key, value) for key, value in ref["loading"]["from_pretrained_kwargs"])
        loading = ModelLoading(**{**ref["loading"], "from_pretrained_kwargs": pairs})
        declared = Declared.from_json(ref.get("declared", {"dataset": ref.get("dataset")}))
        sae = SaeRef(**{**ref, "loading": loading, "declared": declared})
        entry = cls(sae, content["folder"], content["failure"])
        for each in (loading, declared, declared.l0, declared.explained_variance, sae, entry):
            if each is not None:
                refuse_other_types(each)
        return entry


@dataclass(frozen=True)
class DatasetEntry:
    """What one evaluation was measured on.

    Attributes:
        ref: the data set.
        evaluation: the name of the evaluation.
        folder: of its tables, below the measurement's.
        description: what its units are: how many, their fingerprint.
        failure: why nothing could be measured on it.
    """

    ref: DatasetRef
    evaluation: str
    folder: str
    description: Mapping[str, Any] = field(default_factory=dict)
    failure: str | None = None

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> DatasetEntry:
        """What was written as JSON."""
        entry = cls(**{**content, "ref": DatasetRef(**content["ref"])})
        refuse_other_types(entry.ref)
        refuse_other_types(entry)
        return entry

    @property
    def task(self) -> TaskRef:
        """The task whose items these are; where its data lie is known from the description."""
        identity: dict[str, Any] = dict(self.ref.identity)
        identity["columns"] = frozenset(identity["columns"])
        location = str(self.description.get("location", ""))
        return TaskRef(name=self.ref.name, location=location, **identity)


@dataclass(frozen=True)
class Manifest:
    """A measurement's manifest; by default one that records nothing.

    Attributes:
        provenance_key: the key of the provenance.
        release: its name.
        source: where the release came from.
        release_saes: how many SAEs the whole release has; 0 where that is not known.
        context: positions of a text.
        adaptive: whether measuring stopped where verdicts were clear.
        provenance: all that decided the numbers, SAEs aside, as JSON gives it back.
        saes: those of the latest run first.
        datasets: those of the latest run first.
    """

    provenance_key: str = ""
    release: str = ""
    source: str = ""
    release_saes: int = 0
    context: int = 0
    adaptive: bool = False
    provenance: Mapping[str, Any] = field(default_factory=dict)
    saes: tuple[SaeEntry, ...] = ()
    datasets: tuple[DatasetEntry, ...] = ()

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Manifest:
        """What was written as JSON.

        Raises:
            LookupError, TypeError, ValueError, AttributeError: it is no manifest.
        """
        saes = tuple(SaeEntry.from_json(each) for each in content["saes"])
        datasets = tuple(DatasetEntry.from_json(each) for each in content["datasets"])
        others = {name: value for name, value in content.items() if name != "setting"}
        others |= {"saes": saes, "datasets": datasets}
        manifest = cls(provenance_key=content.get("setting", ""), **others)
        refuse_other_types(manifest)
        return manifest

    def as_json(self) -> dict[str, object]:
        """As dictionaries and lists, all the way down; the provenance's key is called "setting"."""
        content = asdict(self)
        return {"setting": content.pop("provenance_key"), **content}

    @property
    def texts(self) -> Mapping[str, Any]:
        """What the texts are; empty where none were measured on."""
        return self._texts_of(TEXTS)

    @property
    def shift(self) -> Mapping[str, Any]:
        """What the texts of the second corpus are; empty where none was measured on."""
        return self._texts_of(SHIFT)

    def _texts_of(self, name: str) -> Mapping[str, Any]:
        described = (each.description for each in self.datasets if each.ref.name == name)
        return next(described, {})

    @property
    def shift_corpus(self) -> str:
        """The name of the second corpus; "" where there is none."""
        named = (each.ref.identity["corpus"] for each in self.datasets if each.ref.name == SHIFT)
        return str(next(named, ""))

    @property
    def tasks(self) -> tuple[DatasetEntry, ...]:
        """The data sets that are tasks, each once, however many evaluations read it."""
        found: dict[str, DatasetEntry] = {}
        for each in self.datasets:
            if each.ref.name not in TEXT_DATASETS:
                found.setdefault(each.ref.name, each)
        return tuple(found.values())
