"""The manifest of a measurement: read, and written so that no run forgets what others recorded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sae_checks.errors import StoreError
from sae_checks.records import TEXTS, DatasetEntry, DatasetRef, Manifest, Release, SaeEntry
from sae_checks.records.provenance import Provenance
from sae_checks.store.files import MANIFEST, dataset_folder, sae_folder
from sae_checks.store.integrity import (
    as_json,
    damaged,
    of_this_format,
    read_json,
    read_sealed,
    write_sealed,
)

# Below a measurement's own: evaluation and data set, or an SAE's name.
_FOLDER = re.compile(r"[\w.@+-]{1,250}(/[\w.@+-]{1,250})?")


@dataclass(frozen=True)
class MeasuredDataset:
    """What a run found out about a data set: what its units are, or why it has none."""

    ref: DatasetRef
    evaluation: str
    description: Mapping[str, object]  # empty if this run read no units
    failure: str | None = None


def manifest_of(path: Path, content: Mapping[str, Any]) -> Manifest:
    """The manifest that a JSON file holds.

    Raises:
        StoreError: it holds something else.
    """
    try:
        manifest = Manifest.from_json(content)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise damaged(path, f"holds no manifest ({error})") from error
    _refuse_what_would_pair(path, manifest)
    named = [entry.folder for entry in manifest.saes]
    for folder in (*named, *(entry.folder for entry in manifest.datasets)):
        if not _FOLDER.fullmatch(folder) or ".." in folder.split("/"):
            raise damaged(path, f"names the folder {folder!r:.40}, which the store never has")
    return manifest


def _refuse_what_would_pair(path: Path, manifest: Manifest) -> None:
    """Refuse a manifest that leaves out what decides pairing: two such ones would pair."""
    try:
        Provenance.from_json(manifest.provenance)
    except LookupError as error:
        raise damaged(path, f"holds no manifest (its provenance has no {error.args[0]})") from error
    except (TypeError, ValueError) as error:
        raise damaged(path, f"holds no manifest (of its provenance, {error})") from error


def glanced_at(path: Path) -> Manifest:
    """The manifest in a file as it stands, whether it was changed since it was written or not.

    Raises:
        StoreError: it cannot be read, or is of another format.
    """
    content = read_json(path)
    return manifest_of(path, of_this_format(path, content))


def read_manifest(folder: Path, provenance_key: str) -> Manifest | None:
    """What was recorded, or None before anything was.

    Raises:
        StoreError: the manifest is damaged, of another format, or another setting's.
    """
    path = folder / MANIFEST
    if not path.exists():
        return None
    manifest = manifest_of(path, read_sealed(path))
    if manifest.provenance_key != provenance_key:
        raise damaged(path, f"is of another setting ({manifest.provenance_key})")
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> Manifest:
    """Write a manifest, all or nothing, and return it as it will be read."""
    write_sealed(folder / MANIFEST, manifest.as_json())
    return Manifest.from_json(as_json(manifest.as_json()))


def same_record(one: Manifest, other: Manifest) -> bool:
    """Whether two manifests are the same as they are written."""
    return as_json(one.as_json()) == as_json(other.as_json())


def merged_saes(
    folder: Path, recorded: Sequence[SaeEntry], release: Release, failures: Mapping[str, str]
) -> tuple[SaeEntry, ...]:
    """The SAEs of this run, and after them those that an earlier run of the release had too."""
    before = {entry.ref.sae_id: entry for entry in recorded}
    entries = []
    for sae in release.saes:
        name, failure = sae_folder(sae), failures.get(sae.sae_id)
        known = before.pop(sae.sae_id, None)
        if failure is None and known is not None and known.folder == name:
            failure = known.failure  # this run did not ask for it
        if any(folder.glob(f"*/*/{name}/*.json")):
            failure = None
        entries.append(SaeEntry(sae, name, failure))
    return (*entries, *before.values())


def merged_datasets(
    folder: Path, recorded: Sequence[DatasetEntry], measured: Sequence[MeasuredDataset]
) -> tuple[DatasetEntry, ...]:
    """The data sets of this run, and after them those of other names from earlier ones.

    Texts have one place per evaluation: where a run that was stopped left their tables and no
    manifest, they are recorded now.
    """
    before = {(entry.evaluation, entry.ref.name): entry for entry in recorded}
    entries = []
    for each in measured:
        known = before.pop((each.evaluation, each.ref.name), None)
        place = dataset_folder(each.evaluation, each.ref)
        same = known is not None and known.folder == place
        description = each.description or (known.description if known and same else {})
        description = dict(description or _said(folder / place))
        entries.append(DatasetEntry(each.ref, each.evaluation, place, description, each.failure))
    entries += before.values()
    texts, known_texts = DatasetRef(TEXTS), {e.evaluation for e in entries if e.ref.name == TEXTS}
    for path in sorted(folder.glob(f"*/{TEXTS}/*/*.json")):
        evaluation = path.parents[2].name
        if evaluation not in known_texts:
            known_texts.add(evaluation)
            place = dataset_folder(evaluation, texts)
            entries.append(DatasetEntry(texts, evaluation, place, dict(_said(folder / place))))
    return tuple(entries)


def _said(folder: Path) -> Mapping[str, Any]:
    """The first description of units that tables below a folder carry; empty if none does.

    The run that wrote them may have been stopped before it wrote a manifest.
    """
    return next((each for each in _descriptions(folder) if each), {})


def _descriptions(folder: Path) -> Iterator[Mapping[str, Any]]:
    for path in sorted(folder.glob("*/*.json")):
        with suppress(StoreError):
            yield read_sealed(path).get("description", {})
