"""The figures of a run by section: each is a function in a file of its own, and one line here."""

from __future__ import annotations

from collections.abc import Callable

from sae_checks.report.figures.accuracy import accuracy
from sae_checks.report.figures.classes import classes
from sae_checks.report.figures.context import context
from sae_checks.report.figures.density import density
from sae_checks.report.figures.effects import effects
from sae_checks.report.figures.figure import Figure
from sae_checks.report.figures.layers import layers
from sae_checks.report.figures.norms import norms
from sae_checks.report.figures.propagation import propagation
from sae_checks.report.figures.regression import regression
from sae_checks.report.figures.series import tasks_of
from sae_checks.report.figures.shrinkage import shrinkage
from sae_checks.report.figures.stack import stacks
from sae_checks.report.figures.strips import strips
from sae_checks.session.result import RunResult

# Of a run, as many figures as it measured anything for: none, one, or one for each task.
FigureMaker = Callable[[RunResult], list[Figure]]

FIGURES: tuple[FigureMaker, ...] = (
    *(context, layers),
    *(propagation, stacks),
    *(accuracy, classes, strips, norms, effects),
    *(density, shrinkage),
    *(regression,),
)


def figures_of(result: RunResult) -> list[Figure]:
    """All figures that a run has the tables or the verdicts for, in the order of the page.

    Those of one task stand together.
    """
    figures = [figure for make in FIGURES for figure in make(result)]
    sections = list(dict.fromkeys(figure.section for figure in figures))
    tasks = ["", *tasks_of(result)]
    return sorted(figures, key=lambda f: (sections.index(f.section), tasks.index(f.task)))
