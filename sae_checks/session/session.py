"""One run: the gate, what was asked of it, what came out; shared by plugin and reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property

from sae_checks.baseline.comparison import comparison_of
from sae_checks.baseline.paired import improved
from sae_checks.errors import UserError
from sae_checks.evals.context.table import ContextTable
from sae_checks.evals.registry import selectors
from sae_checks.evals.tasks.table import TaskTable
from sae_checks.judge.check import Check
from sae_checks.judge.coverage import Coverage
from sae_checks.judge.thresholds import QUESTIONS, KnownFailure, Thresholds
from sae_checks.judge.verdict import Verdict
from sae_checks.measure.progress import Progress, Stopwatch
from sae_checks.options import Options
from sae_checks.records.place import CellRef
from sae_checks.records.selectors import RELEASE
from sae_checks.report import text
from sae_checks.report.accepting import known_failure_entries
from sae_checks.report.features import feature_lines
from sae_checks.report.sentence import sentence
from sae_checks.report.worst import document_lines, item_lines, worst_ranges, worst_units
from sae_checks.session.datasets import reads
from sae_checks.session.gate import Gate
from sae_checks.session.suite import bundled_checks
from sae_checks.wording import counted


@dataclass(frozen=True)
class Outcome:
    """What became of one test.

    passed, failed, error, accepted, unexpectedly passed, undecided, or not applicable.
    """

    check: Check
    cell: CellRef
    outcome: str
    verdict: Verdict | None


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
        self.baseline_fails = False  # whether writing a baseline, or not writing it, fails the run
        self._checks: dict[str, Check] = {}  # those met while collecting, by name

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

    def known_failure(self, check: Check, cell: CellRef) -> KnownFailure | None:
        """The accepted failure that covers a cell, if any does and its day has not passed."""
        return self.thresholds.known_failure(check.title, cell.place, self.today)

    def beyond_acceptance(self, check: Check, cell: CellRef, verdict: Verdict) -> str:
        """Why an entry that covers a failing cell does not accept it, or ""."""
        entry = self.known_failure(check, cell)
        if entry is not None:
            if not entry.exceeded(verdict.estimate.value, verdict.limit):
                return ""
            return f"{text.known_failure(entry)} accepts this up to {entry.bound:g} and no further"
        expired = self.thresholds.known_failure(check.title, cell.place)
        if expired is not None:
            return f"{text.known_failure(expired)} accepted this until {expired.expires}"
        return ""

    def measure(self, wanted: Sequence[tuple[Check, CellRef]]) -> None:
        """Measure what these checks need on these cells."""
        try:
            self.gate.measure(wanted, self.thresholds, self.progress)
        finally:
            self.progress.close()

    def plan(self, wanted: Sequence[tuple[Check, CellRef]]) -> list[str]:
        """Measure a pilot; what the whole budget would cost and tell, line by line."""
        from sae_checks.report.plan import plan_lines

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
        return plan_lines(self, list(wanted), watch.seconds)

    def gates(self, check: Check, cell: CellRef) -> bool:
        """Whether a cell has a limit of its own."""
        return check.compared is None and self.gate.rule(self.thresholds).gates(check, cell)

    def judge(self, check: Check, cell: CellRef) -> Verdict:
        """The verdict on one cell; raises `UnmeasuredError` where there is none."""
        return self.gate.verdict(check, cell, self.thresholds)

    def record(self, check: Check, cell: CellRef, outcome: str, verdict: Verdict | None) -> None:
        """Remember what became of a test."""
        self.outcomes.append(Outcome(check, cell, outcome, verdict))

    def not_measured(self, sae_id: str) -> str | None:
        """Why an SAE could not be measured, or None."""
        measurement = self.gate.measurement
        return measurement.failures.get(sae_id) if measurement is not None else None

    @property
    def strict_about_known_failures(self) -> bool:
        """Whether accepted failures that are out of date fail the run."""
        return self.thresholds.gate.known_failures_strict

    def stale_known_failures(self) -> list[str]:
        """Entries for this release that no longer accept anything, each as a sentence.

        An entry that matches no cell is told only by a full run of its release; one whose cells all
        pass, only if all of them ran.
        """
        if not self.outcomes:
            return []
        cells, full = self._all_cells(), self._ran_in_full()
        stale = []
        for entry in self.thresholds.known_failures:
            if entry.expired(self.today):
                continue
            matched = [o for o in self.outcomes if self.known_failure(o.check, o.cell) is entry]
            covered = [(c, cell) for c, cell in cells if self.known_failure(c, cell) is entry]
            passed = all(o.outcome in ("passed", "unexpectedly passed") for o in matched)
            if matched and passed and len(matched) == len(covered):
                stale.append(
                    f"{text.known_failure(entry)}: all of its {len(matched)} cells pass; remove it"
                )
            elif not matched and full and self._could_match(entry, [cell for _, cell in cells]):
                stale.append(
                    f"{text.known_failure(entry)}: matches no cell of "
                    f"{self.gate.release.name}; mend or remove it"
                )
        return stale

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
        ran = {(o.check.name, str(o.cell)) for o in self.outcomes}
        full = not narrowed and bundled_checks().keys() <= self._checks.keys()
        return full and all((check.name, str(cell)) in ran for check, cell in self._all_cells())

    def write_accepted(self) -> str:
        """Write entries for the failures of the run, if asked to; what became of it, or ""."""
        if self.options.accept is None:
            return ""
        failed = sum(outcome.outcome == "failed" for outcome in self.outcomes)
        entries = known_failure_entries(self.outcomes, self.today)
        self.options.accept.write_text(entries, encoding="utf-8")
        return (
            f"{counted(failed, 'failure')} as [[known_failure]] in {self.options.accept}: review "
            "them, give each its reason, and move them to the thresholds file"
        )

    def update_baseline(self) -> str:
        """Write the baseline, if asked to and the run was whole; what became of it, or ""."""
        if not self.options.baseline_update or not self.outcomes:
            return ""
        self.baseline_fails = True
        from sae_checks.baseline.source import write_from

        errors = sum(outcome.outcome == "error" for outcome in self.outcomes)
        if errors:
            return f"no baseline was written: {counted(errors, 'test')} could not be measured"
        ran = {(o.check.name, str(o.cell)) for o in self.outcomes}
        cells = self._all_cells()
        if not all((check.name, str(cell)) in ran for check, cell in cells):
            return "no baseline was written: only part of the collected tests ran"
        measurement = self.gate.measurement
        assert measurement is not None, "tests that ran were measured"
        if not measurement.complete:
            return (
                "no baseline was written: the release was measured only until its verdicts were "
                "clear; measure it with --sae-fixed"
            )
        self.baseline_fails = not self.options.baseline_force
        written = write_from(self.options, measurement, self.thresholds, cells)
        if self.baseline_fails:
            written += "; this run fails, so that no baseline changes unseen (--sae-baseline-force)"
        return written

    def improvements(self) -> list[Outcome]:
        """The comparisons that are better than the baseline by more than their margin."""
        compared = [o for o in self.outcomes if o.check.compared is not None]
        return [o for o in compared if o.verdict is not None and improved(o.verdict)]

    def _could_match(self, entry: KnownFailure, cells: Sequence[CellRef]) -> bool:
        """Whether an entry is of this release, and of a data set and a check that this run has."""
        if not entry.where[RELEASE.name].matches(self.gate.release.name):
            return False
        question = entry.check.partition(" of ")[0]
        asked = None if self.gate.comparison is None else self.options.question
        if question in QUESTIONS and question != asked:
            return False
        check = self._checks.get(entry.check)
        if check is not None and not self.gate.cells(check):
            return False
        datasets = {each.name: entry.where.get(each.name) for each in selectors() if each.dataset}
        return all(
            any(name in cell and pattern.matches(cell[name]) for cell in cells)
            for name, pattern in datasets.items()
            if pattern is not None
        )

    def header(self) -> list[str]:
        """What is gated, on what, at what budget."""
        with_tasks = any(reads(check, "item") for check in self._checks.values())
        return text.header(self.gate, self.options, with_tasks=with_tasks)

    def properties(self, check: Check, cell: CellRef, verdict: Verdict | None) -> dict[str, str]:
        """The JUnit properties of a test."""
        return text.properties(check, cell, verdict, self.gate.context)

    def sentence(self, verdict: Verdict) -> str:
        """The verdict for a person."""
        return sentence(verdict)

    def explain(self, check: Check, cell: CellRef, verdict: Verdict) -> str:
        """The message of a failing test."""
        told = text.failure(check, cell, verdict)
        if why := self.beyond_acceptance(check, cell, verdict):
            told += f"\nnot accepted: {why}"
        table = self.task_table(cell.task, cell.sae.sae_id) if cell.task and cell.sae else None
        features = [line.strip() for line in self.feature_lines(table)]
        return "\n".join([told, *self._worst_places(check, cell, verdict), *features])

    def _worst_places(self, check: Check, cell: CellRef, verdict: Verdict) -> list[str]:
        """Of a claim that fails or is undecided: its worst ranges, and what weighs most in it."""
        measurement = self.gate.measurement
        if cell.family != "claim" or cell.absent is not None or measurement is None:
            return []
        lines = []
        if cell.positions is not None:
            refs = [r for r in self.gate.cells(check.compared or check) if r.saes == cell.saes]
            ranges = [replace(r, compared=cell.compared) for r in refs if r.family == "range"]
            lines.append(worst_ranges((str(r.positions), self.judge(check, r)) for r in ranges))
        units = worst_units(verdict)
        if units and cell.sae is not None:
            if cell.task is None:
                table = measurement.of(ContextTable)[cell.sae.sae_id]
                described = document_lines(measurement, table, units)
            else:
                of_task = measurement.of(TaskTable, cell.task)[cell.sae.sae_id]
                described = item_lines(measurement, of_task, units)
            lines += ["weighing most:", *described]
        return [line for line in lines if line]

    def feature_lines(self, table: TaskTable | None) -> list[str]:
        """The best and worst features of an SAE on a task."""
        return feature_lines(table, Coverage.one_sided(1 - self.thresholds.gate.confidence))

    def task_table(self, task: str, sae_id: str) -> TaskTable | None:
        """What was measured of an SAE on a task, if anything was."""
        measurement = self.gate.measurement
        return None if measurement is None else measurement.find(TaskTable, task, sae_id)
