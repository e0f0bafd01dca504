"""Accepted failures against what a run found: which do not accept, and which are out of date."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from sae_checks.evals.registry import selectors
from sae_checks.judge.check import Check
from sae_checks.judge.thresholds import QUESTIONS, KnownFailure, Question, Thresholds
from sae_checks.judge.verdict import Verdict
from sae_checks.records.place import CellRef
from sae_checks.records.selectors import RELEASE
from sae_checks.session.result import NotAccepted, Outcome, StaleFailure

Cells = Sequence[tuple[Check, CellRef]]


def not_accepted(
    thresholds: Thresholds, today: date, check: Check, cell: CellRef, verdict: Verdict
) -> NotAccepted | None:
    """The entry that covers a failing cell but does not accept it, if there is one."""
    entry = thresholds.known_failure(check.title, cell.place, today)
    if entry is not None:
        exceeded = entry.exceeded(verdict.estimate.value, verdict.limit)
        return NotAccepted(entry, expired=False) if exceeded else None
    expired = thresholds.known_failure(check.title, cell.place)
    return None if expired is None else NotAccepted(expired, expired=True)


@dataclass(frozen=True)
class StaleSearch:
    """Finds the entries for a release that no longer accept anything.

    Attributes:
        thresholds: with the entries.
        today: by which they expire.
        release: the name of the release that ran.
        checks: those that were met, by name.
        cells: of all these checks, and their comparisons.
        question: that was asked of a baseline; None without one.
        full: whether the whole suite ran on the whole release.
    """

    thresholds: Thresholds
    today: date
    release: str
    checks: dict[str, Check]
    cells: Cells
    question: Question | None
    full: bool
    cells_of: Callable[[Check], Sequence[CellRef]]

    def among(self, outcomes: Sequence[Outcome]) -> tuple[StaleFailure, ...]:
        """Stale entries, in the order of the file.

        An entry that matches no cell is told only by a full run of its release; one whose cells all
        pass, only if all of them ran.
        """
        stale = []
        by_outcome = [(o, self._covering(o.check, o.cell)) for o in outcomes]
        by_cell = [self._covering(check, cell) for check, cell in self.cells]
        for entry in self.thresholds.known_failures:
            if entry.expired(self.today):
                continue
            matched = [outcome for outcome, covering in by_outcome if covering is entry]
            covered = [covering for covering in by_cell if covering is entry]
            passed = all(o.outcome in ("passed", "unexpectedly passed") for o in matched)
            if matched and passed and len(matched) == len(covered):
                stale.append(StaleFailure(entry, len(matched)))
            elif not matched and self.full and self._could_match(entry):
                stale.append(StaleFailure(entry, 0))
        return tuple(stale)

    def _covering(self, check: Check, cell: CellRef) -> KnownFailure | None:
        return self.thresholds.known_failure(check.title, cell.place, self.today)

    def _could_match(self, entry: KnownFailure) -> bool:
        """Whether an entry is of this release, and of a data set and a check that this run has."""
        if not entry.where[RELEASE.name].matches(self.release):
            return False
        question = entry.check.partition(" of ")[0]
        if question in QUESTIONS and question != self.question:
            return False
        check = self.checks.get(entry.check)
        if check is not None and not self.cells_of(check):
            return False
        datasets = {each.name: entry.where.get(each.name) for each in selectors() if each.dataset}
        return all(
            any(name in cell and pattern.matches(cell[name]) for _, cell in self.cells)
            for name, pattern in datasets.items()
            if pattern is not None
        )


def ran_whole(outcomes: Iterable[Outcome], cells: Cells) -> bool:
    """Whether every one of some cells was tested."""
    ran = {(o.check.name, str(o.cell)) for o in outcomes}
    return all((check.name, str(cell)) in ran for check, cell in cells)
