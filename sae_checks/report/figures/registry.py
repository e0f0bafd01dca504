"""The figures of a run by section: each is a function in a file of its own, and one line here."""

from __future__ import annotations

from collections.abc import Callable

from sae_checks.report.figures.context import context
from sae_checks.report.figures.figure import Figure
from sae_checks.session.result import RunResult

# Of a run, as many figures as it measured anything for: none, one, or one for each task.
FigureMaker = Callable[[RunResult], list[Figure]]

FIGURES: tuple[FigureMaker, ...] = (context,)


def figures_of(result: RunResult) -> list[Figure]:
    """All figures that a run has the tables or the verdicts for, in the order of the page."""
    return [figure for make in FIGURES for figure in make(result)]
