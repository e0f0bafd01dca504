"""The gate: from options to verdicts, stage by stage; no pytest, and no torch before measuring."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from sae_checks.baseline.comparison import Comparison
from sae_checks.baseline.source import StoredBaseline, refuse_baseline_options
from sae_checks.errors import UnmeasuredError
from sae_checks.evals.collect import CellCollector
from sae_checks.evals.tasks.table import TaskTable
from sae_checks.judge.check import Check
from sae_checks.judge.thresholds import Thresholds
from sae_checks.judge.verdict import Verdict
from sae_checks.measure.progress import Progress
from sae_checks.options import Options
from sae_checks.records import Measurement, PositionRange, Release, TaskRef
from sae_checks.records.place import CellRef
from sae_checks.session.compared import run_comparison
from sae_checks.session.datasets import reads
from sae_checks.session.decision import DecisionRule
from sae_checks.session.family import Family
from sae_checks.session.limits import refuse_many_tasks, run_thresholds
from sae_checks.session.measuring import measuring_request
from sae_checks.session.ranges import RangesBySae, default_ranges, family_ranges, run_ranges
from sae_checks.session.setup import resolve_run
from sae_checks.session.suite import bundled_checks
from sae_checks.store import Store

if TYPE_CHECKING:
    from sae_checks.load.tasks.task import Task
    from sae_checks.measure.request import Request


class Gate:
    """One run of the suite on one release.

    Args:
        options: what the run is asked to do.

    Raises:
        UserError: the release, the model or the corpus cannot be made out, or the thresholds are
            malformed; nothing has been loaded then.
    """

    def __init__(self, options: Options) -> None:
        refuse_baseline_options(options)
        self.options = options
        self._run = resolve_run(options)
        self.release, self.context = self._run.release, self._run.context
        self.stored = self._run.stored
        self.measurement: Measurement | None = None
        self._cells: dict[Check, list[CellRef]] = {}
        self._collected: dict[str, Check] = {}  # whose limits were read, beside the suite's own
        # The rule that cells are judged by, and the thresholds it is for.
        self._rule: tuple[Thresholds, DecisionRule] | None = None

    @property
    def corpus(self) -> str:
        """The name of the corpus measured on."""
        return self._run.corpus

    @property
    def shift(self) -> str:
        """The name of the second corpus; "" where there is none."""
        return self._run.shift

    @property
    def device(self) -> str:
        """What is computed on; "" where a stored measurement is judged."""
        return self._run.device

    @property
    def store(self) -> Store | None:
        """Where this run's measurements are kept; None when it judges stored ones."""
        return self._run.store(self.options)

    @property
    def adaptive(self) -> bool:
        """Whether measuring stops, or did, where verdicts are clear.

        A comparison needs the baseline's own texts, so that nothing stops before them.
        """
        if self.stored is not None:
            return self.stored.manifest.adaptive or not self.stored.complete
        return not (self.options.fixed or self.options.baseline)

    @cached_property
    def ranges(self) -> RangesBySae:
        """The position ranges of each SAE."""
        return run_ranges(self.release, self.context, self.options.ranges)

    @cached_property
    def _family_ranges(self) -> RangesBySae:
        """The ranges that share an error."""
        return family_ranges(self.release, self.context, self.ranges)

    @cached_property
    def tasks(self) -> tuple[TaskRef, ...]:
        """The tasks of the run."""
        if self.stored is not None:
            return tuple(entry.task for entry in self.stored.manifest.tasks)
        return tuple(ref for _, ref in self._tasks)

    @cached_property
    def _tasks(self) -> tuple[tuple[Task, TaskRef], ...]:
        """The tasks to measure; looked up when a check first asks, as the hub may have to be."""
        from sae_checks.session.task_setup import find_tasks

        assert self._run.provenance is not None, "what is not stored has a provenance"
        return find_tasks(self.options, self._run.provenance)

    @property
    def judged_part(self) -> frozenset[str] | None:
        """The interventions that are stored, where only some of the SAEs measured are judged."""
        whole = len(self.release.saes) == self.release.size
        if self.stored is None or not self.options.ids or whole:
            return None
        return frozenset(key.intervention for key in self.stored.tables)

    def cells(self, check: Check) -> list[CellRef]:
        """The cells a check is asked about, one test each."""
        if check not in self._cells:
            self._cells[check] = self._collect(check)
        return list(self._cells[check])

    def _collect(self, check: Check) -> list[CellRef]:
        # Only checks of tasks ask which there are.
        tasks = self.tasks if reads(check, "item") else ()
        ablated = frozenset(task.name for task in tasks if self._ablates(task.name))
        collector = CellCollector(
            self.release, self.context, self.ranges, tasks, ablated, self.shift, self.judged_part
        )
        return collector.cells(check)

    def cells_of(self, release: Release, checks: Iterable[Check]) -> list[tuple[Check, CellRef]]:
        """The cells that checks would have on another description of the release."""
        ranges = default_ranges(release, self.context)
        none = frozenset[str]()
        collector = CellCollector(release, self.context, ranges, self.tasks, none, self.shift)
        return [(check, ref) for check in checks for ref in collector.cells(check)]

    def _ablates(self, task: str) -> bool:
        """Whether features are ablated on a task, or were on any SAE of what is stored."""
        if self.stored is None:
            return self.options.ablate > 0
        tables = self.stored.of(TaskTable, task).values()
        return any(table.ablations is not None for table in tables)

    @cached_property
    def comparison(self) -> Comparison | None:
        """With the baseline that is asked for; None where none is, or it is being written.

        Raises:
            BaselineError: there is no such baseline, or SAEs are matched that do not exist.
        """
        stored = partial(stored_baseline, ranges=self.options.ranges)
        return run_comparison(self._run, self.options, stored)

    def regressions(self, check: Check) -> list[CellRef]:
        """The comparisons of a check's cells with the baseline; none without one."""
        if self.comparison is None:
            return []
        options = self.options
        return self.comparison.cells(
            check,
            self.cells(check),
            self.release.name,
            narrowed=bool(options.ids or options.ranges),
            tasks=None if options.task is None else {task.name for task in self.tasks},
        )

    def read_thresholds(self, collected: Iterable[Check]) -> Thresholds:
        """The limits for the suite's checks and for those collected beside it."""
        self._collected = {check.name: check for check in collected}
        self._rule = None
        return run_thresholds(self.options.thresholds, self._collected)

    def refuse_many_tasks(self, thresholds: Thresholds, asked: Collection[str]) -> None:
        """Refuse checks on more tasks than the error of the claims is shared by.

        Raises:
            UserError: there are more.
        """
        refuse_many_tasks(thresholds, asked, stored=self.stored is not None)

    def measure(
        self,
        wanted: Iterable[tuple[Check, CellRef]],
        thresholds: Thresholds,
        progress: Progress,
    ) -> None:
        """Measure what checks need on their cells, as far as verdicts need it and none is stored.

        Raises:
            UserError: the model, the device or the corpus is not available.
        """
        wanted = list(wanted)
        if self.comparison is not None:  # told before anything is measured in vain
            self.comparison.refuse_other_terms(thresholds, wanted)
        if self.stored is not None:
            self.measurement = self.stored
        else:
            from sae_checks.measure.run import measure_release

            self.measurement = measure_release(self.request(wanted, thresholds), progress)
        if self.comparison is not None and not self.options.plan:
            self.comparison.prepare(self.measurement, thresholds, wanted)

    def request(self, wanted: list[tuple[Check, CellRef]], thresholds: Thresholds) -> Request:
        """What measuring these checks on these cells takes."""
        rule = self.rule(thresholds)
        return measuring_request(self._run, self.options, wanted, lambda: self._tasks, rule)

    def verdict(self, check: Check, ref: CellRef, thresholds: Thresholds) -> Verdict:
        """Judge one cell.

        Raises:
            UnmeasuredError: the cell's SAE (any SAE, for a cell of the whole release) or its task
                could not be measured.
        """
        if self.measurement is None:
            raise UnmeasuredError("nothing has been measured yet")
        return self.rule(thresholds).verdict(self.measurement, check, ref)

    def rule(self, thresholds: Thresholds) -> DecisionRule:
        """By which the run's cells are judged: one, which knows the verdicts that it has given."""
        if self._rule is None or self._rule[0] is not thresholds:
            checks = {**self._collected, **bundled_checks()}
            family = Family(thresholds, checks, self.release.size, self._family_ranges)
            rule = DecisionRule(thresholds, family, self.adaptive, self.comparison)
            self._rule = (thresholds, rule)
        return self._rule[1]


def stored_baseline(folder: Path, ranges: tuple[PositionRange, ...] = ()) -> StoredBaseline:
    """The baseline that a stored measurement makes; in these ranges, else in the default ones.

    Raises:
        UserError: it cannot be read, or is not whole.
    """
    gate = Gate(Options(measurements=folder, ranges=ranges))
    assert gate.stored is not None, "a stored measurement"
    return StoredBaseline(folder, gate.stored, gate.cells)
