"""`sae-checks judge`: stored tables held to limits, elsewhere than where they were measured."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from sae_checks.cli import program
from sae_checks.cli.arguments import add_stored
from sae_checks.cli.folders import measurement_folder
from sae_checks.cli.pytest_run import run_suite
from sae_checks.errors import UserError
from sae_checks.options.parsing import path

HELP = "judge stored tables: no model, no SAE, no accelerator"
EPILOG = """\
Every other option is pytest's, and so are the exit codes: see `sae-checks gate --help`.

examples:
  sae-checks judge tables/
  sae-checks judge tables/ --sae-thresholds thresholds.toml --junitxml=report.xml
  sae-checks judge tables/ --sae-baseline v1 -k regression
"""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The folder, and how its tables are judged; pytest itself parses them."""
    add_stored(command)


def run_words(words: Sequence[str]) -> int:
    """The exit code of pytest on the suite.

    Raises:
        UserError: no folder is named, or it holds no measurement.
    """
    if not words or words[0].startswith("-"):
        raise UserError("judge takes a folder of stored tables first: sae-checks judge FOLDER")
    try:
        folder = measurement_folder(path(words[0]))
    except argparse.ArgumentTypeError as error:  # pytest parses the rest, and not this
        raise UserError(f"argument FOLDER: {error}") from error
    return run_suite([f"--sae-measurements={folder}", *words[1:]], (*program(), "judge"), words)
