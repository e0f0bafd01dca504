"""Runs the gate as a person or a CI job does: a pytest process, its exit code, its JUnit file."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
# Properties in which all gating cells of a run have a say.
SHARED = ("adjusted_low", "adjusted_high", "detectable", "texts_to_decide")


@dataclass(frozen=True)
class Case:
    """One test case of a JUnit file."""

    name: str
    outcome: str  # passed, failed, error, xfailed
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


def assert_judged_alike(
    some: Iterable[Case], among_more: Iterable[Case], *, clearer: Collection[str] = ()
) -> None:
    """Tests of a run were judged as the same ones were in a run of more tests.

    All is the same but what the other cells have a say in: the fewer there are, the narrower the
    interval by which a cell fails. What was undecided among more may therefore fail, but only of
    the metrics in `clearer`.
    """
    for one, other in zip(some, among_more, strict=True):
        assert one.properties.keys() == other.properties.keys()
        narrow, wide = ([float(c.properties[name]) for name in SHARED[:2]] for c in (one, other))
        # What was not measured has no interval: NaN is on no side of anything.
        assert not narrow[0] < wide[0], one.name
        assert not narrow[1] > wide[1], one.name
        verdicts = (one.properties["verdict"], other.properties["verdict"])
        if one.properties["metric"] in clearer and verdicts == ("fail", "undecided"):
            assert (one.outcome, other.outcome) == ("failed", "passed"), one.name
            verdict = {"verdict": "undecided"}
            one = replace(one, outcome="passed", message="", properties=one.properties | verdict)
        assert _by_itself(one) == _by_itself(other)


def _by_itself(case: Case) -> Case:
    """A test without what the other cells of its run have a say in."""
    told = re.sub(r", \S+ to \S+ with all cells of the run in view", "", case.message)
    kept = {name: value for name, value in case.properties.items() if name not in SHARED}
    return replace(case, message=told, properties=kept)


def run_gate(
    tmp_path: Path, *arguments: str, suite: str | Path = "checks", cwd: Path = CHECKOUT
) -> GateRun:
    junit = tmp_path / "junit.xml"
    command = [sys.executable, "-m", "pytest", str(suite), "-p", "no:cacheprovider"]
    command += ["-p", "no:hypothesispytest"]  # it takes a second to load, and no check uses it
    command += [f"--junitxml={junit}", *map(str, arguments)]
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=280, check=False
    )
    cases = tuple(_case(element) for element in _elements(junit))
    return GateRun(done.returncode, done.stdout + done.stderr, cases)


def _elements(junit: Path) -> list[ElementTree.Element]:
    return list(ElementTree.parse(junit).iter("testcase")) if junit.exists() else []


def _case(element: ElementTree.Element) -> Case:
    outcome, message = "passed", ""
    for child in element:
        if child.tag in ("failure", "error", "skipped"):
            outcome = {"failure": "failed", "error": "error", "skipped": "xfailed"}[child.tag]
            message = child.get("message", "") + "\n" + (child.text or "")
    properties = {p.get("name", ""): p.get("value", "") for p in element.iter("property")}
    return Case(element.get("name", ""), outcome, message, properties)
