"""docs/command-line.md is what the parsers say: every command, its arguments, its examples."""

from __future__ import annotations

import argparse
import re

from sae_checks.cli import COMMANDS, make_parser
from sae_checks.cli.completion import commands_of
from tests.docs.pages import in_code, page, rows

PAGE = page("command-line.md")
PARSERS = commands_of(make_parser())


def test_every_command_is_told_as_its_help_tells_it():
    told = {in_code(row[0])[0].split()[0]: row[1] for row in rows(PAGE, "| command | ")}
    assert told == {name: action.help for name, action in _helps().items()}
    assert list(told) == list(COMMANDS)


def test_commands_are_written_with_the_arguments_that_they_take():
    for row in rows(PAGE, "| command | "):
        name, *words = in_code(row[0])[0].split()
        positional = [a for a in PARSERS[name]._actions if not a.option_strings]
        assert words == [_written(action) for action in positional], name


def test_examples_are_those_of_the_help():
    examples = re.findall(r"^    (sae-checks .*)$", PAGE, re.MULTILINE)
    helped = "\n".join(parser.epilog or "" for parser in PARSERS.values())
    helped += make_parser(["list"]).epilog or ""
    said = {" ".join(line.split("   ")[0].split()) for line in helped.splitlines()}
    assert examples
    assert [each for each in examples if " ".join(each.split()) not in said] == []


def test_lines_are_wrapped():
    assert [line for line in PAGE.splitlines() if len(line) > 100] == []


def _helps() -> dict[str, argparse.Action]:
    (commands,) = (a for a in make_parser()._actions if isinstance(a, argparse._SubParsersAction))
    return {action.dest: action for action in commands._get_subactions()}


def _written(action: argparse.Action) -> str:
    name = str(action.metavar)
    return {"?": f"[{name}]", "+": f"{name}..."}.get(str(action.nargs), name)
