"""The command line as a whole: its commands, their help, and what a slip of the hand is told."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sae_checks.cli import COMMANDS, main, make_parser, program
from sae_checks.cli.completion import commands_of


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_tells_what_it_does_with_examples(name, capsys):
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert told.startswith(f"usage: sae-checks {name} ")
    assert f"  sae-checks {name}" in told.partition("examples:")[2]


def test_without_a_command_it_says_what_there_is(capsys):
    assert main([]) == 2
    told = capsys.readouterr().out
    for name in COMMANDS:
        assert f"\n    {name} " in told


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["lst"],
            "sae-checks: there is no command 'lst' (did you mean list?); there are "
            + ", ".join(COMMANDS),
        ),
        (
            ["report", "there", "--formt", "page"],
            "sae-checks: report takes no option '--formt' (did you mean --format?); see "
            "`sae-checks report --help`",
        ),
        (
            ["list", "gpt2-smal-res-jb"],
            "sae-checks: no release and no model has 'gpt2-smal-res-jb' in its name (did you mean "
            "gpt2-small-res-jb?)",
        ),
        (
            ["show", "gpt2-smal-res-jb"],
            "sae-checks: --sae 'gpt2-smal-res-jb' is no release of sae_lens's directory, no folder "
            "of SAEs and no hub repo id (owner/name); did you mean gpt2-small-res-jb or "
            "gpt2-small-res_sll-ajt or gpt2-small-res_sle-ajt?",
        ),
    ],
)
def test_a_slip_of_the_hand(words, message, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/somewhere/sae-checks"])
    assert main(words) == 2
    assert capsys.readouterr().err == f"{message}\n"


def test_the_program_is_called_as_the_user_calls_it(monkeypatch):
    for path, words in (
        ("/venv/bin/sae-checks", ["sae-checks"]),
        ("/venv/lib/sae_checks/__main__.py", ["python", "-m", "sae_checks"]),
    ):
        monkeypatch.setattr(sys, "argv", [path])
        assert program() == words


def test_one_command_is_made_without_the_others():
    assert list(commands_of(make_parser(["list"]))) == ["list"]
    assert list(commands_of(make_parser())) == list(COMMANDS)


def test_listing_loads_nothing_heavy():
    code = (
        "import sys; from sae_checks.cli import main; main(['list', 'gpt2-small-res-jb']); "
        "print(sorted({'torch', 'sae_lens', 'pytest', 'scipy'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("sae-checks sh", ["show "]),
        ("sae-checks gate --sae-thr", ["--sae-thresholds "]),
        ("sae-checks show gpt2-small-res-jb-f", ["gpt2-small-res-jb-feature-splitting "]),
    ],
)
def test_a_shell_completes_commands_options_and_releases(line, completed):
    """As bash asks: the answer comes on file descriptor 8."""
    code = "from sae_checks.cli import main; main()"
    environment = {
        "_ARGCOMPLETE": "1",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "_ARGCOMPLETE_STDOUT_FILENAME": "/dev/stdout",
        "_ARGCOMPLETE_IFS": "\n",
    }
    import os

    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split("\n") == completed, done.stderr
