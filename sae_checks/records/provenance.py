"""What determines a measurement's numbers, SAE weights aside: equal provenance, equal numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from sae_checks.records.release import ModelLoading
from sae_checks.records.typed import refuse_other_types

# Raised whenever a quantity's definition changes, so that old tables are never read as new ones.
DEFINITIONS_VERSION = 3
_LIBRARIES = (
    "torch",
    "transformers",
    "transformer-lens",
    "sae-lens",
    "datasets",
    "tokenizers",
    "numpy",
)


@cache
def _versions() -> Mapping[str, str]:
    """Of what is installed, which does not change while a process runs; looking takes 10 ms."""
    return {name: metadata.version(name) for name in _LIBRARIES}


@dataclass(frozen=True)
class Provenance:
    """The keys of a manifest that must agree for two measurements to be comparable."""

    loading: ModelLoading
    model_version: str  # hub commit, or hash of a local folder
    corpus: str
    corpus_version: str
    packing: str
    seed: int
    tokens: int  # the budget asked for
    context: int
    replace_special: bool
    device: str
    dtype: str

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Provenance:
        """What a manifest says; keys beyond these, such as versions, are passed over.

        Raises:
            LookupError, TypeError, ValueError: a key is missing, or of another type.
        """
        loading = {each.name: content["loading"][each.name] for each in fields(ModelLoading)}
        pairs = tuple((key, value) for key, value in loading["from_pretrained_kwargs"])
        own = {each.name: content[each.name] for each in fields(cls)}
        found = cls(
            **{**own, "loading": ModelLoading(**{**loading, "from_pretrained_kwargs": pairs})}
        )
        refuse_other_types(found.loading)
        refuse_other_types(found)
        return found

    def as_dict(self) -> dict[str, object]:
        """The manifest's `provenance`, versions included."""
        return {**asdict(self), "definitions": DEFINITIONS_VERSION, "libraries": dict(_versions())}

    @property
    def model_revision(self) -> str | None:
        """The hub commit of the model; None for a local folder."""
        return None if self.model_version.startswith("sha256:") else self.model_version

    @property
    def key(self) -> str:
        """16 hexadecimal digits that change with anything above, but for where files lie."""
        named = self.as_dict()
        if self.model_revision is None:
            named["loading"] = asdict(replace(self.loading, model_name=""))
        if Path(self.corpus).is_file():
            named["corpus"] = ""
        text = json.dumps(named, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
