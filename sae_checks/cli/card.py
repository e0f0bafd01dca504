"""`sae-checks card`: what was measured of a release, for the README of its hub repo."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from sae_checks.cli.arguments import add_stored
from sae_checks.cli.folders import refuse_unwritable, written
from sae_checks.cli.report import judged
from sae_checks.options.parsing import path

HELP = "write the section of a model card: measured figures, their intervals, the limits"
EPILOG = """\
Put it into the README of the release's hub repo, so that what it declares is what was measured.

examples:
  sae-checks card tables/ >> README.md
  sae-checks card tables/ -o card.md --sae-thresholds thresholds.toml
"""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The folder, the file, and how tables are judged."""
    add_stored(command)
    command.add_argument("-o", "--output", type=path, metavar="FILE", help="what is written")


def run(given: Mapping[str, Any], command: str) -> int:
    """Write the section; it ends with 0 whatever the verdict is.

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
    written("\n".join(report("card", judged(values))), file)
    return 0
