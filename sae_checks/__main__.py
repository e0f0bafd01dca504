"""`python -m sae_checks selftest`: which planted faults does the gate catch on a release?"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from importlib.metadata import version
from pathlib import Path

from sae_checks.errors import UserError
from sae_checks.options import OPTIONS, Options

_NOT_FOR_IT = ("measurements", "baseline", "match", "accept", "ranges", "ablate")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 where all is as it should be, 1 where not, 2 for a mistake of the user."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    given = vars(_parser().parse_args(words))
    given.pop("command")
    seeds, pattern, again = given.pop("seeds"), given.pop("faults"), given.pop("retrained")
    options = Options(**{name: value for name, value in given.items() if value is not None})
    try:
        command = shlex.join(["python", "-m", "sae_checks", *words])
        return selftest(options, seeds, pattern, again, command)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2


def selftest(
    options: Options, seeds: int, pattern: str, again: Sequence[Path], command: str
) -> int:
    """Plant every fault whose name matches, then gate what is unharmed.

    That is the release on other samples, and releases that were trained again.
    """
    from sae_checks.faults import CATALOGUE, report
    from sae_checks.faults.injection import Injection
    from sae_checks.faults.seeds import retrained, unharmed
    from sae_checks.faults.trial import Trials
    from sae_checks.report.progress import ConsoleProgress

    globs = [part.strip() for part in pattern.split(",")]
    chosen = [f for f in CATALOGUE if any(fnmatchcase(f.name, glob) for glob in globs)]
    if not chosen:
        names = ", ".join(fault.name for fault in CATALOGUE)
        raise UserError(f"--faults {pattern!r} matches no fault; there are {names}")
    progress = ConsoleProgress()
    injection = Injection(options, progress)
    trials, whole = Trials(injection), []
    print(
        report.head(injection.measurement.release.name, command, version("sae-checks")), flush=True
    )
    for number, fault in enumerate(chosen):
        for strength in fault.strengths:
            try:
                trial = trials.run(fault, strength, number)
            except UserError as error:
                print(report.not_planted(fault.name, strength.label, str(error)), flush=True)
                continue
            whole.append(trial)
            print(report.row(trial), flush=True)
    print(f"\n{report.verdict(whole)}", flush=True)
    good = all(trial.caught and not trial.others for trial in whole if trial.strength.listed)
    if seeds:
        runs = list(unharmed(options, seeds, ConsoleProgress(quiet=True)))
        print(f"\n{report.on_seeds(runs)}")
        good = good and not any(run.by_limits or run.against_itself for run in runs)
    if again:
        found = list(retrained(injection, again, ConsoleProgress(quiet=True)))
        print(f"\n{report.on_retrained(found)}")
        good = good and not any(run.findings for run in found)
    return 0 if good else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m sae_checks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("selftest", help="plant faults into a release and gate it")
    for option in OPTIONS:
        if option.target not in _NOT_FOR_IT:
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
        type=Path,
        nargs="+",
        default=[],
        metavar="DIR",
        help="folders of the same SAEs trained again from other seeds, which must be no regression",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
