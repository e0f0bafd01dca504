"""A stored measurement, judged by the whole suite without pytest: what its reports are made of."""

from __future__ import annotations

from sae_checks.baseline.comparison import comparison_of
from sae_checks.errors import UserError
from sae_checks.judge.check import Check
from sae_checks.judge.verdict import Verdict
from sae_checks.measure.progress import Progress
from sae_checks.options import Options
from sae_checks.records.place import CellRef
from sae_checks.session.result import RunResult
from sae_checks.session.session import Session
from sae_checks.session.suite import bundled_checks

# Verdicts that hold without being a pass, and what the outcome of their tests is called.
_NEITHER = {"undecided": "undecided", "not_applicable": "not applicable"}


def suite_cells(session: Session) -> list[tuple[Check, CellRef]]:
    """The cells of the suite's own checks, and their comparisons with a baseline.

    The limits are read, too.

    Raises:
        UserError: the release cannot be made out, or the thresholds are malformed.
    """
    found: list[tuple[Check, CellRef]] = []
    for check in bundled_checks().values():
        compared = comparison_of(check, session.options.question)
        found += [(check, cell) for cell in session.cells(check)]
        found += [(compared, cell) for cell in session.regressions(check)]
    session.prepare(found)
    return [(check, cell) for check, cell in found if session.asks(check, cell)]


def judge_stored(options: Options, progress: Progress, *, strict: bool = False) -> RunResult:
    """Judge a stored measurement as a run of the suite would.

    Args:
        options: of the run; `measurements` names the folder.
        progress: told what it is at.
        strict: known failures fail like any other.

    Raises:
        UserError: it cannot be read, or the thresholds are malformed.
    """
    session = Session(options, progress)
    wanted = suite_cells(session)
    session.measure(wanted)
    for check, cell in wanted:
        verdict: Verdict | None = None
        try:
            verdict = session.judge(check, cell)
        except UserError:
            session.record(check, cell, "error", None)
            continue
        session.record(check, cell, _outcome(session, check, cell, verdict, strict), verdict)
    return session.result()


def _outcome(session: Session, check: Check, cell: CellRef, verdict: Verdict, strict: bool) -> str:
    """What becomes of a test, by the rules of the pytest plugin."""
    known = None if strict else session.known_failure(check, cell)
    if verdict.holds:
        if verdict.status in _NEITHER:
            return _NEITHER[verdict.status]
        return "passed" if known is None else "unexpectedly passed"
    covered = known is not None and session.not_accepted(check, cell, verdict) is None
    return "accepted" if covered and verdict.status != "undefined" else "failed"
