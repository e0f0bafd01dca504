"""Measure the tasks of a run: items, features, and features ablated, as far as none are stored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sae_checks.errors import TaskError
from sae_checks.measure.bench import Bench
from sae_checks.measure.plan import ABLATIONS, FEATURES, ItemPlan
from sae_checks.measure.progress import Progress
from sae_checks.measure.request import Request
from sae_checks.records import SaeRef, TaskRef, TaskTable
from sae_checks.store import MeasuredTask
from sae_checks.wording import counted

if TYPE_CHECKING:
    from sae_checks.load.tasks.items import Items
    from sae_checks.load.tasks.task import Task


@dataclass(frozen=True)
class TaskWork:
    """One task: the tables that are there, and the SAEs that lack one or its ablations."""

    task: Task
    ref: TaskRef
    tables: dict[str, TaskTable]
    unmeasured: tuple[SaeRef, ...]
    unablated: tuple[SaeRef, ...]  # measured or not
    plan: ItemPlan  # for those that were not measured

    @property
    def missing(self) -> tuple[SaeRef, ...]:
        """The SAEs that something is to be done with."""
        return tuple(dict.fromkeys((*self.unmeasured, *self.unablated)))


def plan_tasks(request: Request) -> list[TaskWork]:
    """What is to be measured of each task."""
    return [_plan_task(request, task, ref) for task, ref in request.tasks]


def _plan_task(request: Request, task: Task, ref: TaskRef) -> TaskWork:
    ablations = {ABLATIONS} if request.options.ablate else set()
    plan = ItemPlan.of(request.needs, ref.columns | ablations)
    ablates = ABLATIONS in plan.columns
    # Which features are ablated is chosen by their scores.
    needed = ItemPlan((plan.columns - {ABLATIONS}) | ({FEATURES} if ablates else set()))
    columns = needed.columns
    tables: dict[str, TaskTable] = {}
    for sae in request.task_saes:
        stored = request.store.read_task(ref, sae)
        if stored is not None and ItemPlan(stored.columns).covers(needed):
            tables[sae.sae_id] = stored.table
        elif stored is not None:  # what was stored for fewer columns is measured again with both
            columns |= stored.columns - {ABLATIONS}
    unmeasured = tuple(sae for sae in request.task_saes if sae.sae_id not in tables)
    unablated: tuple[SaeRef, ...] = ()
    if ablates:
        unablated = tuple(
            sae
            for sae in request.task_saes
            if not _has_ablations(tables.get(sae.sae_id), request.options.ablate)
        )
    return TaskWork(task, ref, tables, unmeasured, unablated, ItemPlan(columns))


def _has_ablations(table: TaskTable | None, asked: int) -> bool:
    return table is not None and table.ablations is not None and table.ablations.asked == asked


def measure_task(
    request: Request, bench: Bench, work: TaskWork, progress: Progress
) -> MeasuredTask:
    """Measure and store what is missing of a task; a task without items is told, not raised."""
    if bench.model is None or not bench.of(work.missing):
        return MeasuredTask(work.ref, {})
    from sae_checks.load.tasks.items import load_items

    progress.phase(f"reading task {work.ref.name}")
    loading = request.release.loading
    try:
        items = load_items(
            work.task,
            work.ref,
            bench.model.tokenizer,
            revision=work.ref.version if work.task.hub else None,
            context=bench.model.context,
            prepend_bos=loading.prepend_bos,
        )
    except TaskError as error:
        return MeasuredTask(work.ref, {}, str(error))
    _measure_items(request, bench, work, items, progress)
    _ablate(request, bench, work, items, progress)
    return MeasuredTask(work.ref, {**items.description, "fingerprint": items.fingerprint})


def _measure_items(
    request: Request, bench: Bench, work: TaskWork, items: Items, progress: Progress
) -> None:
    from sae_checks.measure.tasks.engine import measure_items

    saes = bench.of(work.unmeasured)
    if bench.model is None or not saes:
        return
    count = len(items.items)
    progress.start(
        f"measuring {counted(len(saes), 'SAE')} on {counted(count, 'item')} of {work.ref.name}",
        len(saes) * count,
    )
    measured = measure_items(
        bench.model, saes, work.ref, items, work.plan, bench.settings, progress.advance
    )
    for sae_id, table in measured.items():
        request.store.write_task(table)
        work.tables[sae_id] = table


def _ablate(
    request: Request, bench: Bench, work: TaskWork, items: Items, progress: Progress
) -> None:
    from sae_checks.measure.tasks.ablation import ablate, choose

    asked = request.options.ablate
    chosen = {
        sae.sae_id: choose(work.tables[sae.sae_id], asked)
        for sae in work.unablated
        if sae.sae_id in work.tables
    }
    saes = [sae for sae in bench.of(work.unablated) if sae.ref.sae_id in chosen]
    if bench.model is None or not saes:
        return
    progress.start(
        f"ablating features of {counted(len(saes), 'SAE')} on {work.ref.name}",
        len(saes) * len(items.items),
    )
    found = ablate(
        bench.model,
        saes,
        items,
        work.ref.feature_window,
        chosen,
        bench.settings,
        progress.advance,
    )
    for sae_id, ablations in found.items():
        table = replace(work.tables[sae_id], ablations=replace(ablations, asked=asked))
        request.store.write_task(table)
        work.tables[sae_id] = table
