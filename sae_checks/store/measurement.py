"""A run's measurement from its folder alone: neither model, SAEs nor torch are needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sae_checks.errors import StoreError
from sae_checks.evals.context.table import ContextTable
from sae_checks.evals.tasks.table import TaskTable
from sae_checks.records import Measurement, ModelLoading, Release, SaeRef, TaskRef
from sae_checks.store.files import MANIFEST, read_sae, read_task, task_ref
from sae_checks.store.integrity import read_json, unsealed
from sae_checks.store.provenance import DEFINITIONS_VERSION


def read_measurement(folder: Path) -> Measurement:
    """A run's measurement from its folder alone: neither model, SAEs nor torch are needed.

    Args:
        folder: what `--sae-measurements` names, a folder with a manifest.json.

    Raises:
        StoreError: no manifest, other definitions, no table, or anything that is damaged, mixed
            up, or of another format.
    """
    manifest = _read_manifest(folder)
    saes = tuple(_sae_ref(entry["ref"]) for entry in manifest["saes"])
    folders = {s.sae_id: e["folder"] for s, e in zip(saes, manifest["saes"], strict=True)}
    tasks = _read_tasks(folder, manifest, saes, folders)
    tables: dict[str, ContextTable] = {}
    failures: dict[str, str] = {}
    for sae, entry in zip(saes, manifest["saes"], strict=True):
        stored = read_sae(folder / entry["folder"], sae, manifest["setting"])
        if stored is not None:
            tables[sae.sae_id] = stored.table
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


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    content = read_json(path) if path.is_file() else {}
    if not isinstance(content, dict) or "provenance" not in content:
        raise StoreError(
            f"--sae-measurements {folder} is no stored measurement (it has no {MANIFEST} of "
            "sae-checks); a run says in its summary where it stored its tables"
        )
    manifest = unsealed(path, content)
    version = manifest["provenance"]["definitions"]
    if version != DEFINITIONS_VERSION:
        raise StoreError(
            f"{folder} was measured by version {version} of the definitions, this is version "
            f"{DEFINITIONS_VERSION}; measure again"
        )
    return manifest


def task_refs(manifest: Mapping[str, Any]) -> tuple[TaskRef, ...]:
    """The tasks that a manifest records."""
    return tuple(task_ref(entry["ref"]) for entry in manifest.get("tasks", []))


def _read_tasks(
    folder: Path,
    manifest: Mapping[str, Any],
    saes: Sequence[SaeRef],
    folders: Mapping[str, str],
) -> dict[str, dict[str, TaskTable]]:
    """All stored tables of tasks, by task name and SAE id."""
    tasks: dict[str, dict[str, TaskTable]] = {}
    for entry in manifest.get("tasks", []):
        task, of_task = task_ref(entry["ref"]), folder / entry["folder"]
        found = (read_task(of_task / folders[s.sae_id], task, s, manifest["setting"]) for s in saes)
        tasks[task.name] = {t.table.sae.sae_id: t.table for t in found if t is not None}
    return tasks


def _sae_ref(described: dict[str, Any]) -> SaeRef:
    loading = described["loading"]
    pairs = tuple((key, value) for key, value in loading["from_pretrained_kwargs"])
    return SaeRef(
        **{**described, "loading": ModelLoading(**{**loading, "from_pretrained_kwargs": pairs})}
    )
