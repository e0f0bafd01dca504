"""`sae-checks accept`: the failures of a stored measurement as accepted ones, for review."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from sae_checks.cli.arguments import add_stored
from sae_checks.cli.folders import refuse_unwritable, written
from sae_checks.cli.output import tell
from sae_checks.cli.report import judged
from sae_checks.options.parsing import path
from sae_checks.wording import counted

HELP = "write the failures of stored tables as accepted ones, for review"
EPILOG = """\
Each entry accepts one cell, for 90 days, and nothing worse than what was measured. Give each a
reason of yours, and put it into your thresholds.toml.

examples:
  sae-checks accept tables/
  sae-checks accept tables/ -o accepted.toml --sae-thresholds thresholds.toml
"""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The folder, the file, and how tables are judged."""
    add_stored(command)
    command.add_argument("-o", "--output", type=path, metavar="FILE", help="what is written")


def run(given: Mapping[str, Any], command: str) -> int:
    """Write the entries; 0 whether or not there are any.

    Args:
        given: its arguments by name.
        command: as it was called.

    Raises:
        UserError: the tables cannot be read, or the file not be written.
    """
    from sae_checks.report.registry import report

    values = dict(given)
    file = values.pop("output")
    refuse_unwritable(file)
    result = judged(values)
    failed = sum(outcome.outcome == "failed" for outcome in result.outcomes)
    if not failed:
        tell("nothing fails that is not accepted already")
        return 0
    written("\n".join(report("accepted-failures", result)).rstrip("\n"), file)
    if file is not None:
        tell(f"{counted(failed, 'failure')} for review: give each a reason of yours")
    return 0
