"""What a run writes to the terminal, as a process: a screenful, whatever the terminal is like."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests import stored
from tests.plugin.gate_run import GateRun, run_gate

LAYER_0 = "blocks.0.hook_resid_pre"
SUMMARY = "sae-checks: made-up"
# Tests that fail for one cause, and those around them.
CHOSEN = ("-k", "(delta_ce or usable or l0 or mse) and not (stack or propag or trend)")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two SAEs, of which the first one is broken past its training context."""
    root = tmp_path_factory.mktemp("store")
    return stored.write_measurement(root, delta_ce=stored.broken_past_context)


def run(folder: Path, tmp_path: Path, *arguments: str) -> GateRun:
    given = (f"--sae-measurements={folder}", *CHOSEN, *arguments)
    return run_gate(tmp_path, *given, full=False)


@pytest.fixture(scope="module")
def usual(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> GateRun:
    return run(folder, tmp_path_factory.mktemp("usual"))


def summary(done: GateRun) -> list[str]:
    """The lines between the summary's heading and pytest's last one."""
    lines = done.output.splitlines()
    first = next(n for n, line in enumerate(lines) if SUMMARY in line and line.startswith("="))
    last = next(
        n for n, line in enumerate(lines) if re.match(r"(=+ )?\d+ failed.* in [\d.]+s", line)
    )
    return lines[first + 1 : last]


def test_the_header_has_three_lines(usual, folder):
    head = [line for line in usual.output.splitlines() if line.startswith("sae-checks: ")]
    assert head[:2] == [
        "sae-checks: release made-up: 2 SAEs, model made-up",
        f"sae-checks: judging stored measurements of {folder}",
    ]
    assert head[2].startswith("sae-checks: limits ")
    assert len(head) == 3


def test_many_failures_are_told_by_cause_and_not_one_by_one(usual):
    """Pytest's sections are in the JUnit file, and its last line counts them."""
    lines = summary(usual)
    assert usual.exit_code == 1
    assert len(lines) <= 45
    assert "FAILURES" not in usual.output
    assert "short test summary" not in usual.output
    failed = usual.with_outcome("failed")
    assert re.search(rf"\n=+ {len(failed)} failed, \d+ passed", usual.output)
    assert all(case.message.count("\n") > 3 for case in failed)
    assert any("grows past the training context" in line for line in lines)
    (claim,) = (line for line in lines if line.startswith("FAILED delta_ce_growth "))
    said = r"FAILED delta_ce_growth [\d.]+ > 2 times: check_delta_ce_growth\[blocks\.0\.hook_\w*…"
    assert re.fullmatch(said, claim)  # of 80 columns


@pytest.mark.parametrize("more", ["-v", "--sae-summary-full"])
def test_all_figures_and_all_failures_in_full(folder, tmp_path, more):
    done = run(folder, tmp_path, more)
    assert f"\n{LAYER_0}: " in done.output
    assert "\n  delta_ce_growth " in done.output
    assert done.output.count("\nasked: Past the training context, ΔCE stays near what") >= 5
    assert "short test summary" in done.output
    assert len(re.findall(r"\nFAILED: \d+ claims and .* claims hold\n", done.output)) == 1


def told(done: GateRun) -> list[str]:
    """The summary's lines but for those that name the command, or a file of this run's."""
    return [line for line in summary(done) if not re.match(r"  more: |JUnit report: ", line)]


def test_a_quiet_run_says_the_same(usual, folder, tmp_path):
    done = run(folder, tmp_path, "-q")
    assert done.exit_code == usual.exit_code
    assert told(done) == told(usual)


@pytest.mark.parametrize("more", ["", "--sae-summary-full"])
def test_the_quietest_run_says_the_verdict_alone(usual, folder, tmp_path, more):
    done = run(folder, tmp_path, "-qq", *([more] if more else []))
    before = r"sae-checks: .*|[.Fun]* *(\[ *\d+%\])?"  # the header, lines of results, empty ones
    lines = [line for line in done.output.splitlines() if not re.fullmatch(before, line)]
    assert lines == summary(usual)[:1]
    assert lines[0].startswith("FAILED: ")


def test_all_figures_of_a_quiet_run_where_they_are_asked_for(folder, tmp_path):
    done = run(folder, tmp_path, "-q", "--sae-summary-full")
    assert "\n  delta_ce_growth " in done.output


def test_workers_change_nothing(usual, folder, tmp_path):
    assert told(run(folder, tmp_path, "-n2")) == told(usual)


def test_colours_come_and_go_as_pytest_is_told(folder, tmp_path, monkeypatch):
    coloured = run(folder, tmp_path, "--color=yes")
    assert "\x1b[31m" in coloured.output
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in run(folder, tmp_path).output


def test_a_narrow_terminal_without_unicode(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    monkeypatch.setenv("COLUMNS", "60")
    done = run(folder, tmp_path)
    lines = [line for line in summary(done) if "more: pytest" not in line]
    assert done.output.isascii()
    assert any(line.startswith("X layer 0, ") for line in lines)
    assert max(len(line) for line in lines if " " in line.strip() and "/" not in line) <= 60


def test_markdown_goes_to_its_file_and_to_the_steps_summary(folder, tmp_path, monkeypatch):
    step, file = tmp_path / "step.md", tmp_path / "report.md"
    step.write_text("before\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(step))
    done = run(folder, tmp_path, f"--sae-markdown={file}")
    text = file.read_text(encoding="utf-8")
    assert text.startswith("### ❌ <code>made-up</code>: FAILED: ")
    assert step.read_text(encoding="utf-8") == f"before\n{text}"
    assert f"report in Markdown in {file}" in summary(done)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY")
    assert f"--sae-measurements={folder}" in text


def test_what_is_not_ours_is_shown_as_pytest_shows_it(folder, tmp_path):
    """A failing test of another kind beside many failing checks."""
    suite = tmp_path / "suite"
    suite.mkdir()
    (suite / "test_other.py").write_text("def test_other():\n    assert 1 == 2\n", "utf-8")
    bundled = Path(__file__).parents[2] / "checks" / "check_delta_ce.py"
    (suite / "check_delta_ce.py").write_text(bundled.read_text(encoding="utf-8"), "utf-8")
    done = run_gate(tmp_path, f"--sae-measurements={folder}", suite=suite, full=False)
    assert done.exit_code == 1
    assert done.output.count("assert 1 == 2") >= 2
    assert "test_other" in done.output.split("FAILURES")[1].split(SUMMARY)[0]
    assert "check_delta_ce_growth" not in done.output.split("FAILURES")[1].split(SUMMARY)[0]
