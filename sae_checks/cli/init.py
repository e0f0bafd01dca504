"""`sae-checks init`: the three files with which a repository gates a release of its own."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Mapping
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from sae_checks.cli.output import tell
from sae_checks.errors import UserError
from sae_checks.options.parsing import path

HELP = "write starter files: thresholds of yours, a check of yours, a CI job"
EPILOG = """\
Nothing is overwritten: where one of the files exists, none is written.

examples:
  sae-checks init
  sae-checks init path/to/repository --release saes/ --ci gitlab
"""
_CI = {"github": ".github/workflows/sae-checks.yml", "gitlab": ".gitlab-ci.yml"}


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Where the files are written, and what they gate."""
    command.add_argument(
        "directory", nargs="?", type=path, metavar="DIR", help="this folder without it"
    )
    command.add_argument(
        "--release",
        default="tales",
        metavar="NAME",
        help="what the CI job gates: a folder, a release of sae_lens's directory, a hub repo (the "
        "bundled demo, tales, without it)",
    )
    command.add_argument(
        "--ci", choices=(*_CI, "none"), default="github", help="whose CI file (github without it)"
    )
    command.add_argument(
        "--install",
        metavar="REQUIREMENT",
        help="what pip installs in CI, such as git+https://HOST/OWNER/sae-checks (without it this "
        "version by its name, which an index has to have)",
    )


def run(given: Mapping[str, Any], command: str) -> int:
    """Write the files, and tell of each.

    Args:
        given: its arguments by name.
        command: as it was called.

    Raises:
        UserError: one of the files exists, or the folder cannot be written into.
    """
    folder = given["directory"] or Path.cwd()
    install = given["install"]
    if install is None:
        install = f"sae-checks=={version('sae-checks')}"
    made = starter_files(given["release"], given["ci"], install)
    there = [name for name in made if (folder / name).exists()]
    if there:
        raise UserError(
            f"{folder} already has {', '.join(there)}, and nothing is overwritten: move what is "
            "there, or name another folder"
        )
    for name, text in made.items():
        _write(folder / name, text)
        tell(f"written: {name}")
    tell(
        f"gate with them: sae-checks gate {shlex.quote(given['release'])} "
        "check_mine.py --sae-thresholds thresholds.toml"
    )
    return 0


def starter_files(release: str, ci: str, install: str) -> dict[str, str]:
    """The texts of the files, by their names below the folder.

    Args:
        release: what is gated.
        ci: whose CI file.
        install: what pip installs there.

    Raises:
        UserError: one of the texts cannot stand in a CI file.
    """
    for option, text, what in (
        ("--release", release, "a folder or a release"),
        ("--install", install, "a requirement"),
    ):
        if not text or not text.isprintable() or set(text) & set("'\"\\$`"):
            raise UserError(
                f"{option} {text!r} cannot stand in a CI file; name {what} without quotes, "
                "backslashes, dollar signs and control characters"
            )
    made = {
        "thresholds.toml": _template("thresholds.toml"),
        "check_mine.py": _template("check_mine.py.txt"),  # no module of this package
    }
    if ci in _CI:
        words = {"REQUIREMENT": install, "RELEASE": release}
        made[_CI[ci]] = re.sub("|".join(words), lambda m: words[m[0]], _template(f"{ci}.yml"))
    return made


def _template(name: str) -> str:
    return (files("sae_checks.cli") / "templates" / name).read_text(encoding="utf-8")


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except OSError as error:
        raise UserError(f"{file} cannot be written: {error}; name another folder") from error
