"""What judging and reporting costs, and a warm gate of the demo.

    pytest benchmarks/test_reporting.py -s

10,000 cells of a made-up measurement of 50 SAEs, judged from its tables and told in all
text reports; then the demo's gate as a process, with its measurements stored before: with all
plugins of pytest that are installed, and without those that only development brings. Beside each
time stand the seconds of one core, which other work on the machine changes less. Time is printed
and never asserted.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

from sae_checks.errors import UserError
from sae_checks.options import options_of
from sae_checks.report.progress import ConsoleProgress
from sae_checks.report.registry import FORMATS, report
from sae_checks.session.result import RunResult
from sae_checks.session.session import Session
from sae_checks.session.suite import bundled_checks
from tests import stored
from tests.report.results import became

SAES = 50
ROUNDS = 5
TIMES = 3  # that many cells are judged
# Plugins that the extra [dev] installs; some of them take longer to import than a release to judge.
OF_DEVELOPMENT = ("hypothesispytest", "xdist", "xdist.looponfail", "benchmark", "pytest_cov")
OF_DEVELOPMENT += ("timeout",)
TEXTS = [name for name in FORMATS if name != "page"]


def test_cells_judged_and_reported(tmp_path: Path) -> None:
    tasks = [stored.task_table(layer, "task") for layer in range(SAES)]
    folder = stored.write_measurement(
        tmp_path, layers=SAES, delta_ce=stored.broken_past_context, tasks=tasks
    )
    taken = [_judged_and_told(folder) for _ in range(TIMES)]
    seconds, busy = (statistics.median(each) for each in zip(*taken, strict=True))
    print(f"  together: {seconds:.2f} s, {busy:.2f} s of one core (median of {TIMES})")


def _judged_and_told(folder: Path) -> tuple[float, float]:
    """The seconds that all of it takes, and those of one core."""
    started, busy = time.perf_counter(), time.process_time()
    run = _judged(folder)
    print(f"\n{len(run.outcomes):,} cells judged in {time.perf_counter() - started:.2f} s")
    assert len(run.outcomes) >= 10_000
    for name in TEXTS:
        before = time.perf_counter()
        lines = report(name, run)
        print(f"  {name}: {len(lines):,} lines in {time.perf_counter() - before:.2f} s")
    return time.perf_counter() - started, time.process_time() - busy


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
    command = [sys.executable, "-m", "pytest", "checks/", "-pno:cacheprovider"]
    bare = [*command, *(f"-pno:{name}" for name in OF_DEVELOPMENT)]
    store = f"--sae-store={tmp_path}"
    print()
    _tell("cold", [_run([*command, store])])
    _tell("warm", [_run([*command, store]) for _ in range(ROUNDS)])
    _tell("warm, without the plugins of development", [_run([*bare, store]) for _ in range(ROUNDS)])
    (measured,) = (tmp_path / "measurements").iterdir()
    stored = [*bare, f"--sae-measurements={measured}"]
    _tell("the same from stored tables alone", [_run(stored) for _ in range(ROUNDS)])


def _tell(name: str, taken: list[tuple[float, float]]) -> None:
    """Medians of the seconds that runs took, and of those of one core."""
    seconds, busy = (statistics.median(each) for each in zip(*taken, strict=True))
    print(f"  {name}: {seconds:.1f} s, {busy:.1f} s of one core (median of {len(taken)})")


def _run(command: list[str]) -> tuple[float, float]:
    """The seconds that a gate takes, and those of one core; modules are compiled once, as ever."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stdout
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, busy
