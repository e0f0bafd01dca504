"""Made-up measurements on disk, so that the gate can be run in a second, without model or torch."""

from __future__ import annotations

import atexit
import pickle
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec

import numpy as np

from sae_checks.evals.activity.table import ActivityTable
from sae_checks.evals.context.table import WRITTEN, ContextTable
from sae_checks.evals.positions import PositionTable
from sae_checks.evals.propagation.pairs import all_pairs
from sae_checks.evals.propagation.table import PropagationTable
from sae_checks.evals.stack.tables import StackTable, StackTaskTable
from sae_checks.evals.tasks.table import TaskTable
from sae_checks.records import (
    SHIFT,
    CorpusRef,
    DatasetEntry,
    DatasetRef,
    Intervention,
    Manifest,
    Measurement,
    Release,
    SaeRef,
    Table,
    TableRef,
    TaskRef,
)
from sae_checks.records import (
    TEXTS as OF_TEXTS,
)
from sae_checks.records.words import TokenWords
from sae_checks.store import MeasuredDataset, Provenance, Store, read_measurement
from sae_checks.store.integrity import read_sealed, write_sealed
from sae_checks.store.words import write_words
from tests.stored_tables import (
    CONTEXT,
    LOADING,
    TEXTS,
    TRAINING_CONTEXT,
    WIDTH,
    DeltaCe,
    ablation_table,
    activity_table,
    broken_past_context,
    feature_table,
    flat,
    pair_table,
    position_table,
    sae_ref,
    sae_table,
    stack_tables,
    task_table,
)

# Tests have what is written from here, and the made-up tables with it.
__all__ = [
    "CONTEXT",
    "LOADING",
    "TEXTS",
    "TRAINING_CONTEXT",
    "WIDTH",
    "DeltaCe",
    "ablation_table",
    "activity_table",
    "broken_past_context",
    "feature_table",
    "flat",
    "pair_table",
    "position_table",
    "sae_ref",
    "sae_table",
    "stack_tables",
    "task_table",
]
KINDS: dict[str, type[Table]] = {
    "context": ContextTable,
    "activity": ActivityTable,
    "propagation": PropagationTable,
    "stack": StackTable,
    "stack_tasks": StackTaskTable,
    "tasks": TaskTable,
    "positions": PositionTable,
}
ON_TEXTS = DatasetRef(OF_TEXTS)
SECOND = CorpusRef("other.jsonl", "1", "concatenate")
ON_SECOND = DatasetRef.of_shift(SECOND)
COLUMNS = frozenset(
    {"l0", "l1", "mse", "norm", "squared_distance", "position_sums"}
    | {"reconstruction_norm", "reconstruction_squared_distance", "error_projection", *WRITTEN}
    | {"ce_clean", "ce_sae", "kl", "ce_zero", "ce_mean", "kl_zero", "kl_mean"}
)
P = ParamSpec("P")


def task_ref(name: str, columns: frozenset[str] = frozenset(), items: int = 40) -> TaskRef:
    return TaskRef(name, columns | {"features"}, "0", items, 0, "first_token", f"{name}.jsonl")


def table_ref(table: Table) -> TableRef:
    """What a table is asked for by."""
    texts = {OF_TEXTS: ON_TEXTS, SHIFT: ON_SECOND}
    dataset = texts.get(table.dataset) or DatasetRef.of_task(task_of(table))
    return TableRef(type(table), dataset, table.intervention, table.observed)


def text_ref(sae: SaeRef) -> TableRef:
    """What the table of an SAE on texts is asked for by."""
    return TableRef(ContextTable, ON_TEXTS, Intervention((sae,)))


def task_of(table: Table) -> TaskRef:
    """The task that a table is of."""
    return task_ref(table.dataset, frozenset(table.columns), table.rows)


def read(folder: Path) -> Measurement:
    """A stored measurement of texts and tasks."""
    return read_measurement(folder, KINDS)


def manifest(texts: Mapping[str, object] | None = None, **tasks: Mapping[str, object]) -> Manifest:
    """What is recorded of texts, and of tasks by name."""
    described = {} if texts is None else {OF_TEXTS: texts}
    entries = [
        DatasetEntry(DatasetRef(name), "context" if name == OF_TEXTS else "tasks", name, each)
        for name, each in {**described, **tasks}.items()
    ]
    return Manifest(datasets=tuple(entries))


def described(task: TaskRef) -> dict[str, object]:
    """What is said of a task's items."""
    return {
        "task": task.name,
        "location": task.location,
        "answer": task.answer,
        "items": task.items,
        "seed": task.seed,
        "left_out": {"duplicates": 2},
        "cut": 1,
        "several_token_answers": 3,
        "longest_prompt": 16,
        "tokenizer": "made up",
        "fingerprint": "made up",
    }


def provenance(**changes: object) -> Provenance:
    settings: dict[str, object] = {
        "loading": LOADING,
        "model_version": "0",
        "corpus": "tales",
        "corpus_version": "0",
        "packing": "documents",
        "seed": 0,
        "tokens": TEXTS * CONTEXT,
        "context": CONTEXT,
        "replace_special": False,
        "device": "cpu",
        "dtype": "float32",
    }
    return Provenance(**{**settings, **changes})  # type: ignore[arg-type]


