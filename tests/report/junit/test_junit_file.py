"""The JUnit file of a run: well-formed for any name, the first line of a failure says it all.

It is held to a schema of this project's own: a published one is not among the tests.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import xmlschema

from tests import stored
from tests.plugin.gate_run import GateRun, run_gate

SCHEMA = xmlschema.XMLSchema(str(Path(__file__).parent / "common.xsd"))
HOSTILE = "made<up>&\"'\x1b[31m\u202e]]>\x00"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[GateRun, Path]:
    """Passed, failed, accepted, undecided and unmeasured tests of a release with a hostile name."""
    folder = tmp_path_factory.mktemp("run")
    measured = stored.write_measurement(
        folder,
        name=HOSTILE.replace("\x00", ""),
        delta_ce=stored.broken_past_context,
        layers=3,
        failures={2: f"no such file {HOSTILE}"},
        tasks=[stored.task_table(layer, "task") for layer in range(2)],
    )
    done = run_gate(folder, f"--sae-measurements={measured}", "-k", "not stack", full=False)
    return done, folder / "junit.xml"


def test_the_file_is_one_of_the_schema(run):
    done, junit = run
    SCHEMA.validate(str(junit))
    assert {case.outcome for case in done.cases} >= {"passed", "failed", "error"}


def test_the_schema_refuses_what_is_none(run):
    _, junit = run
    text = junit.read_text(encoding="utf-8")
    for before, after in ((' name="', ' title="'), (' time="', ' time="-'), ("message", "told")):
        assert before in text
        assert not SCHEMA.is_valid(text.replace(before, after, 1))


def test_the_first_line_of_a_failure_says_all(run):
    done, _ = run
    failed = done.with_outcome("failed")
    assert failed
    for case in failed:
        first = case.message.splitlines()[0]
        metric, limit = case.properties["metric"], case.properties["limit"]
        assert first.startswith(f"{metric} ")
        assert limit.split()[-1] in first
        assert "interval " in first or "undefined" in first
        assert " texts" in first or " items" in first or "undefined" in first


def test_what_terminals_obey_is_nowhere(run):
    done, junit = run
    text = junit.read_text(encoding="utf-8")
    assert "\x1b" not in done.output
    assert "\u202e" not in done.output
    assert "\u202e" not in "".join(case.message for case in done.cases)
    names = [case.name for case in done.cases]
    assert len(set(names)) == len(names)
    assert all(name.isprintable() for name in names)
    ElementTree.fromstring(text)


def test_ids_are_the_same_in_every_run(tmp_path):
    """Also where tests are handed out to workers."""
    measured = stored.write_measurement(tmp_path / "store", layers=1)
    kept = [f"--sae-measurements={measured}", "-k", "check_l0"]
    one, other = run_gate(tmp_path, *kept, full=False), run_gate(tmp_path, *kept, "-n2", full=False)
    names = sorted(case.name for case in one.cases)
    assert names == sorted(case.name for case in other.cases)
    assert "check_l0[blocks.0.hook_resid_pre-1:15]" in names
