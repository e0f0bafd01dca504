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

from sae_checks.evals.activity.table import (
    ACTIVE_FEATURES,
    DUPLICATES,
    ActiveFeatures,
    ActivityTable,
    Duplicates,
)
from sae_checks.evals.context.table import WRITTEN, ContextTable, PositionSums
from sae_checks.evals.positions import PositionTable
from sae_checks.evals.propagation.pairs import all_pairs
from sae_checks.evals.propagation.table import PropagationTable, first_positions
from sae_checks.evals.stack.choice import interventions
from sae_checks.evals.stack.tables import StackTable, StackTaskTable
from sae_checks.evals.tasks.table import AblationTable, FeatureTable, TaskTable
from sae_checks.records import (
    GROUPS,
    SHIFT,
    CorpusRef,
    DatasetEntry,
    DatasetRef,
    Intervention,
    Manifest,
    Measurement,
    ModelLoading,
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

TRAINING_CONTEXT, CONTEXT, TEXTS, WIDTH = 16, 64, 12, 4
LOADING = ModelLoading("made-up")
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
# ΔCE in nats by layer and position.
DeltaCe = Callable[[int, np.ndarray], np.ndarray]


def flat(layer: int, position: np.ndarray) -> np.ndarray:
    """An SAE that is as good past its training context as in it."""
    return np.full(position.shape, 0.1)


def broken_past_context(layer: int, position: np.ndarray) -> np.ndarray:
    """Layer 0 costs 3 nats past the training context, the others stay good."""
    past = position >= TRAINING_CONTEXT
    return np.where(past & (layer == 0), 3.0, 0.1)


def sae_ref(layer: int, training_context: int = TRAINING_CONTEXT) -> SaeRef:
    hook_point = f"blocks.{layer}.hook_resid_pre"
    return SaeRef(
        sae_id=hook_point,
        hook_point=hook_point,
        layer=layer,
        site="hook_resid_pre",
        training_context=training_context,
        d_in=WIDTH,
        d_sae=32,
        architecture="standard",
        loading=LOADING,
        location="nowhere",
        weights_key=f"made-up-{layer}",
        neuronpedia_id=f"made-up/{layer}-res",
    )


def sae_table(
    layer: int, delta_ce: DeltaCe = flat, texts: int = TEXTS, context: int = CONTEXT
) -> ContextTable:
    """A table whose ΔCE is known and whose other quantities are good throughout."""
    generator = np.random.default_rng(layer)
    x = generator.normal(size=(texts, context, WIDTH))
    position = np.broadcast_to(np.arange(context), (texts, context))
    delta = delta_ce(layer, position) + generator.normal(0, 0.01, (texts, context))
    ce_clean = generator.normal(4, 0.1, (texts, context))
    columns = {
        "l0": np.full((texts, context), 20.0),
        "l1": np.full((texts, context), 50.0),
        "mse": np.full((texts, context), 0.2),
        "norm": np.linalg.norm(x, axis=-1),
        "squared_distance": np.square(x).sum(-1),
        # An unbiased reconstruction, at a right angle to its error wherever x is long enough.
        "reconstruction_norm": np.sqrt(np.maximum(np.square(x).sum(-1) - 0.2, 0.05)),
        "reconstruction_squared_distance": np.maximum(np.square(x).sum(-1) - 0.2, 0.05),
        "error_projection": generator.normal(0, 0.1, (texts, context)),
        # Features of many strengths, whose errors depend on none of them.
        "strength": np.full((texts, context), 50.0),
        "written_square": np.full((texts, context), 200.0),
        "written_error": generator.normal(0, 0.1, (texts, context)),
        "directions_written": np.full((texts, context), 50.0),
        "directions_error": generator.normal(0, 0.01, (texts, context)),
        "ce_clean": ce_clean,
        "ce_sae": ce_clean + delta,
        "kl": np.abs(delta),
        "ce_zero": ce_clean + 8,
        "ce_mean": ce_clean + 6,
        "kl_zero": np.full((texts, context), 8.0),
        "kl_mean": np.full((texts, context), 6.0),
    }
    for name, values in columns.items():
        values[:, 0] = np.nan
        if name.startswith(("ce_", "kl")):
            values[:, -1] = np.nan
    # As written to disk and read back.
    columns = {
        name: values.astype(np.float32).astype(np.float64) for name, values in columns.items()
    }
    counts = np.full(context, float(texts))
    sums = x.sum(axis=0)
    counts[0], sums[0] = 0, 0
    nothing = np.zeros(context)
    position_sums = PositionSums(counts, sums, nothing, np.zeros_like(sums))
    return ContextTable.of(
        sae_ref(layer), columns, np.zeros((texts, context), dtype=np.bool_), position_sums
    )


def activity_table(layer: int, active: np.ndarray | None = None) -> ActivityTable:
    """Features active on these tokens, (texts, T - 1, d_sae), of position 1 on.

    Unless told, each is active on one token of every text, and none shares its direction.
    """
    ref = sae_ref(layer)
    inside = TRAINING_CONTEXT - 1
    if active is None:
        position, feature = np.arange(inside)[:, None], np.arange(ref.d_sae)
        active = np.broadcast_to(feature % inside == position, (TEXTS, inside, ref.d_sae))
    texts, nothing = len(active), np.zeros(0, dtype=np.int64)
    counted = np.full((texts, CONTEXT), np.nan)
    counted[:, 1:TRAINING_CONTEXT] = 1
    tokens = active.sum(axis=1)  # (texts, d_sae)
    text, feature = (each.astype(np.int32) for each in np.nonzero(tokens))
    found = ActiveFeatures(text, text, feature, tokens[text, feature].astype(np.int32))
    documents = np.repeat(np.arange(texts, dtype=np.int32)[:, None], CONTEXT, axis=1)
    side = {ACTIVE_FEATURES: found, DUPLICATES: Duplicates(nothing, nothing, np.zeros(0))}
    return ActivityTable.of(ref, counted, documents, np.arange(texts), side)


def pair_table(spliced: SaeRef, observed: SaeRef, alone: ContextTable) -> PropagationTable:
    """What a later SAE makes of an earlier one's splice: errors a tenth larger, all else alike.

    A tenth of that tenth is carried by the residual stream.
    """
    table = first_positions(alone, 128)
    names = ("l0", "mse", "norm", "squared_distance")
    columns = {name: table.columns[name] for name in names if name in table.columns}
    columns["mse"] = 1.1 * columns["mse"]
    direct = {"l0": 1.0, "mse": 1.01, "norm": 1.0}
    for name, times in direct.items():
        columns[f"direct_{name}"] = times * table.columns[name]
    intervention = Intervention((spliced,))
    return PropagationTable(
        OF_TEXTS, intervention, columns, table.labels, table.side, observed, table.complete
    )


def stack_tables(
    saes: Sequence[SaeRef], on_texts: Mapping[int, ContextTable], tasks: Sequence[TaskTable]
) -> list[Table]:
    """Of the stack of some SAEs: up to each it costs what that one does, on tasks as the first."""
    found: list[Table] = []
    for stack in interventions(saes):
        for sae in stack.saes:
            one = on_texts[sae.layer]
            named = ("norm", "ce_clean", "ce_sae", "kl")
            columns = {name: one.columns[name] for name in named if name in one.columns}
            found.append(
                StackTable(
                    OF_TEXTS, stack, columns, one.labels, observed=sae, complete=one.complete
                )
            )
        for name in dict.fromkeys(each.dataset for each in tasks):
            each = next(each for each in tasks if each.dataset == name)
            found.append(
                StackTaskTable(name, stack, each.columns, each.labels, complete=each.complete)
            )
    return found


def position_table(table: ContextTable) -> PositionTable:
    """Of a table's SAE without positions: as costly as with them."""
    loss = table.columns.get("ce_sae", table.columns["norm"])
    added = np.where(np.isnan(table.columns["norm"]), np.nan, 1.0)
    columns = {"ce_token_part": loss, "ce_mean_position": loss, "positions_added": added}
    return PositionTable(OF_TEXTS, table.intervention, columns, dict(table.labels))


def task_table(
    layer: int, task: str = "made-up-task", items: int = 40, **columns: np.ndarray
) -> TaskTable:
    """An SAE on a task that it costs little: accuracy falls by a few points, ln p by 0.1 nats.

    Arguments beyond these take the place of columns of the same name.
    """
    generator = np.random.default_rng(1000 + layer)
    row = np.arange(items)
    clean_ln_p = -generator.exponential(1.0, items)
    difference = generator.normal(3, 1, items)
    loss = generator.normal(4, 0.3, items)
    made = {
        "clean_ln_p": clean_ln_p,
        "sae_ln_p": clean_ln_p + generator.normal(-0.1, 0.3, items),
        # Of every five items three are right; spliced, a few less the deeper the layer.
        "clean_rank": 1.0 + (row % 5 >= 3),
        "sae_rank": 1.0 + ((row % 5 >= 3) | (row % (50 - layer % 20) == 1)),
        "clean_candidate_right": (row % 5 < 4).astype(float),
        "sae_candidate_right": (row % 5 < 4).astype(float),
        "clean_logit_difference": difference,
        "sae_logit_difference": 0.95 * difference,
        "prompt_l0": generator.normal(20, 2, items),
        "prompt_l1": generator.normal(50, 5, items),
        "prompt_mse": generator.normal(0.2, 0.02, items),
        "prompt_norm": generator.normal(2, 0.1, items),
        "prompt_ce_clean": loss,
        "prompt_ce_sae": loss + generator.normal(0.1, 0.02, items),
    }
    made |= columns
    delta = made["sae_ln_p"] - made["clean_ln_p"]
    return TaskTable.of(
        sae_ref(layer),
        task,
        made,
        12 + row % 5,
        tuple(f"item {index}" for index in row),
        feature_table(delta),
        ablation_table(delta),
    )


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


def feature_table(delta_ln_p: np.ndarray, active: np.ndarray | None = None) -> FeatureTable:
    """Features 3, 4, ... on these items, (features, items); their strength is 2.

    Unless told, they are eight: the first on every item, the next on every second one, and so on.
    """
    items = len(delta_ln_p)
    if active is None:
        active = np.arange(items) % np.arange(1, 9)[:, None] == 0
        active = active[active.any(axis=1)]
    score = np.where(delta_ln_p >= 0, 1, -1)
    groups = np.arange(items) % GROUPS == np.arange(GROUPS)[:, None]  # (groups, items)
    present = active.astype(np.int64)
    return FeatureTable(
        feature=np.arange(3, 3 + len(active)),
        items=present.sum(axis=1),
        delta_ln_p=active @ delta_ln_p,
        score=present @ score,
        strength=2.0 * present.sum(axis=1),
        weighted_delta_ln_p=2 * (active @ delta_ln_p),
        weighted_score=2.0 * (present @ score),
        group_items=present @ groups.T.astype(np.int64),
        group_score=present @ (groups * score).T,
    )


def ablation_table(delta_ln_p: np.ndarray, asked: int = 2) -> AblationTable:
    """Features 9 and 10 are the best, without which answers lose 0.05; 3 and 4 the worst."""
    rows = [
        (feature, best, item, -0.05 if best else 0.2)
        for feature, best in ((9, True), (10, True), (3, False), (4, False))
        for item in range(0, len(delta_ln_p), feature - 2)
    ]
    feature, best, item, delta = np.array(rows, dtype=float).reshape(-1, 4).T
    return AblationTable(
        feature.astype(np.int64), best.astype(np.bool_), item.astype(np.int64), delta, asked
    )


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
        units, length = (TEXTS, CONTEXT) if on_texts else (40, 20)
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
    texts = {"corpus": "tales", "texts": TEXTS}
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
