"""Measure the tasks of a run: items, features, and features ablated, as far as none are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sae_checks.errors import TaskError
from sae_checks.evals.context.table import ContextTable
from sae_checks.evals.tasks.table import TaskTable
from sae_checks.measure.blocks import FIRST_ITEMS, Blocks
from sae_checks.measure.join import join_items
from sae_checks.measure.loaded import LoadedModels
from sae_checks.measure.plan import ABLATIONS, FEATURES, ItemPlan
from sae_checks.measure.progress import Progress
from sae_checks.measure.request import Request
from sae_checks.records import SaeRef, TaskRef
from sae_checks.store import MeasuredTask, task_columns
from sae_checks.wording import counted

if TYPE_CHECKING:
    from sae_checks.load.sae import LoadedSae
    from sae_checks.load.tasks.items import Items
    from sae_checks.load.tasks.task import Task


@dataclass(frozen=True)
class TaskWork:
    """One task: the tables that are there, the SAEs that need more, and those to ablate."""

    task: Task
    ref: TaskRef
    tables: dict[str, TaskTable]
    unmeasured: tuple[SaeRef, ...]  # whose table is not there, or not long enough
    unablated: tuple[SaeRef, ...]  # measured or not
    plan: ItemPlan  # for those that need more

    @property
    def missing(self) -> tuple[SaeRef, ...]:
        """The SAEs that something is to be done with."""
        return tuple(dict.fromkeys((*self.unmeasured, *self.unablated)))


def plan_tasks(
    request: Request, texts: Mapping[str, ContextTable], progress: Progress
) -> list[TaskWork]:
    """What is to be measured of each task; the tables of texts as far as they are there."""
    return [_plan_task(request, task, ref, texts, progress) for task, ref in request.tasks]


def _plan_task(
    request: Request,
    task: Task,
    ref: TaskRef,
    texts: Mapping[str, ContextTable],
    progress: Progress,
) -> TaskWork:
    ablations = {ABLATIONS} if request.options.ablate else set()
    plan = ItemPlan.of(request.needs, ref.columns | ablations)
    ablates = ABLATIONS in plan.columns
    # Which features are ablated is chosen by their scores.
    needed = ItemPlan((plan.columns - {ABLATIONS}) | ({FEATURES} if ablates else set()))
    columns = needed.columns
    tables: dict[str, TaskTable] = {}
    partial: set[str] = set()
    for sae in request.task_saes:
        stored = request.store.find_task(ref, sae, progress.note)
        if stored is None:
            continue
        covered = ItemPlan(stored.columns).covers(needed)
        if covered:
            tables[sae.sae_id] = stored.table
        if covered and not stored.table.complete:
            partial.add(sae.sae_id)
        if (
            not covered or not stored.table.complete
        ):  # what is measured again, or on, keeps its columns
            columns |= stored.columns - {ABLATIONS}
    if partial:
        so_far = request.so_far(texts, {ref.name: tables})
        partial &= request.stopping.unsettled(so_far, ref.name, ref.items)
    unmeasured = tuple(
        sae for sae in request.task_saes if sae.sae_id not in tables or sae.sae_id in partial
    )
    unablated: tuple[SaeRef, ...] = ()
    if ablates:
        unablated = tuple(
            sae
            for sae in request.task_saes
            if sae in unmeasured
            or not _has_ablations(tables.get(sae.sae_id), request.options.ablate)
        )
    return TaskWork(task, ref, tables, unmeasured, unablated, ItemPlan(columns))


def _has_ablations(table: TaskTable | None, asked: int) -> bool:
    return table is not None and table.ablations is not None and table.ablations.asked == asked


def measure_task(
    request: Request,
    loaded: LoadedModels,
    work: TaskWork,
    texts: Mapping[str, ContextTable],
    progress: Progress,
) -> MeasuredTask:
    """Measure and store what is missing of a task; a task without items is told, not raised."""
    if loaded.model is None or not loaded.of(work.missing):
        return MeasuredTask(work.ref, {})
    from sae_checks.load.tasks.items import load_items

    progress.phase(f"reading task {work.ref.name}")
    loading = request.release.loading
    try:
        items = load_items(
            work.task,
            work.ref,
            loaded.model.tokenizer,
            revision=work.ref.version if work.task.hub else None,
            context=loaded.model.context,
            prepend_bos=loading.prepend_bos,
        )
    except TaskError as error:
        return MeasuredTask(work.ref, {}, str(error))
    _measure_items(request, loaded, work, items, texts, progress)
    _ablate(request, loaded, work, items, progress)
    return MeasuredTask(work.ref, _description(items))


def _description(items: Items) -> dict[str, object]:
    return {**items.description, "fingerprint": items.fingerprint}


def _measure_items(
    request: Request,
    loaded: LoadedModels,
    work: TaskWork,
    items: Items,
    texts: Mapping[str, ContextTable],
    progress: Progress,
) -> None:
    from sae_checks.evals.tasks.engine import measure_items

    saes, model, settings = (
        loaded.of(work.unmeasured),
        loaded.model,
        loaded.settings,
    )
    if model is None or not saes:
        return

    def measure_part(some: Sequence[LoadedSae], rows: slice) -> dict[str, TaskTable]:
        part = items.part(rows)
        found = measure_items(model, some, work.ref, part, work.plan, settings, progress.advance)
        return {name: replace(table, complete=rows.stop == count) for name, table in found.items()}

    count, name = len(items.items), work.ref.name
    for sae in saes:  # a table with fewer columns than are measured now begins anew
        if not _covers(work.tables.get(sae.ref.sae_id), work.plan):
            work.tables.pop(sae.ref.sae_id, None)
    there = sum(work.tables[s.ref.sae_id].items for s in saes if s.ref.sae_id in work.tables)
    most = "at most " if request.adaptive else ""
    progress.start(
        f"measuring {counted(len(saes), 'SAE')} on {most}{counted(count, 'item')} of {name}",
        len(saes) * count - there,
    )
    Blocks(
        size=count,
        first=FIRST_ITEMS if request.adaptive else count,
        length=lambda table: table.items,
        measure=measure_part,
        join=join_items,
        unsettled=lambda: request.stopping.unsettled(
            request.so_far(texts, {name: work.tables}), name, count
        ),
        progress=progress.advance,
    ).grow(work.tables, saes)
    for sae in saes:
        request.store.write_task(work.tables[sae.ref.sae_id], _description(items))


def _covers(table: TaskTable | None, plan: ItemPlan) -> bool:
    """Whether a table has all the columns of a plan."""
    return table is not None and plan.columns - {ABLATIONS} <= task_columns(table)


def _ablate(
    request: Request, loaded: LoadedModels, work: TaskWork, items: Items, progress: Progress
) -> None:
    from sae_checks.evals.tasks.ablation import ablate, choose

    asked = request.options.ablate
    chosen = {
        sae.sae_id: choose(work.tables[sae.sae_id], asked)
        for sae in work.unablated
        if sae.sae_id in work.tables
    }
    saes = [sae for sae in loaded.of(work.unablated) if sae.ref.sae_id in chosen]
    if loaded.model is None or not saes:
        return
    lengths = {sae.ref.sae_id: work.tables[sae.ref.sae_id].items for sae in saes}
    progress.start(
        f"ablating features of {counted(len(saes), 'SAE')} on {work.ref.name}",
        sum(lengths.values()),
    )
    for length in sorted(set(lengths.values())):
        found = ablate(
            loaded.model,
            [sae for sae in saes if lengths[sae.ref.sae_id] == length],
            items.part(slice(length)),
            work.ref.feature_window,
            chosen,
            loaded.settings,
            progress.advance,
        )
        for sae_id, ablations in found.items():
            table = replace(work.tables[sae_id], ablations=replace(ablations, asked=asked))
            request.store.write_task(table, _description(items))
            work.tables[sae_id] = table
