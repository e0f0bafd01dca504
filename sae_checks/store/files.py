"""What lies in a measurement's folder: which files describe it, and how its tables are read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from sae_checks.errors import StoreError
from sae_checks.evals.context.table import ContextTable
from sae_checks.evals.tasks.table import TaskTable
from sae_checks.records import SaeRef, TaskRef
from sae_checks.store.integrity import damaged, read_sealed, verify_table
from sae_checks.store.tables import read_table
from sae_checks.store.task_tables import read_task_table

MANIFEST = "manifest.json"
SAE = "sae.json"
TASK = "task.json"
_Read = TypeVar("_Read")


@dataclass(frozen=True)
class Stored:
    """One SAE's stored table, and for which columns it was measured."""

    table: ContextTable
    columns: frozenset[str]


@dataclass(frozen=True)
class StoredTask:
    """One SAE's stored table of a task, and for which columns it was measured."""

    table: TaskTable
    columns: frozenset[str]


def read_sae(folder: Path, sae: SaeRef, setting: str) -> Stored | None:
    """The table of an SAE on texts that lies in a folder, or None where there is no such folder.

    Raises:
        StoreError: it is damaged, half written, another's, or of another format.
    """
    described = _described(folder / SAE)
    if described is None:
        return None
    verify_table(folder / SAE, described, owner(setting, sae), {"sae": sae.sae_id})
    table = read_table(folder, sae, (described["texts"], described["context"]))
    return Stored(replace(table, complete=described["complete"]), frozenset(described["columns"]))


def read_task(folder: Path, task: TaskRef, sae: SaeRef, setting: str) -> StoredTask | None:
    """The table of an SAE on a task that lies in a folder, or None where there is no such folder.

    Raises:
        StoreError: it is damaged, half written, another's, or of another format.
    """
    described = _described(folder / TASK)
    if described is None:
        return None
    names = {"sae": sae.sae_id, "task": task.name}
    verify_table(folder / TASK, described, owner(setting, sae, task), names)
    table = read_task_table(folder, sae, task, described["ablated"])
    columns = frozenset(described["columns"])
    if columns != task_columns(table):
        raise damaged(folder / TASK, "says other columns than the files beside it have")
    return StoredTask(replace(table, complete=described["complete"]), columns)


def _described(path: Path) -> dict[str, Any] | None:
    if path.is_file():
        return read_sealed(path)
    if path.parent.exists():
        raise damaged(path.parent, f"is no whole table (it has no {path.name})")
    return None


def owner(setting: str, sae: SaeRef, task: TaskRef | None = None) -> dict[str, Any]:
    """Whose a table is, without where files lie: of a setting's key, an SAE, a task or texts."""
    described = asdict(sae)
    del described["location"], described["loading"]["model_name"]
    of_task = None if task is None else task_as_json(task)
    if of_task is not None:
        del of_task["location"]
    return {"setting": setting, "sae": described, "task": of_task}


def set_aside(path: Path) -> Path:
    """Rename a file or folder, so that another one can take its place; its new path."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    return path.rename(aside)


def whole_or_set_aside(
    read: Callable[[], _Read | None], path: Path, tell: Callable[[str], None]
) -> _Read | None:
    """What reading gives; where it is refused, None, with the path set aside, which is told."""
    try:
        return read()
    except StoreError as error:
        aside = set_aside(path)
        reason = str(error).rpartition("; ")[0]
        tell(f"{reason}; set aside as {aside.name}, and made anew")
        return None


def task_columns(table: TaskTable) -> frozenset[str]:
    """For which columns a table was measured."""
    return frozenset({*table.columns, *(["features"] if table.features is not None else [])})


def task_as_json(task: TaskRef) -> dict[str, Any]:
    """A task as the manifest records it."""
    return {**asdict(task), "columns": sorted(task.columns)}


def task_ref(described: Mapping[str, Any]) -> TaskRef:
    """A task that the manifest records."""
    return TaskRef(**{**described, "columns": frozenset(described["columns"])})


def slug(name: str) -> str:
    """A name as a folder's name."""
    return re.sub(r"[^\w.-]+", "_", name).strip("_.") or "sae"
