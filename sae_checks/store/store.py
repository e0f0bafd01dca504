"""Measurements on disk, found again by what determined them.

    <store>/measurements/<release>-<key>/manifest.json          one run's setting
                                        /<sae>-<weights>/sae.json, tokens.parquet, ...
                                        /tasks/<task>-<key>/<sae>-<weights>/task.json, ...

The key covers everything but the SAEs and the tasks; an SAE's folder is named after its weights, so
that one changed byte measures that SAE again and no other; a task's is named after its own key.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from filelock import FileLock

from sae_checks.errors import StoreError
from sae_checks.evals.context.table import ContextTable
from sae_checks.evals.tasks.table import TaskTable
from sae_checks.records import Release, SaeRef, TaskRef
from sae_checks.store.files import (
    MANIFEST,
    SAE,
    TASK,
    Stored,
    StoredTask,
    owner,
    read_sae,
    read_task,
    slug,
    task_as_json,
    task_columns,
    whole_or_set_aside,
)
from sae_checks.store.integrity import damaged, read_sealed, record_files, write_sealed
from sae_checks.store.provenance import Provenance
from sae_checks.store.tables import write_table
from sae_checks.store.task_tables import write_task_table

Tell = Callable[[str], None]


@dataclass(frozen=True)
class MeasuredTask:
    """What a run found out about a task: what its items are, or why it has none."""

    ref: TaskRef
    description: Mapping[str, object]  # empty if this run read no items
    failure: str | None = None


class Store:
    """The measurements of one release in one setting.

    Args:
        root: the store's folder (`--sae-store`).
        release: the release; its name is part of the folder's name, its SAEs' weights of theirs.
        provenance: everything else that determines the numbers.
    """

    def __init__(self, root: Path, release: Release, provenance: Provenance) -> None:
        self.release, self.provenance = release, provenance
        name = slug(release.name)
        if release.location:  # two folders may have the same name
            name += "-" + hashlib.sha256(release.location.encode()).hexdigest()[:6]
        self._setting = provenance.key
        self.folder = root / "measurements" / f"{name}-{self._setting}"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """One process at a time measures into this folder; another one waits and finds it done.

        Raises:
            StoreError: the folder or the lock in it cannot be made.
        """
        lock = FileLock(self.folder / ".lock")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except OSError as error:
            raise StoreError(
                f"{self.folder} cannot be measured into ({error}); remove what is in the way, or "
                "name another folder with --sae-store"
            ) from error
        try:
            yield
        finally:
            lock.release()

    def read(self, sae: SaeRef) -> Stored | None:
        """The stored table of an SAE with these very weights, or None.

        Raises:
            StoreError: it is damaged, half written, another's, or of another format.
        """
        return read_sae(self._folder_of(sae), sae, self._setting)

    def read_task(self, task: TaskRef, sae: SaeRef) -> StoredTask | None:
        """The stored table of an SAE with these very weights on this very task, or None.

        Raises:
            StoreError: it is damaged, half written, another's, or of another format.
        """
        return read_task(self._folder_on(task, sae), task, sae, self._setting)

    def find(self, sae: SaeRef, tell: Tell) -> Stored | None:
        """The stored table of an SAE, or None; a damaged one is set aside, and `tell` told so."""
        return whole_or_set_aside(lambda: self.read(sae), self._folder_of(sae), tell)

    def find_task(self, task: TaskRef, sae: SaeRef, tell: Tell) -> StoredTask | None:
        """The stored table of an SAE on a task, or None; a damaged one is set aside, and told."""
        folder = self._folder_on(task, sae)
        return whole_or_set_aside(lambda: self.read_task(task, sae), folder, tell)

    def find_manifest(self, tell: Tell) -> dict[str, Any] | None:
        """What was recorded, or None; a damaged manifest is set aside, and told."""
        return whole_or_set_aside(self.read_manifest, self.folder / MANIFEST, tell)

    def write(
        self,
        table: ContextTable,
        columns: frozenset[str],
        description: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        """Store a table, all or nothing, in the place of what was there for the same weights.

        Args:
            table: what was measured.
            columns: for which columns.
            description: what the texts are, for a manifest that has to be made anew.
        """
        described = {
            **owner(self._setting, table.sae),
            "columns": sorted(columns),
            "texts": table.texts,
            "context": table.context,
            "complete": table.complete,
            "description": dict(description),
        }
        with self._writing(self._folder_of(table.sae)) as folder:
            write_table(folder, table)
            write_sealed(folder / SAE, {**described, "files": record_files(folder)})

    def write_task(
        self, table: TaskTable, description: Mapping[str, object] = MappingProxyType({})
    ) -> None:
        """Store a task's table, all or nothing; `description` says what its items are."""
        described = {
            **owner(self._setting, table.sae, table.task),
            "columns": sorted(task_columns(table)),
            "ablated": table.ablations.asked if table.ablations is not None else 0,
            "complete": table.complete,
            "description": dict(description),
        }
        with self._writing(self._folder_on(table.task, table.sae)) as folder:
            write_task_table(folder, table)
            write_sealed(folder / TASK, {**described, "files": record_files(folder)})

    def task_folder(self, task: TaskRef) -> Path:
        """Where a task's tables lie, one folder per SAE in it."""
        # Where its data lie does not matter, only what they are.
        known = task_as_json(replace(task, location=""))
        digest = hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:12]
        return self.folder / "tasks" / f"{slug(task.name)}-{digest}"

    @contextmanager
    def _writing(self, target: Path) -> Iterator[Path]:
        """A folder to write into, which then takes the target's place."""
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".writing-") as scratch:
            folder = Path(scratch) / "table"
            folder.mkdir()
            yield folder
            if target.exists():  # out of the way at once: half a table must never lie there
                target.rename(Path(scratch) / "before")
            target.parent.mkdir(parents=True, exist_ok=True)
            folder.rename(target)

    def write_manifest(
        self,
        texts: Mapping[str, object],
        failures: Mapping[str, str],
        tasks: Sequence[MeasuredTask] = (),
        *,
        adaptive: bool = False,
    ) -> dict[str, object]:
        """Record the setting, the texts, for each SAE its folder or why it has none, and the tasks.

        Args:
            texts: what the texts are; empty if this run read none, so that what was recorded stays.
            failures: why SAEs could not be measured in this run, by SAE id.
            tasks: of this run; a task of the same name recorded earlier gives way.
            adaptive: whether measuring stopped where verdicts were clear, so that intervals have
                to hold whenever that was.
        """
        recorded = self.read_manifest() or {}
        manifest: dict[str, object] = {
            "setting": self._setting,
            "release": self.release.name,
            "source": self.release.source,
            "release_saes": self.release.size,
            "context": self.provenance.context,
            "adaptive": adaptive,
            "provenance": self.provenance.as_dict(),
            "texts": dict(texts or recorded.get("texts") or self._said_of_texts()),
            "saes": self._entries(recorded.get("saes", []), failures),
            "tasks": self._task_entries(recorded.get("tasks", []), tasks),
        }
        write_sealed(self.folder / MANIFEST, manifest)
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
            if (folder / SAE).is_file() or any(self.folder.glob(f"tasks/*/{folder.name}")):
                failure = None
            entries.append({"ref": asdict(sae), "folder": folder.name, "failure": failure})
        return entries + list(before.values())

    def _task_entries(
        self, recorded: list[dict[str, Any]], tasks: Sequence[MeasuredTask]
    ) -> list[dict[str, Any]]:
        """The tasks of this run, and after them those of other names from earlier ones."""
        before = {entry["ref"]["name"]: entry for entry in recorded}
        entries = []
        for task in tasks:
            known = before.pop(task.ref.name, None)
            folder = self.task_folder(task.ref).relative_to(self.folder).as_posix()
            same = known is not None and known["folder"] == folder
            description = task.description or (known["description"] if known and same else {})
            description = description or self._said_of_task(task.ref)
            entries.append(
                {
                    "ref": task_as_json(task.ref),
                    "folder": folder,
                    "failure": task.failure,
                    "description": dict(description),
                }
            )
        return entries + list(before.values())

    def read_manifest(self) -> dict[str, Any] | None:
        """What was recorded, or None before anything was.

        Raises:
            StoreError: the manifest is damaged, of another format, or another setting's.
        """
        path = self.folder / MANIFEST
        if not path.exists():
            return None
        manifest = read_sealed(path)
        if manifest["setting"] != self._setting:
            raise damaged(path, f"is of another setting ({manifest['setting']})")
        return manifest

    def _said_of_texts(self) -> Mapping[str, Any]:
        """What its tables say that the texts are; the run that wrote them may have been stopped."""
        return _said(self._folder_of(sae) / SAE for sae in self.release.saes)

    def _said_of_task(self, task: TaskRef) -> Mapping[str, Any]:
        """What its tables say that a task's items are."""
        return _said(self._folder_on(task, sae) / TASK for sae in self.release.saes)

    def _folder_on(self, task: TaskRef, sae: SaeRef) -> Path:
        return self.task_folder(task) / self._folder_of(sae).name

    def _folder_of(self, sae: SaeRef) -> Path:
        # Where files lie does not matter, only what they are; the model is in the folder's key.
        known = replace(sae, location="", loading=replace(sae.loading, model_name=""))
        digest = hashlib.sha256(repr(known).encode()).hexdigest()[:12]
        return self.folder / f"{slug(sae.sae_id)}-{digest}"


def _said(paths: Iterable[Path]) -> Mapping[str, Any]:
    """The first description of texts or items that tables carry; empty if none does."""
    for path in paths:
        with suppress(StoreError):
            description: Mapping[str, Any] = read_sealed(path)["description"]
            if description:
                return description
    return {}
