"""Names that commands are given: what no file can be called is refused, as of an option."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from sae_checks.cli import main
from tests.plugin.gate_run import CHECKOUT

LONG = "n" * 6_000
BAD = {
    "": "''",
    " ": "' '",
    "~nobody-here/x": "'~nobody-here/x': Could not determine home directory",
    LONG: f"'{LONG[:80]}…': File name too long",
}
# Each command with a name in the place of NAME, what it calls that, and how it ends.
COMMANDS = [
    (["show", "NAME"], "RELEASE", 2),
    (["measure", "NAME"], "RELEASE", 2),
    (["judge", "NAME"], "FOLDER", 4),
    (["report", "NAME"], "FOLDER", 2),
    (["report", "somewhere", "-o", "NAME"], "-o/--output", 2),
    (["accept", "NAME"], "FOLDER", 2),
    (["accept", "somewhere", "-o", "NAME"], "-o/--output", 2),
    (["card", "NAME"], "FOLDER", 2),
    (["card", "somewhere", "-o", "NAME"], "-o/--output", 2),
    (["compare", "NAME", "somewhere"], "FOLDER", 2),
    (["compare", "somewhere", "NAME"], "FOLDER", 2),
    (["compare", "somewhere", "elsewhere", "-o", "NAME"], "-o/--output", 2),
    (["init", "NAME"], "DIR", 2),
    (["selftest", "--retrained", "NAME"], "--retrained", 2),
]


@pytest.mark.parametrize("name", list(BAD), ids=["empty", "blank", "no_home", "too_long"])
@pytest.mark.parametrize(("words", "called", "code"), COMMANDS, ids=lambda each: str(each))
def test_what_no_file_can_be_called(words, called, code, name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["/somewhere/sae-checks"])
    assert main([name if word == "NAME" else word for word in words]) == code
    more = "" if words[0] == "judge" else f"; see `sae-checks {words[0]} --help`"
    told = f"argument {called}: must be a name or a path, not {BAD[name]}{more}"
    assert capsys.readouterr() == ("", f"sae-checks: {told}\n")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["", "~nobody-here/x"])
def test_the_release_of_a_gate_is_an_option_of_pytest(name):
    done = subprocess.run(
        [sys.executable, "-m", "sae_checks", "gate", name],
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4
    assert f"must be a name or a path, not {name!r}" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["card"], "the following arguments are required: FOLDER; see `sae-checks card --help`"),
        (
            ["init", "--ci", "jenkins"],
            "argument --ci: invalid choice: 'jenkins' (choose from",
        ),
    ],
)
def test_a_mistake_in_an_argument_is_one_sentence(words, told, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["/somewhere/sae-checks"])
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"sae-checks: {told}")
