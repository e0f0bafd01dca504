"""What a check's function is given to see: a cell cut from a measurement, or why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from sae_checks.checking import CellRef, Check
from sae_checks.errors import UserError
from sae_checks.evals.context import EVALUATION as CONTEXT
from sae_checks.evals.context.cells import Cell, ReleaseCell
from sae_checks.evals.context.table import ContextTable
from sae_checks.evals.tasks import EVALUATION as TASKS
from sae_checks.evals.tasks.cells import TaskCell
from sae_checks.evals.tasks.release import TaskReleaseCell
from sae_checks.evals.tasks.table import TaskTable
from sae_checks.judge.coverage import Coverage
from sae_checks.judge.thresholds import Thresholds
from sae_checks.records import TEXTS, Measurement, PositionRange, SaeRef

AnyCell = Cell | ReleaseCell | TaskCell | TaskReleaseCell


class UnmeasuredError(UserError):
    """What a check needs could not be measured."""


@dataclass(frozen=True)
class CellSelector:
    """A measurement, as the checks see it.

    Args:
        measurement: of a release or some of its SAEs.
        thresholds: which the cells are held to.
        coverage: of the intervals.
    """

    measurement: Measurement
    thresholds: Thresholds
    coverage: Coverage

    def cell(self, check: Check, ref: CellRef) -> AnyCell:
        """What the check's function gets to see.

        Raises:
            UnmeasuredError: the SAE (any SAE, for a cell of the whole release) or the task could
                not be measured, or what is stored of it lacks what the check needs.
        """
        saes = self.measurement.release.saes
        if ref.task is None:
            if ref.sae is not None:
                return self._text_cell(check, ref, ref.sae)
            return ReleaseCell(self._on_the_same_texts(check, ref, saes))
        if ref.sae is not None:
            return self._task_cell(check, ref.task, ref.sae)
        texts = saes if check.needs & CONTEXT.names else ()
        cells = [self._task_cell(check, ref.task, sae) for sae in saes]
        fewest = min(cell.table.items for cell in cells)
        return TaskReleaseCell(
            tuple(self._with_items(cell, fewest) for cell in cells),
            self._on_the_same_texts(check, ref, texts),
        )

    def _text_cell(self, check: Check, ref: CellRef, sae: SaeRef) -> Cell:
        table = self.measurement.find(ContextTable, TEXTS, sae.sae_id)
        if table is None:
            raise self._unmeasured(sae, "on texts")
        _refuse_less(check, sae.sae_id, check.needs & CONTEXT.names, table.measured)
        positions = ref.positions or PositionRange(1, self.measurement.context - 2)
        kind = ref.kind if ref.kind in ("in_context", "past_context") else "sae"
        release = self.measurement.release.name
        coverage = self._of(table.complete)
        return Cell(release, table, kind, positions, check.name, self.thresholds, coverage)

    def _task_cell(self, check: Check, task: str, sae: SaeRef) -> TaskCell:
        if task in self.measurement.dataset_failures:
            raise UnmeasuredError(self.measurement.dataset_failures[task])
        table = self.measurement.find(TaskTable, task, sae.sae_id)
        if table is None:
            raise self._unmeasured(sae, f"on task {task}")
        where = f"{sae.sae_id} on {task}"
        _refuse_less(check, where, check.needs & TASKS.names, table.measured)
        return TaskCell(
            self.measurement.release.name,
            table,
            check.name,
            self.thresholds,
            self._of(table.complete),
        )

    def _on_the_same_texts(
        self, check: Check, ref: CellRef, saes: Sequence[SaeRef]
    ) -> tuple[Cell, ...]:
        """SAEs may have been measured on more or fewer of the same texts: those that all have."""
        cells = [self._text_cell(check, ref, sae) for sae in saes]
        fewest = min((cell.table.texts for cell in cells), default=0)
        return tuple(
            cell
            if cell.table.texts == fewest
            else replace(cell, table=cell.table.keep(slice(fewest)), coverage=self._of(False))
            for cell in cells
        )

    def _with_items(self, cell: TaskCell, items: int) -> TaskCell:
        if cell.table.items == items:
            return cell
        return replace(cell, table=cell.table.keep(slice(items)), coverage=self._of(False))

    def _of(self, complete: bool) -> Coverage:
        """The coverage of intervals from a table that is complete, or not."""
        return self.coverage.at_the_end() if complete else self.coverage.on_the_way()

    def _unmeasured(self, sae: SaeRef, where: str) -> UnmeasuredError:
        reason = self.measurement.failures.get(sae.sae_id)
        return UnmeasuredError(reason or f"SAE {sae.sae_id!r} was not measured {where}")


def _refuse_less(
    check: Check, where: str, needs: AbstractSet[str], columns: AbstractSet[str]
) -> None:
    missing = needs - columns
    if missing:
        raise UnmeasuredError(
            f"{check.name} needs {', '.join(sorted(missing))}, which the stored tables of "
            f"{where!r} lack; measure again without --sae-measurements"
        )
