"""Runs the gate as a person or a CI job does: a pytest process, its exit code, its JUnit file."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.plugin.preloaded import is_as_at_first, run_preloaded

CHECKOUT = Path(__file__).resolve().parents[2]
TIMEOUT = 280.0  # seconds
# Of the tests' own environment: they take time to load, and no check uses them.
UNUSED_PLUGINS = (
    "hypothesispytest",
    "benchmark",
    "pytest_cov",
    "timeout",
    "logging",  # once torch is imported, pytest's takes milliseconds for each test
    "jaxtyping",
    "typeguard",
)


@dataclass(frozen=True)
class Case:
    """One test case of a JUnit file."""

    name: str
    outcome: str  # passed, failed, error, xfailed, skipped
    message: str
    properties: dict[str, str]


@dataclass(frozen=True)
class GateRun:
    exit_code: int
    output: str
    cases: tuple[Case, ...]

    def named(self, name: str) -> Case:
        return next(case for case in self.cases if case.name == name)

    def with_outcome(self, outcome: str) -> list[Case]:
        return [case for case in self.cases if case.outcome == outcome]


def assert_judged_alike(some: Iterable[Case], among_more: Iterable[Case]) -> None:
    """Tests of a run were judged as the same ones were in a run of more tests: in every figure."""
    for one, other in zip(some, among_more, strict=True):
        assert one == other


def watch_for_tracebacks_of_judging(folder: Path) -> None:
    """Write a pytest plugin `watched`: a run that formats a frame of the judging breaks.

    Such frames hold whole tables, and pytest prints their arguments: seconds for every test.
    """
    (folder / "watched.py").write_text(
        "from _pytest._code import code\n"
        "formatter = getattr(code, 'ExceptionInfoFormatter', None) or code.FormattedExcinfo\n"
        "shown = formatter.repr_traceback_entry\n"
        "def watch(self, entry, excinfo=None):\n"
        "    assert 'sae_checks/judge' not in str(entry.path), entry.path\n"
        "    assert 'sae_checks/evals' not in str(entry.path), entry.path\n"
        "    return shown(self, entry, excinfo)\n"
        "formatter.repr_traceback_entry = watch\n",
        encoding="utf-8",
    )


def run_gate(
    tmp_path: Path,
    *arguments: str,
    suite: str | Path = "checks",
    cwd: Path = CHECKOUT,
    pythonpath: Path | None = None,
    preloaded: bool = True,
    full: bool = True,
) -> GateRun:
    """One run, in a process that has imported torch already if it may: see preloaded.py.

    Args:
        full: whether the summary tells all figures, and not a screenful.
    """
    junit = tmp_path / "junit.xml"
    command = [str(suite), "-p", "no:cacheprovider"]
    for plugin in UNUSED_PLUGINS:
        command += ["-p", f"no:{plugin}"]
    command += ["--sae-summary-full"] * full + [f"--junitxml={junit}", *map(str, arguments)]
    environment = dict(os.environ)
    if pythonpath is not None:  # before what is there
        there = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = os.pathsep.join([str(pythonpath), *([there] if there else [])])
    run = _run_from_the_beginning
    if preloaded and is_as_at_first(environment):
        run = run_preloaded
    exit_code, output = run(command, cwd, environment, TIMEOUT)
    cases = tuple(_case(element) for element in _elements(junit))
    return GateRun(exit_code, output, cases)


def _run_from_the_beginning(
    arguments: Sequence[str], cwd: Path, environment: Mapping[str, str], timeout: float
) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=cwd, capture_output=True, text=True, timeout=timeout, check=False, env=environment,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def _elements(junit: Path) -> list[ElementTree.Element]:
    return list(ElementTree.parse(junit).iter("testcase")) if junit.exists() else []


def _case(element: ElementTree.Element) -> Case:
    outcome, message = "passed", ""
    for child in element:
        if child.tag in ("failure", "error", "skipped"):
            outcome = {"failure": "failed", "error": "error", "skipped": "skipped"}[child.tag]
            if child.get("type") == "pytest.xfail":
                outcome = "xfailed"
            message = child.get("message", "") + "\n" + (child.text or "")
    properties = {p.get("name", ""): p.get("value", "") for p in element.iter("property")}
    return Case(element.get("name", ""), outcome, message, properties)
