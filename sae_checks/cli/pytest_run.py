"""Runs pytest on the suite, from any folder: what `gate` and `judge` hand on."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from sae_checks.cli.output import tell
from sae_checks.cli.suggestion import did_you_mean
from sae_checks.errors import UserError
from sae_checks.options import FLAGS, OPTIONS
from sae_checks.options.typed import handed_on
from sae_checks.session.suite import BUNDLED_CHECKS, bundled_checks

NAMES = tuple(option.name for option in (*OPTIONS, *FLAGS))
_NOTHING_COLLECTED, _USAGE = 5, 4


def run_suite(words: Sequence[str], program: Sequence[str], typed: Sequence[str]) -> int:
    """The exit code of pytest on the suite with some words of a command line.

    Args:
        words: for pytest.
        program: what the user called, with the name of the command: reports tell it.
        typed: what the user typed behind it.
    """
    mistake = _mistake(words)
    if mistake:
        tell(f"sae-checks: {mistake}", sys.stderr)
        return _USAGE
    command = [sys.executable, "-m", "pytest", *_suite(words), *words]
    process = subprocess.Popen(command, env={**os.environ, **handed_on(program, typed)})
    while True:
        try:
            status = process.wait()
            break
        except KeyboardInterrupt:  # pytest got it too, and ends with its own report
            continue
    if status == _NOTHING_COLLECTED:
        _tell_names(words)
    return status


def _mistake(words: Sequence[str]) -> str:
    """What is wrong with an option of the gate, which pytest would refuse without a hint."""
    for word in words:
        name = word.partition("=")[0]
        if name.startswith("--sae") and name not in NAMES:
            return f"there is no option {name!r}{did_you_mean(name, NAMES)}"
    return ""


def _suite(words: Sequence[str]) -> list[str]:
    """The suite, so that settings are those of the folder that the command was given in.

    In a checkout the suite is no part of the package: pytest would then read the checkout's own
    settings, wherever the command is given.
    """
    inside = BUNDLED_CHECKS.parent.name == "sae_checks"
    if inside:
        return ["--pyargs", "sae_checks.checks"]
    here = Path.cwd().resolve()
    if here.is_relative_to(BUNDLED_CHECKS.parent) or _names_settings(words):
        return [str(BUNDLED_CHECKS)]
    file = _settings_file(here)
    return [str(BUNDLED_CHECKS), "-c", str(file or os.devnull), f"--rootdir={here}"]


def _names_settings(words: Sequence[str]) -> bool:
    return any(word == "-c" or word.startswith(("--config-file", "--rootdir")) for word in words)


def _settings_file(folder: Path) -> Path | None:
    """The file that pytest would take its settings from in a folder."""
    for parent in (folder, *folder.parents):
        for name in ("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini"):
            if (parent / name).is_file():
                return parent / name
        project = parent / "pyproject.toml"
        if project.is_file() and _has_settings(project):
            return project
        for name, section in (("tox.ini", "[pytest]"), ("setup.cfg", "[tool:pytest]")):
            if (parent / name).is_file() and section in (parent / name).read_text(encoding="utf-8"):
                return parent / name
    return None


def _has_settings(project: Path) -> bool:
    try:
        content = tomllib.loads(project.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{project} is not valid TOML: {error}") from error
    return "pytest" in content.get("tool", {})


def _tell_names(words: Sequence[str]) -> None:
    """Which check -k may have meant, where it is a single name."""
    asked = next((b for a, b in pairwise(words) if a == "-k"), "")
    name = asked.partition("[")[0].removeprefix("check_")
    hint = did_you_mean(name, bundled_checks()) if name.isidentifier() else ""
    if hint:
        tell(f"sae-checks: no check is called {asked!r}{hint}", sys.stderr)
