"""Runs the gate on the demo in processes that are killed, and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from sae_checks.store.codec import units_of
from sae_checks.store.integrity import read_sealed
from sae_checks.store.swap import standing
from tests.equality.comparison import Comparison
from tests.equality.junit import compare_cases, read_cases
from tests.equality.tables import compare_stores
from tests.kills.log import Log

CHECKOUT = Path(__file__).resolve().parents[2]
# Small budgets and smaller parts: seconds, and yet several parts and, where it stops early, blocks.
MODES = {
    "fixed": (
        "--sae-fixed",
        "--sae-tokens=12288",
        "--sae-items=60",
        "--sae-ablate=2",
        "--sae-task=tales_long",
    ),
    "adaptive": ("--sae-tokens=25600", "--sae-items=150", "--sae-task=tales"),
}
# What the command tries; the suite has time for fewer checks.
TRIED = tuple(MODES)
MODES["few"] = (
    "--sae-fixed",
    "--sae-tokens=12288",
    "--sae-items=60",
    "--sae-task=tales",
    "-kcheck_delta_ce_growth or check_accuracy_drop",
)
BATCH_TOKENS, PART_TOKENS = 1_024, 2_048


@dataclass(frozen=True)
class Folder:
    """Where a run's store, JUnit file and log lie.

    Attributes:
        mode: of `MODES`.
    """

    path: Path
    mode: str

    @property
    def store(self) -> Path:
        return self.path / "store"

    @property
    def junit(self) -> Path:
        return self.path / "junit.xml"

    def log(self, name: str) -> Path:
        return self.path / f"{name}.jsonl"

    def start(
        self, name: str, kill_at: int = 0, wait_for: Path | None = None
    ) -> subprocess.Popen[bytes]:
        """A run under way, noted down in the log of that name.

        Args:
            name: of the log.
            kill_at: the write in which it kills itself; 0: in none.
            wait_for: a file for which it waits after its first part.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pytest", "checks/", "-q", "-p", "no:cacheprovider"]
        command += ["-p", "no:hypothesispytest", "-p", "tests.kills.plugin", *MODES[self.mode]]
        command += [f"--sae-batch-tokens={BATCH_TOKENS}", f"--sae-store={self.store}"]
        environment = os.environ | {
            "PYTHONPATH": str(CHECKOUT),
            "OMP_NUM_THREADS": "1",  # sums of several threads are not the same every time
            "SAE_CHECKS_KILL_LOG": str(self.log(name)),
            "SAE_CHECKS_KILL_ROOT": str(self.store),
            "SAE_CHECKS_KILL_AT": str(kill_at),
            "SAE_CHECKS_KILL_PART": str(PART_TOKENS),
            "SAE_CHECKS_KILL_WAIT": str(wait_for or ""),
        }
        with (self.path / f"{name}.txt").open("wb") as output:
            return subprocess.Popen(
                [*command, f"--junitxml={self.junit}"],
                cwd=CHECKOUT,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def finish(self, name: str) -> Log:
        """A run to its end.

        Raises:
            RuntimeError: it ended otherwise than with passed or failed tests.
        """
        code = self.start(name).wait()
        if code not in (0, 1):
            said = (self.path / f"{name}.txt").read_text(encoding="utf-8", errors="replace")
            raise RuntimeError(f"a run of {self.path} ended with {code}:\n{said[-3000:]}")
        return Log.read(self.log(name))

    def units_stored(self) -> int:
        """How many units the store holds, of all tables, as far as parts are whole."""
        folders = {path.parent for path in self.store.rglob("*.json")}
        tables = {standing(f.with_name(f.name.removeprefix(".before-"))) for f in folders}
        return sum(_units_in(table) for table in tables if not table.name.startswith("."))


@dataclass(frozen=True)
class Timing:
    """How long an undisturbed run took: to its first phase, and in all; in seconds."""

    to_first_phase: float
    whole: float


def timed(folder: Folder) -> tuple[Log, Timing]:
    """An undisturbed run, and how long it took."""
    begun = time.monotonic()
    process = folder.start("undisturbed")
    _await_log(process, folder.log("undisturbed"))
    first = time.monotonic() - begun
    if process.wait() not in (0, 1):
        raise RuntimeError((folder.path / "undisturbed.txt").read_text(encoding="utf-8")[-3000:])
    return Log.read(folder.log("undisturbed")), Timing(first, time.monotonic() - begun)


def killed_after(folder: Folder, seconds: float, *, of_measuring: bool) -> bool:
    """Whether a run could be killed before it ended.

    Args:
        seconds: after its start, or after its first phase began.
        of_measuring: whether the latter.
    """
    process = folder.start("killed")
    if of_measuring:
        _await_log(process, folder.log("killed"))
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
    return process.wait() == -signal.SIGKILL


def killed_within_write(folder: Folder, number: int) -> bool:
    """Whether a run killed itself within its write of that number."""
    return folder.start("killed", kill_at=number).wait() == -signal.SIGKILL


def compare(undisturbed: Folder, other: Folder) -> list[Comparison]:
    """All that two folders hold: test cases and tables."""
    cases = [read_cases(folder.junit, (CHECKOUT, folder.path)) for folder in (undisturbed, other)]
    return [*compare_cases(*cases), *compare_stores(undisturbed.store, other.store)]


def left_over(undisturbed: Folder, other: Folder) -> list[str]:
    """Files of only one of two stores."""
    one, two = (
        {str(path.relative_to(folder.store)) for path in folder.store.rglob("*")}
        for folder in (undisturbed, other)
    )
    return sorted(one ^ two)


def _await_log(process: subprocess.Popen[bytes], log: Path) -> None:
    while not log.exists() and process.poll() is None:
        time.sleep(0.02)


def _units_in(folder: Path) -> int:
    parts = {path.name: read_sealed(path) for path in folder.glob("*.json")}
    gone = {name for part in parts.values() for name in part.get("replaces", ())}
    units: set[int] = set()
    for name, part in parts.items():
        if name not in gone and "units" in part:
            units |= set(units_of(part["units"]).tolist())
    return len(units)
