"""`sae-checks gate` and `judge`: pytest on the suite, from any folder, with its exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sae_checks.cli import main, pytest_run
from sae_checks.cli.gate import with_release
from sae_checks.options.typed import typed
from sae_checks.session.suite import BUNDLED_CHECKS
from tests import stored
from tests.plugin.gate_run import CHECKOUT


@pytest.fixture
def environments() -> list[dict[str, str]]:
    """Those of the commands that were run."""
    return []


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch, environments: list[dict[str, str]]) -> list[list[str]]:
    """The commands that were run, in the place of running them."""
    commands: list[list[str]] = []

    class Process:
        def __init__(self, command: list[str], env: dict[str, str]) -> None:
            environments.append(env)
            commands.append(command)
            self.interrupted = "--interrupted" in command

        def wait(self) -> int:
            if self.interrupted:
                self.interrupted = False
                raise KeyboardInterrupt
            return 5 if "-k" in commands[-1] else 3

    monkeypatch.setattr(pytest_run.subprocess, "Popen", Process)
    return commands


def test_in_the_checkout_it_is_pytest_on_the_suite(called, monkeypatch):
    monkeypatch.chdir(CHECKOUT)
    assert main(["gate", "gpt2-small-res-jb", "-q", "--sae-tokens=5000"]) == 3
    suite = [sys.executable, "-m", "pytest", str(BUNDLED_CHECKS)]
    assert called == [[*suite, "--sae=gpt2-small-res-jb", "-q", "--sae-tokens=5000"]]


def test_from_an_installed_wheel_it_is_the_suite_by_its_name(called, monkeypatch):
    monkeypatch.setattr(pytest_run, "BUNDLED_CHECKS", Path("/site/sae_checks/checks"))
    assert main(["gate", "-x"]) == 3
    assert called == [[sys.executable, "-m", "pytest", "--pyargs", "sae_checks.checks", "-x"]]


@pytest.mark.parametrize(
    ("name", "text", "used"),
    [
        ("pytest.ini", "[pytest]\n", True),
        ("pyproject.toml", "[tool.pytest.ini_options]\n", True),
        ("pyproject.toml", "[project]\n", False),
        ("setup.cfg", "[tool:pytest]\n", True),
        ("tox.ini", "[tox]\n", False),
    ],
)
def test_elsewhere_it_has_the_settings_of_the_folder(
    called, monkeypatch, tmp_path, name, text, used
):
    (tmp_path / name).write_text(text, encoding="utf-8")
    below = tmp_path / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    main(["gate"])
    file = str(tmp_path / name) if used else os.devnull
    assert called[0][3:] == [str(BUNDLED_CHECKS), "-c", file, f"--rootdir={below}"]
    main(["gate", "-c", "mine.ini"])
    assert called[1][3:] == [str(BUNDLED_CHECKS), "-c", "mine.ini"]


@pytest.mark.parametrize(
    ("words", "program", "arguments"),
    [
        (["gate", "saes", "mine.py", "-n", "2"], ["gate", "saes", "mine.py"], ["-n", "2"]),
        (["gate", "--sae", "saes"], ["gate"], ["--sae", "saes"]),
        (["gate"], ["gate"], []),
    ],
)
def test_what_was_typed_is_handed_on_for_reports(called, environments, words, program, arguments):
    """And is gone from the environment of what that pytest starts."""
    main(words)
    (environment,) = environments
    environment["PYTEST_ADDOPTS"] = "-p no:logging"
    found = typed(["pytests", "own"], environment)
    assert found.program[-len(program) :] == tuple(program)
    assert found.program[0] in ("sae-checks", "python")
    assert found.arguments == ("-p", "no:logging", *arguments)
    assert typed(["checks/"], environment) == (("pytest",), ("-p", "no:logging", "checks/"))


def test_an_interrupted_run_ends_as_pytest_ends_it(called):
    assert main(["gate", "--interrupted"]) == 3


def test_the_release_comes_first():
    assert with_release(["saes", "check_mine.py"]) == ["--sae=saes", "check_mine.py"]
    assert with_release(["check_mine.py"]) == ["check_mine.py"]
    assert with_release(["-q", "saes"]) == ["-q", "saes"]
    assert with_release([]) == []


def test_slips_of_the_hand(called, capsys, tmp_path):
    """They end with pytest's exit code for usage, and nothing is run."""
    for words, message in (
        (
            ["gate", "--sae-tokns=5"],
            "there is no option '--sae-tokns' (did you mean --sae-tokens?)",
        ),
        (["judge"], "judge takes a folder of stored tables first: sae-checks judge FOLDER"),
        (
            ["judge", str(tmp_path / "nothing")],
            f"there is no folder {tmp_path / 'nothing'}; name the folder that a run tells as its "
            "measurements",
        ),
    ):
        assert main(words) == 4
        assert capsys.readouterr().err == f"sae-checks: {message}\n"
    assert called == []


def test_a_check_that_does_not_exist(called, capsys):
    assert main(["gate", "-k", "dleta_ce"]) == 5
    told = "sae-checks: no check is called 'dleta_ce' (did you mean delta_ce?)\n"
    assert capsys.readouterr().err == told


@pytest.mark.parametrize(("delta_ce", "code"), [(stored.flat, 0), (stored.broken_past_context, 1)])
def test_stored_tables_are_judged_from_any_folder(tmp_path, delta_ce, code):
    """By a real process, with the settings of the folder that it is run in."""
    folder = stored.write_measurement(tmp_path / "store", delta_ce=delta_ce)
    (tmp_path / "pytest.ini").write_text("[pytest]\nsae_ids = blocks.0.*\n", encoding="utf-8")
    words = ["judge", str(tmp_path / "store"), "-q", "-k", "delta_ce", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "sae_checks", *words],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert str(folder.name) in done.stdout + str(folder)
    assert ("check_delta_ce_growth[blocks.0" in done.stdout) is (code == 1)
    assert "blocks.1" not in done.stdout
    more = [line for line in done.stdout.splitlines() if line.startswith("  more: ")]
    assert more == (code == 1) * [
        f"  more: python -m sae_checks judge {tmp_path / 'store'} -p no:cacheprovider -k "
        "'(check_delta_ce_growth or check_usable_context) and blocks.0.hook_resid_pre' -v"
    ]
