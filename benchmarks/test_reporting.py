"""What judging and reporting costs, and a warm gate of the demo.

    pytest benchmarks/test_reporting.py -s

10,000 cells and more of a made-up measurement of 64 SAEs, judged from its tables and told in all
text reports; then the demo's gate as a process, with its measurements stored before. Time is
printed and never asserted.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from sae_checks.errors import UserError
from sae_checks.options import options_of
from sae_checks.report.progress import ConsoleProgress
from sae_checks.report.registry import FORMATS, report
from sae_checks.report.terminal.compact import compact_lines, failed_lines
from sae_checks.report.terminal.screen import Screen
from sae_checks.session.result import RunResult
from sae_checks.session.session import Session
from sae_checks.session.suite import bundled_checks
from tests import stored
from tests.report.results import became

SAES = 64
TEXTS = [name for name in FORMATS if name != "page"]


def test_cells_judged_and_reported(tmp_path: Path) -> None:
    tasks = [stored.task_table(layer, "task") for layer in range(SAES)]
    folder = stored.write_measurement(
        tmp_path, layers=SAES, delta_ce=stored.broken_past_context, tasks=tasks
    )
    started = time.perf_counter()
    run = _judged(folder)
    print(f"\n{len(run.outcomes):,} cells judged in {time.perf_counter() - started:.2f} s")
    assert len(run.outcomes) >= 10_000
    for name in TEXTS:
        before = time.perf_counter()
        lines = report(name, run)
        print(f"  {name}: {len(lines):,} lines in {time.perf_counter() - before:.2f} s")
    before = time.perf_counter()
    lines = [*compact_lines(run, Screen(100)), *failed_lines(run.outcomes, Screen(100))]
    print(f"  at the terminal: {len(lines)} lines in {time.perf_counter() - before:.2f} s")
    print(f"  together: {time.perf_counter() - started:.2f} s")


def _judged(folder: Path) -> RunResult:
    """A run of the bundled suite on a stored measurement."""
    session = Session(options_of({"measurements": folder}), ConsoleProgress(quiet=True))
    wanted = [(check, cell) for check in bundled_checks().values() for cell in session.cells(check)]
    session.prepare(wanted)
    session.measure(wanted)
    for check, cell in wanted:
        try:
            outcome = became(check, cell, session.judge(check, cell))
        except UserError:
            session.record(check, cell, "error", None)
        else:
            session.record(check, cell, outcome.outcome, outcome.verdict)
    return session.result()


def test_a_warm_gate_of_the_demo(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "checks/", "-p", "no:cacheprovider"]
    command.append(f"--sae-store={tmp_path}")
    print()
    for name in ("cold", "warm", "warm"):
        started = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - started
        lines = done.stdout.splitlines()
        begins = next(n for n, line in enumerate(lines) if "sae-checks: tales ==" in line)
        print(f"  {name}: {seconds:.1f} s, a summary of {len(lines) - begins - 2} lines")
        assert done.returncode == 0, done.stdout
    (measured,) = (tmp_path / "measurements").iterdir()
    started = time.perf_counter()
    subprocess.run(
        [*command[:-1], f"--sae-measurements={measured}"], capture_output=True, check=True
    )
    print(f"  from stored tables alone: {time.perf_counter() - started:.1f} s")
