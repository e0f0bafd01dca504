"""The command line: `sae-checks COMMAND`, or `python -m sae_checks COMMAND`."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from sae_checks.cli.completion import commands_of
from sae_checks.cli.output import tell
from sae_checks.cli.suggestion import did_you_mean
from sae_checks.errors import UserError

# A command is a module: `HELP`, `EPILOG`, `add_arguments` and `run`. One that hands its words on to
# pytest has `run_words` in the place of `run`; its arguments are there for help and completion.
COMMANDS = {
    "list": "list_releases",
    "show": "show",
    "gate": "gate",
    "measure": "measure",
    "judge": "judge",
    "report": "report",
    "compare": "compare",
    "accept": "accept",
    "card": "card",
    "init": "init",
    "selftest": "selftest",
    "releases": "releases",
}
# Run by pytest, and end with its exit codes.
_BY_PYTEST, _PYTEST_USAGE = ("gate", "judge"), 4
_DESCRIPTION = "A regression gate for releases of sparse autoencoders (SAEs)."
_EPILOG = """\
from a name to a verdict:
  sae-checks gate                         gate the bundled demo
  sae-checks list gpt2                    which releases of gpt2 there are
  sae-checks gate gpt2-small-res-jb       gate one of them
  sae-checks init                         put the gate into a repository of yours

`sae-checks COMMAND --help` says what a command takes, with examples.
"""


class _Parser(argparse.ArgumentParser):
    """Tells what it cannot take in one sentence, as every mistake of the user is told."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see `{self.prog} --help`")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 where all is as it should be, 1 where not, 2 for a mistake of the user.

    `gate` and `judge` end with pytest's exit codes.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if "_ARGCOMPLETE" in os.environ:
        from sae_checks.cli.completion import complete

        complete(make_parser())
    try:
        return _run(words)
    except UserError as error:
        tell(f"sae-checks: {error}", sys.stderr)
        return _PYTEST_USAGE if words[0] in _BY_PYTEST else 2
    except BrokenPipeError:  # whoever read the output has read enough
        sys.stderr.close()
        return 0


def _run(words: list[str]) -> int:
    name = words[0] if words else ""
    if name and not name.startswith("-") and name not in COMMANDS:
        raise UserError(
            f"there is no command {name!r}{did_you_mean(name, COMMANDS)}; there are "
            f"{', '.join(COMMANDS)}"
        )
    command = _module(name) if name in COMMANDS else None
    if command is not None and name in _BY_PYTEST and not {"-h", "--help"} & set(words[1:]):
        code: int = command.run_words(words[1:])
        return code
    parser = make_parser([name] if command else list(COMMANDS))
    given, unknown = parser.parse_known_args(words)
    if unknown:
        _refuse(parser, name, unknown[0])
    values = vars(given)
    if values.pop("command") is None:
        parser.print_help()
        return 2
    assert command is not None, "the parser takes no other"
    status: int = command.run(values, shlex.join([*program(), *words]))
    return status


def program() -> list[str]:
    """What the user has called this program: the first words of a command to repeat."""
    by_module = Path(sys.argv[0]).parts[-2:] == ("sae_checks", "__main__.py")
    return ["python", "-m", "sae_checks"] if by_module else ["sae-checks"]


def make_parser(names: Sequence[str] = tuple(COMMANDS)) -> argparse.ArgumentParser:
    """The parser of some commands, so that one is run without loading the others."""
    parser = _Parser(
        " ".join(program()),
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"sae-checks {_version()}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name in names:
        module = _module(name)
        command = commands.add_parser(
            name,
            help=module.HELP,
            description=f"{module.HELP[0].upper()}{module.HELP[1:]}.",
            epilog=module.EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        module.add_arguments(command)
    return parser


def _module(name: str) -> ModuleType:
    return import_module(f"sae_checks.cli.{COMMANDS[name]}")


def _refuse(parser: argparse.ArgumentParser, name: str, word: str) -> None:
    actions = commands_of(parser)[name]._actions if name in COMMANDS else []
    known = [string for action in actions for string in action.option_strings]
    option = word.partition("=")[0]
    what = "option" if word.startswith("-") else "argument"
    hint = did_you_mean(option, known)
    raise UserError(
        f"{name or 'sae-checks'} takes no {what} {option!r}{hint}; see `{parser.prog} "
        f"{name + ' ' if name else ''}--help`"
    )


def _version() -> str:
    return version("sae-checks")
