"""The progress bar: a bar with the time left for a person, lines for a log, nothing under -q."""

from __future__ import annotations

import io

import pytest

from sae_checks.report.progress import ConsoleProgress


class Terminal(io.StringIO):
    """A stream that says somebody watches it."""

    def isatty(self) -> bool:
        return True


def run(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch, *, quiet: bool = False) -> str:
    monkeypatch.setattr("sys.__stderr__", stream)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    progress = ConsoleProgress(quiet=quiet)
    progress.phase("loading model tales")
    progress.start("measuring 5 SAEs on 16 texts", 80, "texts", "measuring")
    for _ in range(10):
        progress.advance(8)
    progress.close()
    return stream.getvalue()


def test_a_person_sees_a_bar_and_the_time_left(monkeypatch):
    shown = run(Terminal(), monkeypatch)
    assert "measuring 5 SAEs on 16 texts" in shown
    assert "━" in shown
    assert "0:00:00" in shown
    assert "sae-checks: measured in 0 s" in shown


def test_a_log_gets_two_lines(monkeypatch):
    shown = run(io.StringIO(), monkeypatch)
    assert shown == ("sae-checks: measuring 5 SAEs on 16 texts\nsae-checks: measured in 0 s\n")


def test_quiet_is_quiet(monkeypatch):
    assert run(Terminal(), monkeypatch, quiet=True) == ""


@pytest.mark.parametrize("quiet", [False, True])
def test_a_note_is_a_line_that_stays_even_for_the_quiet(monkeypatch, quiet):
    stream = io.StringIO()
    monkeypatch.setattr("sys.__stderr__", stream)
    ConsoleProgress(quiet=quiet).note("a [bold]long[/bold] note " + 200 * "x")
    assert stream.getvalue() == f"sae-checks: a [bold]long[/bold] note {200 * 'x'}\n"


def test_nothing_is_said_where_nothing_is_measured(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr("sys.__stderr__", stream)
    ConsoleProgress().close()
    assert stream.getvalue() == ""


def test_a_long_run_says_in_a_log_how_far_it_is(monkeypatch):
    clock = iter([0.0, 0.0, 30.0, 90.0, 90.0, 100.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    stream = io.StringIO()
    monkeypatch.setattr("sys.__stderr__", stream)
    progress = ConsoleProgress()
    progress.start("measuring 2 SAEs on 2 texts", 4, "texts", "measuring")
    progress.advance(1)
    progress.advance(1)
    assert stream.getvalue().splitlines()[1:] == ["sae-checks: 50% done, about 2 min left"]
