"""The kinds of cells on the items of a task: of one SAE, or of a whole release."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sae_checks.errors import UnmeasuredError
from sae_checks.evals.collect import CellCollector
from sae_checks.evals.context.columns import NEEDS as TEXT_NEEDS
from sae_checks.evals.context.kinds import NAME as ON_TEXTS
from sae_checks.evals.context.kinds import on_the_same_texts
from sae_checks.evals.kind import CellKind, Registration
from sae_checks.evals.selector import CellSelector, refuse_less
from sae_checks.evals.tasks import EVALUATION
from sae_checks.evals.tasks.cells import TaskCell
from sae_checks.evals.tasks.columns import NEEDS
from sae_checks.evals.tasks.release import TaskReleaseCell
from sae_checks.evals.tasks.table import ABLATIONS, TaskTable
from sae_checks.judge.check import Check
from sae_checks.judge.thresholds import Gate
from sae_checks.records import SaeRef, TaskRef
from sae_checks.records.place import CellRef, Place
from sae_checks.records.selectors import TASK

NAME = EVALUATION.name


def _per_sae(collector: CellCollector, check: Check) -> Iterable[CellRef]:
    tasks = _tasks_with(collector, check)
    for sae in collector.saes_for(check):
        place = Place.of_sae(collector.release.name, sae)
        for task in tasks:
            yield CellRef(check.cells, place.at(TASK, task.name), (sae,))


def _per_task(collector: CellCollector, check: Check) -> Iterable[CellRef]:
    if not collector.have_a_trend(check):
        return
    place = Place.of_release(collector.release.name)
    for task in _tasks_with(collector, check):
        yield CellRef(check.cells, place.at(TASK, task.name))


def _tasks_with(collector: CellCollector, check: Check) -> list[TaskRef]:
    """The tasks that have what a check needs: candidates, for one, or ablated features."""
    needs = check.needs & NEEDS
    return [task for task in collector.tasks if needs <= _offered(collector, task)]


def _offered(collector: CellCollector, task: TaskRef) -> frozenset[str]:
    return task.columns | ({ABLATIONS} if task.name in collector.ablated else set())


def _given_sae(selector: CellSelector, check: Check, ref: CellRef) -> TaskCell:
    (sae,) = ref.saes
    return _task_cell(selector, check, ref.place, sae)


def _given_release(selector: CellSelector, check: Check, ref: CellRef) -> TaskReleaseCell:
    release, saes = selector.measurement.release.name, selector.measurement.release.saes
    places = [(sae, Place.of_sae(release, sae).at(TASK, ref["task"])) for sae in saes]
    cells = [_task_cell(selector, check, place, sae) for sae, place in places]
    fewest = min(cell.table.items for cell in cells)
    return TaskReleaseCell(
        tuple(_with_items(selector, cell, fewest) for cell in cells),
        on_the_same_texts(selector, check, saes if check.needs & TEXT_NEEDS else ()),
    )


def _task_cell(selector: CellSelector, check: Check, place: Place, sae: SaeRef) -> TaskCell:
    measurement, task = selector.measurement, place["task"]
    if task in measurement.dataset_failures:
        raise UnmeasuredError(measurement.dataset_failures[task])
    table = measurement.find(TaskTable, task, sae.sae_id)
    if table is None:
        raise selector.unmeasured(sae, f"on task {task}")
    refuse_less(check, f"{sae.sae_id} on {task}", check.needs & NEEDS, table.measured)
    coverage = selector.coverage_of(table.complete)
    return TaskCell(place, table, check.name, selector.thresholds, coverage)


def _with_items(selector: CellSelector, cell: TaskCell, items: int) -> TaskCell:
    if cell.table.items == items:
        return cell
    part = selector.coverage_of(False)
    return replace(cell, table=cell.table.keep(slice(items)), coverage=part)


def _evaluations(check: Check) -> frozenset[str]:
    return frozenset({NAME, ON_TEXTS} if check.needs & TEXT_NEEDS else {NAME})


def _per_allowed_task(gate: Gate, saes: int) -> int:
    """A check asks about so many tasks at most."""
    return gate.tasks


PER_SAE = CellKind(
    "task",
    _per_sae,
    _given_sae,
    _evaluations,
    of_positions=False,
    parts=_per_allowed_task,
)
PER_RELEASE = CellKind(
    "task_release",
    _per_task,
    _given_release,
    _evaluations,
    whole_release=True,
    of_positions=False,
    parts=_per_allowed_task,
)

TASKS = Registration((PER_SAE, PER_RELEASE), EVALUATION)
