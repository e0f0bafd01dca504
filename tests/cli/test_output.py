"""What commands print on a terminal or into a pipe that has no Unicode: never a traceback."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sae_checks.cli import main
from tests import stored
from tests.plugin.gate_run import CHECKOUT

ON_STORED = {
    "report": ["report", "BROKEN"],
    "summary": ["report", "BROKEN", "--format", "summary"],
    "nothing to accept": ["accept", "GOOD"],
    "compare": ["compare", "GOOD", "BROKEN"],
}
FOR_PROGRAMS = {
    "markdown": ["report", "BROKEN", "--format", "markdown"],
    "page": ["report", "BROKEN", "--format", "page"],
    "card": ["card", "BROKEN"],
    "accept": ["accept", "BROKEN"],
}
ALONE = {
    "list": ["list", "gemma-scope-2b-pt-res"],
    "show": ["show", "tales"],
    "init": ["init", "NEW"],
    "releases": ["releases"],
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Stored measurements in folders whose names are no ASCII."""
    root = tmp_path_factory.mktemp("Ωrt")
    stored.write_measurement(root / "good")
    stored.write_measurement(root / "broken", delta_ce=stored.broken_past_context)
    return {"GOOD": str(root / "good"), "BROKEN": str(root / "broken")}


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
@pytest.mark.parametrize("words", [*ON_STORED.values(), *ALONE.values()], ids=" ".join)
def test_every_command_prints_where_there_is_no_unicode(
    words, encoding, folders, tmp_path, monkeypatch
):
    into = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")
    monkeypatch.setattr(sys, "stdout", into)
    named = {**folders, "NEW": str(tmp_path / "new")}
    assert main([named.get(word, word) for word in words]) == 0
    into.flush()
    assert into.buffer.getvalue().isascii()


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
@pytest.mark.parametrize("words", FOR_PROGRAMS.values(), ids=FOR_PROGRAMS)
def test_what_programs_read_is_utf_8_in_a_pipe(words, encoding, folders, tmp_path, monkeypatch):
    """As it is in a file: signs in the place of others would break JSON, TOML and a README."""
    into = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")
    monkeypatch.setattr(sys, "stdout", into)
    named = [folders.get(word, word) for word in words]
    assert main(named) == 0
    monkeypatch.undo()
    file = tmp_path / "file.html"
    assert main([*named, "-o", str(file)]) == 0
    printed = into.buffer.getvalue().decode("utf-8")
    assert printed == file.read_text(encoding="utf-8")
    assert printed.isascii() is (words[0] == "accept")  # whose names here are ASCII


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("words", FOR_PROGRAMS.values(), ids=FOR_PROGRAMS)
def test_at_a_terminal_it_is_shown_in_its_signs(words, folders, monkeypatch):
    into = Terminal(io.BytesIO(), encoding="ascii", errors="strict")
    monkeypatch.setattr(sys, "stdout", into)
    assert main([folders.get(word, word) for word in words]) == 0
    into.flush()
    assert into.buffer.getvalue().isascii()


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (ALONE["list"], "4k-1m"),
        (ON_STORED["compare"], "made-up (1): "),
    ],
    ids=["list", "compare"],
)
def test_signs_have_others_in_their_place(words, shown, folders):
    """In a process, as `PYTHONIOENCODING=ascii` has it."""
    done = subprocess.run(
        [sys.executable, "-m", "sae_checks", *[folders.get(word, word) for word in words]],
        env=os.environ | {"PYTHONPATH": str(CHECKOUT), "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert shown in done.stdout.decode("ascii")


def test_a_mistake_is_told_without_unicode_too(monkeypatch, tmp_path: Path):
    into = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    monkeypatch.setattr(sys, "stderr", into)
    assert main(["report", str(tmp_path / "Ω\x1b")]) == 2
    into.flush()
    assert into.buffer.getvalue().decode("ascii") == (
        f"sae-checks: there is no folder {tmp_path}/\\u03a9\\x1b; name the folder that a run tells "
        "as its measurements\n"
    )


def test_where_there_is_unicode_signs_are_as_they_are(capsys):
    main(ALONE["list"])
    assert "4k–1m" in capsys.readouterr().out
