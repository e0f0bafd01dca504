"""The report formats by name: each is a function in a file of its own, and one line here.

A format is given a run's result, and nothing else, and gives lines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sae_checks.report.accepting import accepting_lines
from sae_checks.report.plan import plan_lines
from sae_checks.report.summary import summary_lines
from sae_checks.session.result import RunResult

ReportFormat = Callable[[RunResult], list[str]]

FORMATS: Mapping[str, ReportFormat] = {
    "summary": summary_lines,  # at the terminal, in the end
    "plan": plan_lines,  # of --sae-plan, in place of tests
    "accepted-failures": accepting_lines,  # the file of --sae-accept, as TOML
}


def report(name: str, result: RunResult) -> list[str]:
    """The lines of a report.

    Raises:
        KeyError: there is no format of that name.
    """
    return FORMATS[name](result)
