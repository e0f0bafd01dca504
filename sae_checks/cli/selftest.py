"""`python -m sae_checks selftest`: which planted faults does the gate catch on a release?"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from fnmatch import fnmatchcase
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sae_checks.cli.output import tell
from sae_checks.errors import UserError
from sae_checks.options import OPTIONS, Options, Stage, options_of
from sae_checks.options.parsing import path

if TYPE_CHECKING:
    from sae_checks.faults import Fault
    from sae_checks.faults.trial import Trial, Trials

HELP = "plant faults into a release and gate it"
EPILOG = """\
It ends with 0 where every fault was caught and nothing else was told, else with 1.

examples:
  sae-checks selftest --sae path/to/saes
  sae-checks selftest --faults 'decoder*' --seeds 5
"""

# The command chooses the cells, and what it compares with what; it measures all that gates.
_STAGES: tuple[Stage, ...] = ("resolve", "measure", "shift", "store", "judge")


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options of a run that the command takes, and its own."""
    for option in OPTIONS:
        if option.stage in _STAGES:
            command.add_argument(
                option.name,
                type=option.parse,
                default=None,
                metavar=option.metavar,
                dest=option.target,
                help=option.help,
            )
    command.add_argument(
        "--seeds",
        type=int,
        default=20,
        metavar="N",
        help="on how many other samples of the corpus the unharmed release is gated (20)",
    )
    command.add_argument(
        "--faults",
        default="*",
        metavar="GLOB",
        help="only faults whose names match; several globs with commas",
    )
    command.add_argument(
        "--retrained",
        type=path,
        nargs="+",
        default=[],
        metavar="DIR",
        help="folders of the same SAEs trained again from other seeds, which must be no regression",
    )


def run(given: dict[str, Any], command: str) -> int:
    """Run the command as its arguments say; 1 where the gate missed a fault, or told of none.

    Args:
        given: its arguments by name, None where they were left out.
        command: as it was called, for the report.

    Raises:
        UserError: no fault is called so, or the release cannot be measured.
    """
    seeds, pattern, again = given.pop("seeds"), given.pop("faults"), given.pop("retrained")
    return selftest(options_of(given), seeds, pattern, again, command)


def selftest(
    options: Options, seeds: int, pattern: str, again: Sequence[Path], command: str
) -> int:
    """Plant every fault whose name matches, then gate what is unharmed.

    That is the release on other samples, and releases that were trained again.
    """
    from sae_checks.faults import CATALOGUE, OF_CHECKS, report
    from sae_checks.faults.injection import Injection
    from sae_checks.faults.seeds import retrained, unharmed
    from sae_checks.faults.trial import Trials
    from sae_checks.report.progress import ConsoleProgress

    listed, further = _chosen(CATALOGUE, pattern), _chosen(OF_CHECKS, pattern)
    if not (listed or further):
        names = ", ".join(fault.name for fault in (*CATALOGUE, *OF_CHECKS))
        raise UserError(f"--faults {pattern!r} matches no fault; there are {names}")
    injection = Injection(options, ConsoleProgress())
    trials, good = Trials(injection), True
    release = injection.measurement.release.name
    tell(report.head(release, command, version("sae-checks")))
    planted: list[Trial] = []
    for faults, kind, above in (
        (listed, "listed", report.table_head()),
        (further, "further", report.further_head()),
    ):
        if faults:
            tell(above)
            found = _plant(trials, faults, kind)
            planted += found
            good = good and all(t.caught and not t.others for t in found if t.strength.listed)
    tell(report.by_check(planted, [check.name for check in injection.checks]))
    if seeds:
        runs = list(unharmed(options, seeds, ConsoleProgress(quiet=True)))
        tell(f"\n{report.on_seeds(runs)}")
        good = good and not any(run.by_limits or run.against_itself for run in runs)
    if again:
        trained = list(retrained(injection, again, ConsoleProgress(quiet=True)))
        tell(f"\n{report.on_retrained(trained)}")
        good = good and not any(run.findings for run in trained)
    return 0 if good else 1


def _chosen(faults: Sequence[Fault], pattern: str) -> list[Fault]:
    globs = [part.strip() for part in pattern.split(",")]
    return [each for each in faults if any(fnmatchcase(each.name, glob) for glob in globs)]


def _plant(trials: Trials, faults: Sequence[Fault], kind: str) -> list[Trial]:
    """Print a row for every fault and strength, and what became of them all."""
    from sae_checks.faults import report

    whole: list[Trial] = []
    for number, fault in enumerate(faults):
        for strength in fault.strengths:
            try:
                trial = trials.run(fault, strength, number)
            except UserError as error:
                tell(report.not_planted(fault.name, strength.label, str(error)))
                continue
            whole.append(trial)
            tell(report.row(trial))
    tell(f"\n{report.verdict(whole, kind)}")
    return whole
