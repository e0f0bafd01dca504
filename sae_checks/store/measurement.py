"""A run's measurement from its folder alone: neither model, SAEs nor torch are needed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sae_checks.errors import StoreError
from sae_checks.records import (
    DatasetEntry,
    Intervention,
    Manifest,
    Measurement,
    Release,
    SaeRef,
    Table,
    TableRef,
    by_key,
)
from sae_checks.records.provenance import DEFINITIONS_VERSION
from sae_checks.store.files import MANIFEST, described_sae, is_of_several, table_folder
from sae_checks.store.integrity import as_json, damaged, read_json, read_sealed, unsealed
from sae_checks.store.parts import StoredTable
from sae_checks.store.recorded import manifest_of
from sae_checks.store.store import read_table


def read_measurement(folder: Path, kinds: Mapping[str, type[Table]]) -> Measurement:
    """A run's measurement from its folder alone: neither model, SAEs nor torch are needed.

    Args:
        folder: what `--sae-measurements` names, a folder with a manifest.json.
        kinds: the classes of tables, by the names of their evaluations.

    Raises:
        StoreError: no manifest, other definitions, no table, or anything that is damaged, mixed
            up, or of another format.
    """
    manifest = _read_manifest(folder)
    found = [
        read_table(path, ref, manifest.provenance_key)
        for entry in manifest.datasets
        for path, ref in _tables(folder, manifest, entry, kinds)
    ]
    tables = by_key([_without_gaps(folder, stored) for stored in found if stored is not None])
    if not tables:
        raise StoreError(f"{folder} holds no table of any SAE; measure again")
    measured = {
        sae
        for table in tables.values()
        for sae in (*table.intervention.saes, *([table.observed] if table.observed else []))
    }
    failures = {
        entry.ref.sae_id: entry.failure or f"SAE {entry.ref.sae_id!r} has no table in {folder}"
        for entry in manifest.saes
        if entry.ref not in measured
    }
    return Measurement(
        _release(manifest),
        manifest.context,
        tables,
        failures,
        manifest,
        {e.ref.name: e.failure for e in manifest.datasets if e.failure is not None},
    )


def _without_gaps(folder: Path, stored: StoredTable) -> Table:
    """Of a run that was stopped within a block, the units are no sample: the shortest come first.

    Raises:
        StoreError: it was.
    """
    if (stored.units != np.arange(len(stored.units))).any():
        table = stored.table
        raise StoreError(
            f"{folder} was being measured when its run was stopped: {table.key.intervention} lacks "
            f"units of {table.dataset}; run it again without --sae-measurements"
        )
    return stored.table


def _release(manifest: Manifest) -> Release:
    saes = tuple(entry.ref for entry in manifest.saes)
    whole = manifest.release_saes or len(saes)
    return Release(manifest.release, "stored", saes[0].loading, saes, whole=whole)


def _read_manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    content = read_json(path) if path.is_file() else {}
    if not isinstance(content, dict) or "provenance" not in content:
        raise StoreError(
            f"--sae-measurements {folder} is no stored measurement (it has no {MANIFEST} of "
            "sae-checks); a run says in its summary where it stored its tables"
        )
    manifest = manifest_of(path, unsealed(path, content))
    version = manifest.provenance.get("definitions")
    if version != DEFINITIONS_VERSION:
        raise StoreError(
            f"{folder} was measured by version {version} of the definitions, this is version "
            f"{DEFINITIONS_VERSION}; measure again"
        )
    return manifest


def _tables(
    folder: Path, manifest: Manifest, entry: DatasetEntry, kinds: Mapping[str, type[Table]]
) -> Iterator[tuple[Path, TableRef]]:
    """Where the tables of a data set may lie: those of each SAE by itself, and of several."""
    if entry.evaluation not in kinds:
        raise StoreError(
            f"{folder} holds tables of the evaluation {entry.evaluation!r}, which this version of "
            f"sae-checks does not have (it has {', '.join(sorted(kinds))}); measure again"
        )
    kind = kinds[entry.evaluation]
    for sae in manifest.saes:
        ref = TableRef(kind, entry.ref, Intervention((sae.ref,)))
        yield folder / entry.folder / sae.folder, ref
    known = {_text(described_sae(sae.ref)): sae.ref for sae in manifest.saes}
    for path in sorted((folder / entry.folder).glob("[!.]*")):
        if is_of_several(path.name):
            ref_of_several = _of_several(path, known, entry, kind)
            if ref_of_several is not None:
                yield path, ref_of_several


def _of_several(
    path: Path, known: Mapping[str, SaeRef], entry: DatasetEntry, kind: type[Table]
) -> TableRef | None:
    """The table in a folder, if its SAEs are those that the manifest records.

    Of other weights, it is left from before, and is not read.

    Args:
        path: the folder.
        known: those SAEs, by the text of how tables describe them.
        entry: the data set that the table is of.
        kind: the class of the table.
    """
    described = next((read_sealed(each) for each in sorted(path.glob("*.json"))), None)
    if described is None:
        return None
    observed = described.get("observed")
    owners = [described["sae"]] if "sae" in described else described.get("saes")
    if not isinstance(owners, list) or not all(isinstance(sae, dict) for sae in owners):
        raise damaged(path, "does not say whose table it holds")
    if "observed" not in described or not (observed is None or isinstance(observed, dict)):
        raise damaged(path, "does not say which SAE was observed")
    saes = [known.get(_text(sae)) for sae in owners]
    seen = None if observed is None else known.get(_text(observed))
    if None in saes or (observed is not None and seen is None):
        return None
    try:
        intervention = Intervention(tuple(sae for sae in saes if sae is not None))
    except ValueError as error:
        raise damaged(path, "says that it is of SAEs that cannot be spliced in at once") from error
    ref = TableRef(kind, entry.ref, intervention, seen)
    if table_folder(ref) != f"{entry.folder}/{path.name}":
        raise damaged(path, f"holds another table (of {ref.key.intervention!r})")
    return ref


def _text(described: Any) -> str:
    """How a table describes an SAE, as one text for one description."""
    return json.dumps(as_json(described), sort_keys=True)
