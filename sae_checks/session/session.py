"""One run: what was asked of it, what came out; what it gives to reports is `session.result`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from functools import cached_property

from sae_checks.baseline.comparison import comparison_of
from sae_checks.baseline.paired import improved
from sae_checks.errors import UserError
from sae_checks.evals.tasks.table import TaskTable
from sae_checks.judge.check import Check
from sae_checks.judge.coverage import Coverage
from sae_checks.judge.thresholds import KnownFailure, Thresholds
from sae_checks.judge.verdict import Verdict
from sae_checks.measure.progress import Progress, Stopwatch
from sae_checks.options import Options
from sae_checks.records.place import CellRef
from sae_checks.session.accepted import StaleSearch, not_accepted, ran_whole
from sae_checks.session.budget import passes
from sae_checks.session.facts import run_facts
from sae_checks.session.features import task_features
from sae_checks.session.gate import Gate
from sae_checks.session.heaviest import heaviest_units
from sae_checks.session.plan import plan_budget
from sae_checks.session.result import (
    BaselineWriting,
    BudgetPlan,
    Failing,
    NotAccepted,
    Outcome,
    RunFacts,
    RunResult,
    TaskFeatures,
)
from sae_checks.session.suite import bundled_checks


class Session:
    """A run of the suite.

    A mistake of the user met while collecting is kept in `failed` and raised by `prepare`, because
    pytest shows what is raised during collection with a traceback.
    """

    def __init__(self, options: Options, progress: Progress) -> None:
        self.options = options
        self.progress = progress
        self.failed: UserError | None = None
        self.outcomes: list[Outcome] = []
        self.thresholds = Thresholds()
        self.today = date.today()
        self._checks: dict[str, Check] = {}  # those met while collecting, by name
        self._plan: BudgetPlan | None = None

    @cached_property
    def gate(self) -> Gate:
        """The gate on the run's release."""
        return Gate(self.options)

    def cells(self, check: Check) -> list[CellRef]:
        """The cells of a check that was met; none if the release cannot be made out."""
        self._checks[check.name] = check
        if self.failed is not None:
            return []
        try:
            return self.gate.cells(check)
        except UserError as error:
            self.failed = error
            return []

    def regressions(self, check: Check) -> list[CellRef]:
        """The comparisons of a check with the baseline; none where it cannot be had."""
        if self.failed is not None:
            return []
        try:
            return self.gate.regressions(check)
        except UserError as error:
            self.failed = error
            return []

    def asks(self, check: Check, cell: CellRef) -> bool:
        """Whether a cell is a test: a comparison is one only where the limits give a margin."""
        if check.compared is None:
            return True
        limit = self.thresholds.limit(check.compared.name, cell.place)
        return limit.compared(self.options.question) is not None

    def prepare(self, collected: Sequence[tuple[Check, CellRef]]) -> None:
        """Read the limits, and look up once those of the cells that were collected.

        Raises:
            UserError: what was kept in `failed`, or malformed thresholds.
        """
        if self.failed is not None:
            raise self.failed
        self.thresholds = self.gate.read_thresholds(self._checks.values())
        # Overrides that contradict each other show only where a cell matches both.
        for check, cell in collected:
            self.thresholds.limit((check.compared or check).name, cell.place)
        tasks = {cell["task"] for _, cell in collected if "task" in cell}
        self.gate.refuse_many_tasks(self.thresholds, tasks)

    @cached_property
    def facts(self) -> RunFacts:
        """What is gated, on what, at what budget; once the checks have been collected."""
        facts = run_facts(self.gate, self._checks.values())
        return replace(facts, changes=self.thresholds.changes)

    def known_failure(self, check: Check, cell: CellRef) -> KnownFailure | None:
        """The accepted failure that covers a cell, if any does and its day has not passed."""
        return self.thresholds.known_failure(check.title, cell.place, self.today)

    def not_accepted(self, check: Check, cell: CellRef, verdict: Verdict) -> NotAccepted | None:
        """The accepted failure that covers a failing cell but does not accept it."""
        return not_accepted(self.thresholds, self.today, check, cell, verdict)

    def measure(self, wanted: Sequence[tuple[Check, CellRef]]) -> None:
        """Measure what these checks need on these cells."""
        try:
            self.gate.measure(wanted, self.thresholds, self.progress)
        finally:
            self.progress.close()

    def plan(self, wanted: Sequence[tuple[Check, CellRef]]) -> None:
        """Measure a pilot, and plan by it what the whole budget would cost and could tell.

        Raises:
            UserError: a stored measurement is judged, so that nothing is measured.
        """
        if self.gate.stored is not None:
            raise UserError(
                "--sae-plan tells of a measurement to be made, --sae-measurements judges one that "
                "was: leave one of the two out"
            )
        watch = Stopwatch(self.progress)
        try:
            self.gate.measure(wanted, self.thresholds, watch)
        finally:
            watch.close()
        assert self.gate.measurement is not None, "the pilot was measured"
        rule = self.gate.rule(self.thresholds)
        self._plan = plan_budget(rule, self.gate.measurement, wanted, watch.seconds)

    def judge(self, check: Check, cell: CellRef) -> Verdict:
        """The verdict on one cell; raises `UnmeasuredError` where there is none."""
        return self.gate.verdict(check, cell, self.thresholds)

    def record(self, check: Check, cell: CellRef, outcome: str, verdict: Verdict | None) -> None:
        """Remember what became of a test."""
        self.outcomes.append(Outcome(check, cell, outcome, verdict))

    def failing(self, check: Check, cell: CellRef, verdict: Verdict) -> Failing:
        """What there is to say of a test that fails."""
        failing = Failing(
            check,
            cell,
            verdict,
            not_accepted=self.not_accepted(check, cell, verdict),
            features=self._features(cell.task, cell.sae.sae_id) if cell.task and cell.sae else None,
        )
        measurement = self.gate.measurement
        if cell.family != "claim" or cell.absent is not None or measurement is None:
            return failing
        return replace(
            failing,
            ranges=self._ranges_of(check, cell),
            heaviest=heaviest_units(measurement, cell, verdict),
        )

    def _ranges_of(self, check: Check, cell: CellRef) -> tuple[tuple[str, Verdict], ...]:
        """The ranges of positions of a claim's SAE, and their verdicts."""
        if cell.positions is None:
            return ()
        refs = [r for r in self.gate.cells(check.compared or check) if r.saes == cell.saes]
        ranges = [replace(r, compared=cell.compared) for r in refs if r.family == "range"]
        return tuple((str(r.positions), self.judge(check, r)) for r in ranges)

    def _features(self, task: str, sae_id: str) -> TaskFeatures | None:
        measurement = self.gate.measurement
        table = None if measurement is None else measurement.find(TaskTable, task, sae_id)
        return task_features(table, Coverage.one_sided(1 - self.thresholds.gate.confidence))

    def result(self) -> RunResult:
        """The run, for reports."""
        measurement = self.gate.measurement
        tasks = dict.fromkeys(o.cell["task"] for o in self.outcomes if "task" in o.cell)
        of_tasks = {
            (sae.sae_id, task): self._features(task, sae.sae_id)
            for sae in self.gate.release.saes
            for task in tasks
        }
        compared = [o for o in self.outcomes if o.check.compared is not None]
        return RunResult(
            facts=self.facts,
            thresholds=self.thresholds,
            today=self.today,
            outcomes=tuple(self.outcomes),
            measurement=measurement,
            adaptive=self.gate.adaptive,
            passes={} if measurement is None else passes(measurement),
            features={key: found for key, found in of_tasks.items() if found is not None},
            improvements=tuple(
                o for o in compared if o.verdict and improved(o.verdict, _best(o.check))
            ),
            stale=self._stale_search().among(self.outcomes) if self.outcomes else (),
            plan=self._plan,
        )

    def _stale_search(self) -> StaleSearch:
        return StaleSearch(
            thresholds=self.thresholds,
            today=self.today,
            release=self.gate.release.name,
            checks=self._checks,
            cells=self._all_cells(),
            question=None if self.gate.comparison is None else self.options.question,
            full=self._ran_in_full(),
            cells_of=self.gate.cells,
        )

    def _all_cells(self) -> list[tuple[Check, CellRef]]:
        """The cells of all checks met, and their comparisons."""
        found = []
        for check in self._checks.values():
            compared = comparison_of(check, self.options.question)
            found += [(check, cell) for cell in self.gate.cells(check)]
            found += [
                (compared, cell)
                for cell in self.gate.regressions(check)
                if self.asks(compared, cell)
            ]
        return found

    def _ran_in_full(self) -> bool:
        """Whether the whole suite ran on the whole release, in ranges and tasks of its own."""
        options = self.options
        narrowed = options.ids or options.ranges or options.context or options.task is not None
        full = not narrowed and bundled_checks().keys() <= self._checks.keys()
        return full and ran_whole(self.outcomes, self._all_cells())

    def update_baseline(self) -> BaselineWriting | None:
        """Write the baseline, if asked to and the run was whole; what became of it."""
        options, measurement = self.options, self.gate.measurement
        if not options.baseline_update or not self.outcomes:
            return None
        errors = sum(outcome.outcome == "error" for outcome in self.outcomes)
        if errors:
            return BaselineWriting(fails=True, errors=errors)
        cells = self._all_cells()
        if not ran_whole(self.outcomes, cells):
            return BaselineWriting(fails=True, partial=True)
        assert measurement is not None, "tests that ran were measured"
        if not measurement.complete:
            return BaselineWriting(fails=True, incomplete=True)
        from sae_checks.baseline.source import write_from

        assert options.baseline is not None, "refused before anything was measured"
        written = write_from(options.baseline, measurement, self.thresholds, cells)
        return BaselineWriting(
            fails=not options.baseline_force,
            file=written.file,
            cells=written.cells,
            saes=written.saes,
            size=written.size,
        )


def _best(check: Check) -> float | None:
    return (check.compared or check).best
