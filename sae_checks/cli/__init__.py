"""The command line beside pytest's: `python -m sae_checks COMMAND`."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence

from sae_checks.cli import releases, selftest
from sae_checks.errors import UserError

# A command adds its arguments to a parser, and runs.
_COMMANDS = {"releases": releases, "selftest": selftest}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 where all is as it should be, 1 where not, 2 for a mistake of the user."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    given = vars(_parser().parse_args(words))
    command = _COMMANDS[given.pop("command")]
    try:
        status: int = command.run(given, shlex.join(["python", "-m", "sae_checks", *words]))
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m sae_checks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, command in _COMMANDS.items():
        command.add_arguments(commands.add_parser(name, help=command.HELP))
    return parser
