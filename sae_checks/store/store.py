"""Measurements on disk, found again by what determined them.

    <store>/measurements/<release>-<key>/manifest.json          one run's setting
                                        /<sae>-<weights>/sae.json, tokens.parquet, ...

The key covers everything but the SAEs; an SAE's folder is named after its weights, so that one
changed byte measures that SAE again and no other.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock

from sae_checks.errors import StoreError
from sae_checks.records import Measurement, ModelLoading, Release, SaeRef, SaeTable
from sae_checks.store.provenance import DEFINITIONS_VERSION, Provenance
from sae_checks.store.tables import read_table, write_table

_MANIFEST = "manifest.json"
_SAE = "sae.json"


@dataclass(frozen=True)
class Stored:
    """One SAE's stored table, and for which columns it was measured."""

    table: SaeTable
    columns: frozenset[str]


class Store:
    """The measurements of one release in one setting.

    Args:
        root: the store's folder (`--sae-store`).
        release: the release; its name is part of the folder's name, its SAEs' weights of theirs.
        provenance: everything else that determines the numbers.
    """

    def __init__(self, root: Path, release: Release, provenance: Provenance) -> None:
        self.release, self.provenance = release, provenance
        name = _slug(release.name)
        if release.location:  # two folders may have the same name
            name += "-" + hashlib.sha256(release.location.encode()).hexdigest()[:6]
        self.folder = root / "measurements" / f"{name}-{provenance.key}"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """One process at a time measures into this folder; another one waits and finds it done."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / ".lock"):
            yield

    def read(self, sae: SaeRef) -> Stored | None:
        """The stored table of an SAE with these very weights, or None."""
        folder = self._folder_of(sae)
        if not (folder / _SAE).is_file():
            return None
        described = _read_json(folder / _SAE)
        shape = (described["texts"], described["context"])
        return Stored(read_table(folder, sae, shape), frozenset(described["columns"]))

    def write(self, table: SaeTable, columns: frozenset[str]) -> None:
        """Store a table, all or nothing, in the place of what was there for the same weights."""
        target = self._folder_of(table.sae)
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".writing-") as scratch:
            folder = Path(scratch) / "table"
            folder.mkdir()
            write_table(folder, table)
            described = {
                "sae": asdict(table.sae),
                "columns": sorted(columns),
                "texts": table.texts,
                "context": table.context,
            }
            _write_json(folder / _SAE, described)
            if target.exists():
                shutil.rmtree(target)
            folder.rename(target)

    def write_manifest(
        self, texts: Mapping[str, object], failures: Mapping[str, str]
    ) -> dict[str, object]:
        """Record the setting, the texts, and for each SAE its folder or why it has none.

        Args:
            texts: what the texts are; empty if this run read none, so that what was recorded stays.
            failures: why SAEs could not be measured in this run, by SAE id.
        """
        recorded = self.read_manifest() or {}
        manifest: dict[str, object] = {
            "release": self.release.name,
            "source": self.release.source,
            "context": self.provenance.context,
            "provenance": self.provenance.as_dict(),
            "texts": dict(texts or recorded.get("texts", {})),
            "saes": self._entries(recorded.get("saes", []), failures),
        }
        _write_json(self.folder / _MANIFEST, manifest)
        return manifest

    def _entries(
        self, recorded: list[dict[str, Any]], failures: Mapping[str, str]
    ) -> list[dict[str, Any]]:
        """The SAEs of this run, and after them those that an earlier run of the release had too."""
        before = {entry["ref"]["sae_id"]: entry for entry in recorded}
        entries = []
        for sae in self.release.saes:
            folder = self._folder_of(sae)
            failure = failures.get(sae.sae_id)
            known = before.pop(sae.sae_id, None)
            if failure is None and known and known["folder"] == folder.name:
                failure = known["failure"]  # this run did not ask for it
            if (folder / _SAE).is_file():
                failure = None
            entries.append({"ref": asdict(sae), "folder": folder.name, "failure": failure})
        return entries + list(before.values())

    def read_manifest(self) -> dict[str, Any] | None:
        """What was recorded, or None before anything was."""
        path = self.folder / _MANIFEST
        return _read_json(path) if path.is_file() else None

    def _folder_of(self, sae: SaeRef) -> Path:
        # Where files lie does not matter, only what they are; the model is in the folder's key.
        known = replace(sae, location="", loading=replace(sae.loading, model_name=""))
        digest = hashlib.sha256(repr(known).encode()).hexdigest()[:12]
        return self.folder / f"{_slug(sae.sae_id)}-{digest}"


def read_measurement(folder: Path) -> Measurement:
    """A run's measurement from its folder alone: neither model, SAEs nor torch are needed.

    Args:
        folder: what `--sae-measurements` names, a folder with a manifest.json.

    Raises:
        StoreError: no manifest, other definitions, or no table.
    """
    path = folder / _MANIFEST
    manifest = _read_json(path) if path.is_file() else {}
    if "provenance" not in manifest:
        raise StoreError(
            f"--sae-measurements {folder} is no stored measurement (it has no {_MANIFEST} of "
            "sae-checks); a run says in its summary where it stored its tables"
        )
    version = manifest["provenance"]["definitions"]
    if version != DEFINITIONS_VERSION:
        raise StoreError(
            f"{folder} was measured by version {version} of the definitions, this is version "
            f"{DEFINITIONS_VERSION}; measure again"
        )
    tables: dict[str, SaeTable] = {}
    failures: dict[str, str] = {}
    saes = tuple(_sae_ref(entry["ref"]) for entry in manifest["saes"])
    for sae, entry in zip(saes, manifest["saes"], strict=True):
        stored = folder / entry["folder"]
        if (stored / _SAE).is_file():
            described = _read_json(stored / _SAE)
            tables[sae.sae_id] = read_table(stored, sae, (described["texts"], described["context"]))
        else:
            failures[sae.sae_id] = (
                entry["failure"] or f"SAE {sae.sae_id!r} has no table in {folder}"
            )
    if not tables:
        raise StoreError(f"{folder} holds no table of any SAE; measure again")
    release = Release(manifest["release"], "stored", saes[0].loading, saes)
    return Measurement(release, int(manifest["context"]), tables, failures, manifest)


def _sae_ref(described: dict[str, Any]) -> SaeRef:
    loading = described["loading"]
    pairs = tuple((key, value) for key, value in loading["from_pretrained_kwargs"])
    return SaeRef(
        **{**described, "loading": ModelLoading(**{**loading, "from_pretrained_kwargs": pairs})}
    )


def _slug(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name).strip("_.") or "sae"


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(
            f"{path} cannot be read ({error}); delete its folder to measure again"
        ) from error
    return content


def _write_json(path: Path, content: Mapping[str, object]) -> None:
    scratch = path.with_suffix(".tmp")
    scratch.write_text(json.dumps(content, indent=2, default=str) + "\n", encoding="utf-8")
    scratch.replace(path)
