"""The kinds of cells of stacks: a whole one on texts or on a task, and each of its SAEs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from sae_checks.errors import UnmeasuredError
from sae_checks.evals.collect import CellCollector
from sae_checks.evals.context.kinds import NAME as ALONE
from sae_checks.evals.context.kinds import text_cell
from sae_checks.evals.kind import CellKind, Registration
from sae_checks.evals.selector import CellSelector, refuse_less
from sae_checks.evals.stack import EVALUATION, ON_TASKS
from sae_checks.evals.stack.cells import StackCell, StackedSaeCell
from sae_checks.evals.stack.choice import STACK, Stack, StackName, said, stacks, stored_stacks, told
from sae_checks.evals.stack.tables import StackTable, StackTaskTable
from sae_checks.evals.tasks.cells import TaskCell
from sae_checks.judge.check import Check
from sae_checks.judge.thresholds import Gate
from sae_checks.records import TEXTS, Intervention, PositionRange, SaeRef, Table, TableKey
from sae_checks.records.place import CellRef, Place
from sae_checks.records.ranges import in_context_range
from sae_checks.records.release import shortest_training_context
from sae_checks.records.selectors import POSITIONS, TASK

_Table = TypeVar("_Table", bound=Table)


def _positions(stack: Sequence[SaeRef], context: int) -> PositionRange:
    """Those that all SAEs of a stack were trained on."""
    return in_context_range(shortest_training_context(stack), context)


def _whole(collector: CellCollector, check: Check) -> Iterable[CellRef]:
    for stack in stored_stacks(collector.release.saes, collector.stored):
        place = _place(collector.release.name, stack)
        positions = _positions(stack, collector.context)
        yield CellRef(check.cells, place.at(POSITIONS, positions), stack)


def _each_sae(collector: CellCollector, check: Check) -> Iterable[CellRef]:
    """In the order of the release; the SAE's own place, as it is in no other stack."""
    found = stored_stacks(collector.release.saes, collector.stored)
    stack_of = {sae.sae_id: each for each in found for sae in each}
    for sae in collector.release.saes:
        if stack := stack_of.get(sae.sae_id):
            place = Place.of_sae(collector.release.name, sae)
            positions = _positions(stack, collector.context)
            others = tuple(other for other in stack if other != sae)
            yield CellRef(check.cells, place.at(POSITIONS, positions), (sae, *others))


def _per_task(collector: CellCollector, check: Check) -> Iterable[CellRef]:
    for stack in stored_stacks(collector.release.saes, collector.stored):
        for task in collector.tasks:
            place = _place(collector.release.name, stack).at(TASK, task.name)
            yield CellRef(check.cells, place, stack)


def _place(release: str, stack: Stack) -> Place:
    return Place.of_release(release).at(STACK, StackName.of(stack))


def _given_whole(selector: CellSelector, check: Check, ref: CellRef) -> StackCell:
    return _stack_cell(selector, check, ref, ref.saes)


def _given_sae(selector: CellSelector, check: Check, ref: CellRef) -> StackedSaeCell:
    (stack,) = stacks(ref.saes)
    whole = _stack_cell(selector, check, ref, stack)
    return StackedSaeCell(**vars(whole), index=stack.index(ref.saes[0]))


def _given_with_each(selector: CellSelector, check: Check, ref: CellRef) -> StackCell:
    """SAEs may have been measured on fewer of the same texts than their stack: those of all."""
    whole = _stack_cell(selector, check, ref, ref.saes)
    alone = [text_cell(selector, check, s, Place.of_sae(ref.release, s)).table for s in ref.saes]
    tables = (*whole.prefixes, *alone)
    fewest = min(table.rows for table in tables)
    return replace(
        whole,
        prefixes=tuple(_first(table, fewest) for table in whole.prefixes),
        alone=tuple(_first(table, fewest) for table in alone),
        coverage=selector.coverage_of(all(table.complete for table in tables)),
    )


def _stack_cell(selector: CellSelector, check: Check, ref: CellRef, stack: Stack) -> StackCell:
    prefixes = tuple(_table(selector, StackTable, TEXTS, stack, sae.sae_id) for sae in stack)
    needs = check.needs & EVALUATION.names
    refuse_less(check, str(StackName.of(stack)), needs, prefixes[-1].measured)
    return StackCell(
        ref.place,
        check.name,
        selector.thresholds,
        ref.place["positions"],
        prefixes,
        coverage=selector.coverage_of(prefixes[-1].complete),
    )


def _given_task(selector: CellSelector, check: Check, ref: CellRef) -> TaskCell:
    task, failures = ref["task"], selector.measurement.dataset_failures
    if task in failures:
        raise UnmeasuredError(failures[task])
    table = _table(selector, StackTaskTable, task, ref.saes)
    coverage = selector.coverage_of(table.complete)
    return TaskCell(ref.place, table, check.name, selector.thresholds, coverage)


def _table(
    selector: CellSelector, kind: type[_Table], dataset: str, stack: Stack, observed: str = ""
) -> _Table:
    """A table of a stack.

    Raises:
        UnmeasuredError: it was not measured; names the SAEs without which it could not be.
    """
    measurement = selector.measurement
    key = TableKey(kind.EVALUATION, dataset, Intervention(stack).name, observed)
    table = measurement.tables.get(key)
    if isinstance(table, kind):
        return table
    for sae in stack:
        if sae.sae_id in measurement.failures:
            reason = measurement.failures[sae.sae_id]
            raise UnmeasuredError(
                f"the stack of {said(stack)} cannot be spliced in whole: {reason}"
            )
    where = "on texts" if dataset == TEXTS else f"on task {dataset}"
    raise UnmeasuredError(
        f"the stack of {said(stack)} was not measured {where}: measure these SAEs again, and no "
        "others with them"
    )


def _first(table: _Table, rows: int) -> _Table:
    return table if table.rows == rows else table.keep(slice(rows))


def _on_texts(check: Check) -> frozenset[str]:
    return frozenset({EVALUATION.name})


def _with_each_alone(check: Check) -> frozenset[str]:
    return frozenset({EVALUATION.name, ALONE})


def _on_tasks(check: Check) -> frozenset[str]:
    return frozenset({ON_TASKS.name})


def _per_allowed_task(gate: Gate, saes: int) -> int:
    return gate.tasks


WHOLE = CellKind("stack", _whole, _given_whole, _on_texts)
BESIDE_EACH = CellKind("stack_beside_saes", _whole, _given_with_each, _with_each_alone)
OF_SAE = CellKind("stacked_sae", _each_sae, _given_sae, _on_texts)
OF_TASK = CellKind(
    "stack_task", _per_task, _given_task, _on_tasks, of_positions=False, parts=_per_allowed_task
)

STACKS = Registration((WHOLE, BESIDE_EACH, OF_SAE), EVALUATION, (STACK,), told)
STACKS_ON_TASKS = Registration((OF_TASK,), ON_TASKS, note=told)
