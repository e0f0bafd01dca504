"""A run's measurement from its folder alone: neither model, SAEs nor torch are needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sae_checks.errors import StoreError
from sae_checks.records import (
    Measurement,
    ModelLoading,
    Release,
    SaeRef,
    SaeTable,
    TaskRef,
    TaskTable,
)
from sae_checks.store.files import MANIFEST, SAE, read_json, read_task, task_ref
from sae_checks.store.provenance import DEFINITIONS_VERSION
from sae_checks.store.tables import read_table


def read_measurement(folder: Path) -> Measurement:
    """A run's measurement from its folder alone: neither model, SAEs nor torch are needed.

    Args:
        folder: what `--sae-measurements` names, a folder with a manifest.json.

    Raises:
        StoreError: no manifest, other definitions, or no table.
    """
    path = folder / MANIFEST
    manifest = read_json(path) if path.is_file() else {}
    if "provenance" not in manifest:
        raise StoreError(
            f"--sae-measurements {folder} is no stored measurement (it has no {MANIFEST} of "
            "sae-checks); a run says in its summary where it stored its tables"
        )
    version = manifest["provenance"]["definitions"]
    if version != DEFINITIONS_VERSION:
        raise StoreError(
            f"{folder} was measured by version {version} of the definitions, this is version "
            f"{DEFINITIONS_VERSION}; measure again"
        )
    saes = tuple(_sae_ref(entry["ref"]) for entry in manifest["saes"])
    folders = {s.sae_id: e["folder"] for s, e in zip(saes, manifest["saes"], strict=True)}
    tasks = _read_tasks(folder, manifest.get("tasks", []), saes, folders)
    tables: dict[str, SaeTable] = {}
    failures: dict[str, str] = {}
    for sae, entry in zip(saes, manifest["saes"], strict=True):
        stored = folder / entry["folder"]
        if (stored / SAE).is_file():
            described = read_json(stored / SAE)
            table = read_table(stored, sae, (described["texts"], described["context"]))
            tables[sae.sae_id] = replace(table, complete=described.get("complete", True))
        elif entry["failure"] or not any(sae.sae_id in of_task for of_task in tasks.values()):
            failures[sae.sae_id] = (
                entry["failure"] or f"SAE {sae.sae_id!r} has no table in {folder}"
            )
    if not tables and not any(tasks.values()):
        raise StoreError(f"{folder} holds no table of any SAE; measure again")
    release = Release(
        manifest["release"],
        "stored",
        saes[0].loading,
        saes,
        whole=int(manifest.get("release_saes", len(saes))),
    )
    reasons = {
        entry["ref"]["name"]: entry["failure"]
        for entry in manifest.get("tasks", [])
        if entry["failure"]
    }
    context = int(manifest["context"])
    return Measurement(release, context, tables, failures, manifest, tasks, reasons)


def task_refs(manifest: Mapping[str, Any]) -> tuple[TaskRef, ...]:
    """The tasks that a manifest records."""
    return tuple(task_ref(entry["ref"]) for entry in manifest.get("tasks", []))


def _read_tasks(
    folder: Path,
    entries: list[dict[str, Any]],
    saes: Sequence[SaeRef],
    folders: Mapping[str, str],
) -> dict[str, dict[str, TaskTable]]:
    """All stored tables of tasks, by task name and SAE id."""
    tasks: dict[str, dict[str, TaskTable]] = {}
    for entry in entries:
        task = task_ref(entry["ref"])
        found = (read_task(folder / entry["folder"] / folders[s.sae_id], task, s) for s in saes)
        tasks[task.name] = {t.table.sae.sae_id: t.table for t in found if t is not None}
    return tasks


def _sae_ref(described: dict[str, Any]) -> SaeRef:
    loading = described["loading"]
    pairs = tuple((key, value) for key, value in loading["from_pretrained_kwargs"])
    return SaeRef(
        **{**described, "loading": ModelLoading(**{**loading, "from_pretrained_kwargs": pairs})}
    )
