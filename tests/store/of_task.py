"""Two SAEs on one task, and no texts, on disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sae_checks.evals.tasks.table import TaskTable
from sae_checks.records import DatasetEntry, DatasetRef, Intervention, Release, TableRef
from sae_checks.store import MeasuredDataset, Store
from tests.stored import LOADING, provenance, sae_ref, task_of, task_table

LAYER_0, LAYER_1 = (sae_ref(layer).sae_id for layer in range(2))
TABLE = task_table(0)
TASK = DatasetRef.of_task(task_of(TABLE))
AT_0, AT_1 = (TableRef(TaskTable, TASK, Intervention((sae_ref(n),))) for n in range(2))


def other_items(**changes: object) -> DatasetRef:
    """The task, but for some of what decides its items."""
    return DatasetRef.of_task(replace(task_of(TABLE), **changes))  # type: ignore[arg-type]


def found(ref: DatasetRef, **more: object) -> MeasuredDataset:
    """What a run found out about a task."""
    return MeasuredDataset(ref, "tasks", **{"description": {}, **more})  # type: ignore[arg-type]


def store_of_task(folder: Path) -> Store:
    """With two SAEs on one task, and no texts."""
    made = Store(
        folder, Release("made-up", "folder", LOADING, (sae_ref(0), sae_ref(1))), provenance()
    )
    for layer, ref in enumerate((AT_0, AT_1)):
        made.write(ref, task_table(layer))
    made.write_manifest([found(TASK, description={"items": 40, "cut": 3})], {})
    return made


def entries(store: Store) -> dict[str, DatasetEntry]:
    """The tasks of the manifest, by name."""
    manifest = store.read_manifest()
    assert manifest is not None
    made = {entry.ref.name: entry for entry in manifest.tasks}
    assert len(made) == len(manifest.tasks)
    return made
