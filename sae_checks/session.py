"""One run: the gate, what was asked of it, what came out; shared by plugin and reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from sae_checks.checking import CellRef, Check, bundled_checks
from sae_checks.errors import UserError
from sae_checks.evidence import UnmeasuredError
from sae_checks.gate import Gate
from sae_checks.judge.coverage import Coverage
from sae_checks.judge.thresholds import KnownFailure, Thresholds
from sae_checks.judge.verdict import Verdict
from sae_checks.measure.progress import Progress
from sae_checks.options import Options
from sae_checks.records import TaskTable
from sae_checks.report import text
from sae_checks.report.features import feature_lines


@dataclass(frozen=True)
class Outcome:
    """What became of one test: passed, failed, error, accepted, or unexpectedly passed."""

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

    def prepare(self, collected: Sequence[tuple[Check, CellRef]]) -> None:
        """Read the limits, and look up once those of the cells that were collected.

        Raises:
            UserError: what was kept in `failed`, or malformed thresholds.
        """
        if self.failed is not None:
            raise self.failed
        self.thresholds = self.gate.read_thresholds(self._checks.values())
        # Overrides that contradict each other show only where a cell matches both.
        limits = [self.thresholds.limit(check.name, cell.place) for check, cell in collected]
        self.gate.gating_cells = sum(not limit.report_only for limit in limits)

    def known_failure(self, check: Check, cell: CellRef) -> KnownFailure | None:
        """The accepted failure that covers a cell, if any does."""
        return self.thresholds.known_failure(check.name, cell.place)

    def measure(self, wanted: Sequence[tuple[Check, CellRef]]) -> None:
        """Measure what these checks need on these cells."""
        try:
            self.gate.measure(wanted, self.thresholds, self.progress)
        finally:
            self.progress.close()

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
        ran = {(o.check.name, str(o.cell)) for o in self.outcomes}
        cells = [
            (check, cell) for check in self._checks.values() for cell in self.gate.cells(check)
        ]
        options = self.options
        narrowed = options.ids or options.ranges or options.context or options.task is not None
        full = not narrowed and bundled_checks().keys() <= self._checks.keys()
        full = full and all((check.name, str(cell)) in ran for check, cell in cells)
        stale = []
        for entry in self.thresholds.known_failures:
            matched = [o for o in self.outcomes if self.known_failure(o.check, o.cell) is entry]
            covered = [(c, cell) for c, cell in cells if self.known_failure(c, cell) is entry]
            passed = all(o.outcome in ("passed", "unexpectedly passed") for o in matched)
            if matched and passed and len(matched) == len(covered):
                stale.append(
                    f"{text.known_failure(entry)}: all of its {len(matched)} cells pass; remove it"
                )
            elif not matched and full and self._could_match(entry):
                stale.append(
                    f"{text.known_failure(entry)}: matches no cell of "
                    f"{self.gate.release.name}; mend or remove it"
                )
        return stale

    def _could_match(self, entry: KnownFailure) -> bool:
        """Whether an entry is of this release, and of a task and a check that this run has."""
        from fnmatch import fnmatchcase

        if not fnmatchcase(self.gate.release.name, entry.release):
            return False
        check = self._checks.get(entry.check)
        if check is not None and not self.gate.cells(check):
            return False
        tasks = [task.name for task in self.gate.tasks] if entry.task else []
        return not entry.task or any(fnmatchcase(name, entry.task) for name in tasks)

    def header(self) -> list[str]:
        """What is gated, on what, at what budget."""
        with_tasks = any(check.of_tasks for check in self._checks.values())
        return text.header(self.gate, self.options, with_tasks=with_tasks)

    def properties(self, check: Check, cell: CellRef, verdict: Verdict | None) -> dict[str, str]:
        """The JUnit properties of a test."""
        return text.properties(check, cell, verdict, self.gate.context)

    def explain(self, check: Check, cell: CellRef, verdict: Verdict) -> str:
        """The message of a failing test."""
        told = text.failure(check, cell, verdict)
        table = self.task_table(cell.task, cell.sae.sae_id) if cell.task and cell.sae else None
        return "\n".join([told, *(line.strip() for line in self.feature_lines(table))])

    def feature_lines(self, table: TaskTable | None) -> list[str]:
        """The best and worst features of an SAE on a task."""
        return feature_lines(table, Coverage(self.thresholds.gate.confidence))

    def task_table(self, task: str, sae_id: str) -> TaskTable | None:
        """What was measured of an SAE on a task, if anything was."""
        measurement = self.gate.measurement
        return measurement.tasks.get(task, {}).get(sae_id) if measurement is not None else None


__all__ = ["Outcome", "Session", "UnmeasuredError"]
