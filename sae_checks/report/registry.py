"""The report formats by name: each is a function in a file of its own, and one line here.

A format is given a run's result, and nothing else, and gives lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from sae_checks.errors import UserError
from sae_checks.report.accepting import accepting_lines
from sae_checks.report.card import card_lines
from sae_checks.report.markdown.summary import markdown_lines
from sae_checks.report.page import page_lines
from sae_checks.report.summary import summary_lines
from sae_checks.report.terminal.compact import screen_lines
from sae_checks.session.result import RunResult

ReportFormat = Callable[[RunResult], list[str]]

FORMATS: Mapping[str, ReportFormat] = {
    "compact": screen_lines,  # at the terminal, in the end
    "summary": summary_lines,  # the same with -v: every figure
    "markdown": markdown_lines,  # as for a pull request
    "page": page_lines,  # one HTML file
    "card": card_lines,  # a section of the release's README on the hub
    "accepted-failures": accepting_lines,  # the file of --sae-accept, as TOML
}


def refuse_unknown(names: Iterable[str]) -> None:
    """Refuse formats that do not exist.

    Raises:
        UserError: names the first of them, and those that there are.
    """
    for name in names:
        if name not in FORMATS:
            raise UserError(
                f"--sae-report {name}: there is no such format; there are {', '.join(FORMATS)}"
            )


def report(name: str, result: RunResult) -> list[str]:
    """The lines of a report.

    Raises:
        KeyError: there is no format of that name.
    """
    return FORMATS[name](result)