def _copied_when_written_before(
    write: Callable[Concatenate[Path, P], Path],
) -> Callable[Concatenate[Path, P], Path]:
    """Many tests ask for the same measurement; copying it takes a seventh of the time."""
    written: dict[bytes, Path] = {}

    @wraps(write)
    def write_or_copy(root: Path, /, *args: P.args, **kwargs: P.kwargs) -> Path:
        try:
            key = pickle.dumps((args, kwargs))
        except (pickle.PicklingError, AttributeError):  # a function inside a test
            return write(root, *args, **kwargs)
        if key not in written:
            templates = Path(tempfile.mkdtemp(prefix="stored-"))
            atexit.register(shutil.rmtree, templates, ignore_errors=True)
            written[key] = write(templates, *args, **kwargs)
        template = written[key]
        folder = root / template.parent.name / template.name
        if folder.exists():  # a second measurement in the same place
            return write(root, *args, **kwargs)
        shutil.copytree(template, folder, copy_function=shutil.copyfile)
        return folder

    return write_or_copy


@_copied_when_written_before
def write_measurement(
    root: Path,
    *,
    name: str = "made-up",
    delta_ce: DeltaCe = flat,
    layers: int = 2,
    failures: dict[int, str] | None = None,
    tables: dict[int, ContextTable] | None = None,
    features: Mapping[int, ActivityTable] | None = None,
    tasks: Sequence[TaskTable] = (),
    task_failures: Mapping[str, str] | None = None,
    second: Mapping[int, ContextTable] | None = None,
) -> Path:
    """Store a made-up release's measurement; returns what --sae-measurements takes.

    Of the tasks, each table is one SAE's; `task_failures` names those without any, and why;
    `second` has the tables on a second corpus, by layer.
    """
    failures, tables = failures or {}, tables or {}
    release = Release(name, "folder", LOADING, tuple(sae_ref(layer) for layer in range(layers)))
    store = Store(root, release, provenance())
    on_texts = {layer: tables.get(layer) or sae_table(layer, delta_ce) for layer in range(layers)}
    for layer, table in on_texts.items():
        if layer not in failures:
            store.write(text_ref(sae_ref(layer)), table)
            activity = (features or {}).get(layer) or activity_table(layer)
            store.write(table_ref(activity), activity)
            for beside in [position_table(table)] if layer == 0 else []:
                store.write(table_ref(beside), beside)
    for first, later in all_pairs(release.saes):
        if not {first.layer, later.layer} & failures.keys():
            pair = pair_table(first, later, on_texts[later.layer])
            store.write(table_ref(pair), pair)
    reasons = {sae_ref(layer).sae_id: reason for layer, reason in failures.items()}
    for table in (second or {}).values():
        store.write(table_ref(replace(table, dataset=SHIFT)), replace(table, dataset=SHIFT))
    refs: dict[str, TaskRef] = {}
    for each in tasks:
        ref = DatasetRef.of_task(refs.setdefault(each.dataset, task_of(each)))
        store.write(TableRef(TaskTable, ref, each.intervention), each)
    for stacked in [] if failures else stack_tables(release.saes, on_texts, tasks):
        on_task = refs.get(stacked.dataset)
        dataset = ON_TEXTS if on_task is None else DatasetRef.of_task(on_task)
        store.write(
            TableRef(type(stacked), dataset, stacked.intervention, stacked.observed), stacked
        )
    measured = measured_datasets(refs.values(), task_failures or {}, second=bool(second))
    store.write_manifest(measured, reasons)
    return store.folder


def keep_words(folder: Path, word: str = " w") -> None:
    """Keep words for the tokens of a stored measurement: this one and the position, " w12"."""
    manifest = read(folder).manifest
    for entry in {each.ref.name: each for each in manifest.datasets}.values():
        on_texts = entry.ref.name in (OF_TEXTS, SHIFT)
        units, length = (TEXTS, CONTEXT) if on_texts else (60, 20)
        position = np.tile(np.arange(length), units)
        fields = (
            np.repeat(np.arange(units), length),
            position,
            position,
            tuple(f"{word}{each}" for each in range(length)),
        )
        fingerprint = str(entry.description.get("fingerprint", ""))
        write_words(folder, entry.ref, fingerprint, TokenWords(*fields))


def measured_datasets(
    tasks: Iterable[TaskRef], task_failures: Mapping[str, str], *, second: bool
) -> list[MeasuredDataset]:
    """On what a made-up release was measured, by evaluation."""
    texts = {"corpus": "tales", "texts": TEXTS, "fingerprint": "made up"}
    evaluations = ("context", "activity", "positions", "propagation", "stack")
    measured = [MeasuredDataset(ON_TEXTS, each, texts) for each in evaluations]
    if second:
        told = {"corpus": "other.jsonl", "texts": TEXTS, "fingerprint": "made up too"}
        measured.append(MeasuredDataset(ON_SECOND, "context", told))
    measured += [
        MeasuredDataset(DatasetRef.of_task(ref), name, described(ref))
        for ref in tasks
        for name in ("tasks", "stack_tasks")
    ]
    measured += [
        MeasuredDataset(DatasetRef.of_task(task_ref(task)), "tasks", {}, reason)
        for task, reason in task_failures.items()
    ]
    return measured


def change_sealed(path: Path, **changes: object) -> None:
    """Change what a JSON file of a measurement says, as if it had been written so."""
    write_sealed(path, {**read_sealed(path), **changes})
