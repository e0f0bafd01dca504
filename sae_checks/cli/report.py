"""`sae-checks report`: a report of a stored measurement, written to a file."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sae_checks.cli.arguments import add_stored, stored_options
from sae_checks.cli.folders import refuse_unwritable, written
from sae_checks.cli.suggestion import did_you_mean
from sae_checks.errors import UserError
from sae_checks.options.parsing import path
from sae_checks.session.result import RunResult

HELP = "report stored tables: at the terminal, as a page, as Markdown, in full"
EPILOG = """\
Without a file it is a screenful, as a run ends with. The format follows from the file's ending:
.html a page, .md Markdown, .txt all figures, .toml the failures as accepted ones; --format says it
otherwise. The suite's own checks are judged; for checks of your own, write the report in the run:
sae-checks judge FOLDER mine.py --sae-report page=run.html

examples:
  sae-checks report tables/ -o report.html
  sae-checks report tables/ -o report.md --sae-thresholds thresholds.toml
  sae-checks report tables/ --format summary
"""
_BY_ENDING = {
    ".html": "page",
    ".md": "markdown",
    ".txt": "summary",
    ".toml": "accepted-failures",
}
_FOR_PEOPLE = ("compact", "summary")


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The folder, the file, and how tables are judged."""
    add_stored(command)
    command.add_argument("-o", "--output", type=path, metavar="FILE", help="what is written")
    command.add_argument("--format", metavar="NAME", help="of the report, whatever the file's name")


def run(given: Mapping[str, Any], command: str) -> int:
    """Write the report; it ends with 0 whatever the verdict is.

    Args:
        given: its arguments by name.
        command: as it was called.

    Raises:
        UserError: there is no such format, the tables cannot be read, or the file not be written.
    """
    from sae_checks.report.registry import report

    values = dict(given)
    file, named = values.pop("output"), values.pop("format")
    name = chosen_format(file, named)
    refuse_unwritable(file)
    text = "\n".join(report(name, judged(values)))
    written(text, file, for_programs=name not in _FOR_PEOPLE)
    return 0


def judged(given: Mapping[str, Any]) -> RunResult:
    """The run of the suite that judges a stored measurement."""
    from sae_checks.report.progress import ConsoleProgress
    from sae_checks.session.judged import judge_stored

    options, strict = stored_options(given)
    return judge_stored(options, ConsoleProgress(quiet=True), strict=strict)


def chosen_format(file: Path | None, named: str | None) -> str:
    """The format that is asked for, or follows from the file.

    Raises:
        UserError: neither names one that exists.
    """
    from sae_checks.report.registry import FORMATS

    if named is None and file is None:
        return "compact"
    name = _BY_ENDING.get(file.suffix if file else "", "") if named is None else named
    if name in FORMATS:
        return name
    endings = [ending for ending, made in _BY_ENDING.items() if made in FORMATS]
    asked = f"for {file}" if named is None else f"{named!r}{did_you_mean(named, FORMATS)}"
    raise UserError(
        f"there is no format {asked}; a file ends with {', '.join(endings)}, and "
        f"--format takes {', '.join(FORMATS)}"
    )
