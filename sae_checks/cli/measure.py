"""`sae-checks measure`: the whole budget, measured and stored; it is judged elsewhere."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping
from typing import Any

from sae_checks.cli.arguments import add_option
from sae_checks.cli.output import tell
from sae_checks.options import OPTIONS, Options, Stage, options_of
from sae_checks.options.parsing import name_or_path

HELP = "measure and store the whole budget, and judge nothing"
EPILOG = """\
For the machine with the accelerator: nothing stops early, so that any limits can be applied to the
tables later, with `sae-checks judge` on any other machine. It ends with 0 where everything could be
measured, 1 where an SAE or a task could not, and 2 for a mistake in the command.

examples:
  sae-checks measure gpt2-small-res-jb --sae-store tables
  sae-checks measure path/to/saes --sae-tokens 1000000 --sae-device cuda
"""
_STAGES: tuple[Stage, ...] = ("resolve", "collect", "measure", "shift", "ablate", "store")


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The release, and how it is measured."""
    command.add_argument(
        "measured_release",
        nargs="?",
        type=name_or_path,
        metavar="RELEASE",
        help="as of `sae-checks gate`; the bundled demo without it",
    )
    for option in OPTIONS:
        if option.stage in _STAGES:
            add_option(command, option)


def run(given: Mapping[str, Any], command: str) -> int:
    """Measure; 1 where something could not be.

    Args:
        given: its arguments by name, None where they were left out.
        command: as it was called.

    Raises:
        UserError: the release, the model or the corpus cannot be made out.
    """
    values = dict(given)
    named = values.pop("measured_release")
    if named is not None:
        values["release"] = named
    return measure(options_of({**values, "fixed": True}))


def measure(options: Options) -> int:
    """Measure the whole budget of a run, and tell where it lies and what could not be measured."""
    from sae_checks.cli import program
    from sae_checks.report.header import header_lines
    from sae_checks.report.progress import ConsoleProgress
    from sae_checks.session.judged import suite_cells
    from sae_checks.session.session import Session

    session = Session(options, ConsoleProgress())
    wanted = suite_cells(session)
    for line in header_lines(session.facts):
        tell(line)
    session.measure(wanted)
    measurement, store = session.gate.measurement, session.gate.store
    assert measurement is not None, "measured just now"
    assert store is not None, "what is measured is stored"
    failed = {**measurement.failures, **measurement.dataset_failures}
    for name, reason in failed.items():
        tell(f"not measured: {name}: {reason}")
    judging = shlex.join([*program(), "judge", str(store.folder)])
    tell(f"tables in {store.folder}\njudge them, here or elsewhere: {judging}")
    return 1 if failed else 0
