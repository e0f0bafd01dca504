"""The referee of an adaptive run: judges what is measured so far, and says who needs more.

A cell is decided when it passes or fails by intervals that hold whenever one stops (asymptotic
confidence sequences, `judge/coverage.py`), so that asking after every block does not raise the
error. An SAE is settled when all of its gating cells are decided, or beyond what the budget could
decide; what is reported without a limit asks for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass

from sae_checks.checking import CellRef, Check
from sae_checks.court import Court
from sae_checks.evidence import UnmeasuredError
from sae_checks.judge.verdict import Verdict
from sae_checks.records import Measurement

# A cell is given up where the budget would not decide it even if its value lay so many standard
# errors further from the limit.
BENEFIT_OF_DOUBT = 2.0


@dataclass(frozen=True)
class _Asked:
    check: Check
    cell: CellRef


class Pilot:
    """Asks for the first block alone."""

    def unsettled(self, so_far: Measurement, task: str | None, budget: int) -> Set[str]:
        """The SAEs that have no table yet."""
        tables = so_far.tables if task is None else so_far.tasks.get(task, {})
        return {sae.sae_id for sae in so_far.release.saes} - tables.keys()


class Adaptive:
    """Asks for more until the gating cells are decided.

    Args:
        court: which judges the cells.
        wanted: the cells of the run; those that are only reported are left aside.
    """

    def __init__(self, court: Court, wanted: Iterable[tuple[Check, CellRef]]) -> None:
        self._court = court
        self._open: dict[str | None, list[_Asked]] = {}
        for check, cell in wanted:
            if court.gates(check, cell):
                self._open.setdefault(cell.task, []).append(_Asked(check, cell))
        # What has no gating cell at all is measured for its own sake, to the end.
        self._gated = {
            (task, asked.cell.sae.sae_id if asked.cell.sae else None)
            for task, all_asked in self._open.items()
            for asked in all_asked
        }

    def unsettled(self, so_far: Measurement, task: str | None, budget: int) -> Set[str]:
        """Ids of the SAEs of which more has to be measured, on texts (None) or on a task."""
        tables: dict[str, object] = dict(
            so_far.tables if task is None else so_far.tasks.get(task, {})
        )
        ids = {sae.sae_id for sae in so_far.release.saes}
        free = {i for i in ids if (task, i) not in self._gated and (task, None) not in self._gated}
        unsettled = (ids - tables.keys()) | free
        still_open = []
        for asked in self._open.get(task, []):
            sae_ids = {asked.cell.sae.sae_id} if asked.cell.sae else ids
            if not sae_ids <= tables.keys():
                still_open.append(asked)
            elif not self._decided(asked, so_far, budget):
                still_open.append(asked)
                unsettled |= sae_ids
        self._open[task] = still_open
        return unsettled

    def _decided(self, asked: _Asked, so_far: Measurement, budget: int) -> bool:
        try:
            verdict = self._court.verdict(so_far, asked.check, asked.cell)
        except UnmeasuredError:  # what comes last, as ablations do, keeps nobody waiting
            return True
        return verdict.status != "undecided" or hopeless(verdict, budget)


def hopeless(verdict: Verdict, budget: int) -> bool:
    """Whether an undecided cell will hardly be decided within a budget of texts or items."""
    # NaN, where nothing is known, compares as false.
    return verdict.texts_to_decide_at_best(BENEFIT_OF_DOUBT) > budget
