"""A stored made-up measurement, judged by the bundled suite, as reports are given it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sae_checks.options import Options
from sae_checks.session.result import RunResult
from sae_checks.session.session import Session
from sae_checks.session.suite import bundled_checks
from tests import stored
from tests.report.results import became

TASK = "made-up-task"
ITEMS = 60


class Silence:
    """A progress that nobody watches."""

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **named: None


def judged(folder: Path, **options: Any) -> RunResult:
    """A stored measurement, every test of the suite judged."""
    session = Session(Options(measurements=folder, **options), Silence())  # type: ignore[arg-type]
    cells = [(check, cell) for check in bundled_checks().values() for cell in session.cells(check)]
    session.prepare(cells)
    session.measure(cells)
    for check, cell in cells:
        verdict = session.judge(check, cell)
        one = became(check, cell, verdict)
        session.record(check, cell, one.outcome, verdict)
    return session.result()


def made_up(root: Path, layers: int = 3, word: str = " w") -> RunResult:
    """Layer 0 breaks past its training context; all else is well. Tokens read as words say."""
    tasks = [stored.task_table(layer, TASK, ITEMS) for layer in range(layers)]
    folder = stored.write_measurement(
        root, layers=layers, delta_ce=stored.broken_past_context, tasks=tasks
    )
    stored.keep_words(folder, word)
    return judged(folder)
