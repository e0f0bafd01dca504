"""What lies in a measurement's folder, and how its small files are read and written."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sae_checks.errors import StoreError
from sae_checks.records import SaeRef, TaskRef, TaskTable
from sae_checks.store.task_tables import read_task_table

MANIFEST = "manifest.json"
SAE = "sae.json"
TASK = "task.json"


@dataclass(frozen=True)
class StoredTask:
    """One SAE's stored table of a task, and for which columns it was measured."""

    table: TaskTable
    columns: frozenset[str]


def read_task(folder: Path, task: TaskRef, sae: SaeRef) -> StoredTask | None:
    """The table of an SAE on a task that lies in a folder, or None."""
    if not (folder / TASK).is_file():
        return None
    described = read_json(folder / TASK)
    table = read_task_table(folder, sae, task, int(described["ablated"]))
    columns = frozenset(described["columns"])
    if columns != task_columns(table):
        raise StoreError(
            f"the stored measurement {folder} holds other columns than its {TASK} says; "
            "delete that folder to measure again"
        )
    return StoredTask(replace(table, complete=described.get("complete", True)), columns)


def task_columns(table: TaskTable) -> frozenset[str]:
    """For which columns a table was measured."""
    return frozenset({*table.columns, *(["features"] if table.features is not None else [])})


def task_as_json(task: TaskRef) -> dict[str, Any]:
    """A task as the manifest records it."""
    return {**asdict(task), "columns": sorted(task.columns)}


def task_ref(described: dict[str, Any]) -> TaskRef:
    """A task that the manifest records."""
    return TaskRef(**{**described, "columns": frozenset(described["columns"])})


def slug(name: str) -> str:
    """A name as a folder's name."""
    return re.sub(r"[^\w.-]+", "_", name).strip("_.") or "sae"


def read_json(path: Path) -> dict[str, Any]:
    """What a JSON file of the store holds; StoreError if it cannot be read."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(
            f"{path} cannot be read ({error}); delete its folder to measure again"
        ) from error
    return content


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write a JSON file, all or nothing."""
    scratch = path.with_suffix(".tmp")
    scratch.write_text(json.dumps(content, indent=2, default=str) + "\n", encoding="utf-8")
    scratch.replace(path)
