"""Runs the gate of a checkout on the demo, kept apart from this machine's caches and settings."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.equality.comparison import EqualityError

BASELINE = "baseline.json"
_IN_FOLDER = f"--sae-baseline={{folder}}/{BASELINE}"
# Of the caller: what would make a run depend on more than its checkout.
_DROPPED = ("HF_", "HUGGINGFACE_", "TRANSFORMERS_", "XDG_", "PYTEST_", "PYTHONPATH")


@dataclass(frozen=True)
class Run:
    """One way to run the gate.

    Attributes:
        name: what it is called in the table.
        arguments: of pytest; {folder} stands for the side's folder.
        store: runs that name the same one find each other's tables.
    """

    name: str
    arguments: tuple[str, ...]
    store: str


RUNS = (
    Run("bare", (), "bare"),
    Run("fixed", ("--sae-fixed",), "fixed"),
    Run("ablated", ("--sae-fixed", "--sae-ablate=3"), "ablated"),
    Run(
        "baseline",
        (
            "--sae-fixed",
            _IN_FOLDER,
            "--sae-baseline-update",
            "--sae-baseline-force",
        ),
        "baseline",
    ),
    Run(
        "equivalence",
        ("--sae-fixed", _IN_FOLDER, "--sae-equivalence"),
        "baseline",
    ),
)


@dataclass(frozen=True)
class Result:
    """What a run left behind."""

    exit_code: int
    junit: Path
    store: Path


@dataclass(frozen=True)
class Side:
    """One of the two checkouts.

    Attributes:
        checkout: its folder: package, conftest.py, checks/ and thresholds.toml are all its own.
        folder: of its home, caches, stores, JUnit files and logs; empty at first.
        budget: further arguments of every run.
    """

    checkout: Path
    folder: Path
    budget: tuple[str, ...] = ()

    def prepare(self) -> None:
        """Make the folders, and see that Python takes the package from the checkout.

        Raises:
            EqualityError: it is no checkout, or another package is imported.
        """
        for needed in ("conftest.py", "checks", "thresholds.toml", "sae_checks"):
            if not (self.checkout / needed).exists():
                raise EqualityError(f"{self.checkout} is no checkout: it has no {needed}")
        (self.folder / "home").mkdir(parents=True)
        command = [sys.executable, "-c", "import sae_checks; print(sae_checks.__file__)"]
        done = self._python(command)
        if not Path(done.stdout.strip()).is_relative_to(self.checkout / "sae_checks"):
            told = done.stdout.strip() or done.stderr.strip()
            raise EqualityError(f"sae_checks is not imported from {self.checkout}: {told}")

    def run(self, run: Run) -> Result:
        """Run the gate once.

        Raises:
            EqualityError: it did not come to judging, with the last lines of what it said.
        """
        junit, store = self.folder / f"{run.name}.xml", self.folder / "stores" / run.store
        arguments = [argument.format(folder=self.folder) for argument in run.arguments]
        command = [sys.executable, "-m", "pytest", "checks/", "-p", "no:cacheprovider"]
        command += ["-p", "no:hypothesispytest", f"--junitxml={junit}", f"--sae-store={store}"]
        done = self._python([*command, *self.budget, *arguments])
        said = done.stdout + done.stderr
        (self.folder / f"{run.name}.log").write_text(said, encoding="utf-8")
        if done.returncode not in (0, 1, 6):  # 1: failed tests; 6: insufficient evidence
            last = "\n".join(said.splitlines()[-20:])
            raise EqualityError(
                f"the run {run.name!r} of {self.checkout} ended with {done.returncode}:\n{last}"
            )
        return Result(done.returncode, junit, store)

    def _python(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.checkout,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def _environment(self) -> dict[str, str]:
        kept = {n: value for n, value in os.environ.items() if not n.startswith(_DROPPED)}
        home = self.folder / "home"
        return kept | {
            "HOME": str(home),
            "HF_HOME": str(home / "huggingface"),
            "PYTHONPATH": str(self.checkout),
            "PYTHONDONTWRITEBYTECODE": "1",  # a checkout stays as it is
            "OMP_NUM_THREADS": "1",  # sums of several threads are not the same every time
        }
