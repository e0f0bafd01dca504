"""`sae-checks gate`: the suite on a release, by pytest."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from sae_checks.cli import program
from sae_checks.cli.arguments import add_options
from sae_checks.cli.pytest_run import run_suite
from sae_checks.options import Stage
from sae_checks.options.parsing import name_or_path

HELP = "gate a release: measure what is not stored yet, judge it, and pass or fail"
EPILOG = """\
Every other option is pytest's: -k delta_ce, -q, -x, -n 2, --junitxml=report.xml. A folder or file
of checks of your own is gated beside the suite. Exit codes: 0 passed, 1 failed, 2 interrupted, 3
internal error, 4 a mistake in the command, 5 nothing was tested, 6 insufficient evidence.

examples:
  sae-checks gate                                     the bundled demo
  sae-checks gate gpt2-small-res-jb --sae-plan        what it would cost, and could tell
  sae-checks gate path/to/saes --sae-corpus texts.parquet --junitxml=report.xml
  sae-checks gate path/to/saes check_mine.py --sae-thresholds thresholds.toml
  sae-checks gate path/to/saes --sae-baseline v1      against the last release
"""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The release, and every option of a run; pytest itself parses them."""
    command.add_argument(
        "release",
        nargs="?",
        type=name_or_path,
        metavar="RELEASE",
        help="a release of sae_lens's directory, a folder of SAEs saved by sae_lens, or a hub repo "
        "id (first, before any option; the bundled demo without it)",
    )
    add_options(command, get_args(Stage))


def run_words(words: Sequence[str]) -> int:
    """The exit code of pytest on the suite."""
    return run_suite(with_release(words), (*program(), "gate"), words)


def with_release(words: Sequence[str]) -> list[str]:
    """Words for pytest: the release, which comes first, as an option; a file of checks is none."""
    if not words or words[0].startswith("-") or Path(words[0]).suffix == ".py":
        return list(words)
    return [f"--sae={words[0]}", *words[1:]]
