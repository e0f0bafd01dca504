"""pytest -n 2: measured once by the controller, and told as a run without workers tells it."""

from __future__ import annotations

import re

import pytest

from tests import stored
from tests.plugin.gate_run import GateRun, run_gate

BUDGET = ("--sae-tokens=16384", "--sae-items=64", "--sae-task=tales")
SOME = ("-k", "delta_ce or accuracy_drop")
RANGE = "check_delta_ce[blocks.1.hook_resid_pre-8:15]"


def summary(run: GateRun) -> list[str]:
    """What stands below the tests, but for times, and for failures in the order of their ends."""
    _, _, below = run.output.partition("sae-checks: tales ==")
    told, _, _ = below.partition("short test summary info")
    return [re.sub(r" in [\d.]+s|/\S+", "", line) for line in told.splitlines()]


def by_name(run: GateRun) -> list[tuple[str, str, str, tuple[tuple[str, str], ...]]]:
    return sorted(
        (case.name, case.outcome, case.message, tuple(case.properties.items()))
        for case in run.cases
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> tuple[GateRun, GateRun]:
    """The same suite without workers, and with two."""
    found = []
    for workers in ((), ("-n", "2")):
        folder = tmp_path_factory.mktemp("run")
        store = f"--sae-store={folder / 'store'}"
        found.append(run_gate(folder, *BUDGET, *SOME, store, *workers, preloaded=False))
    return found[0], found[1]


def test_junit_and_summary_are_those_of_a_run_without_workers(runs):
    serial, spread = runs
    assert serial.exit_code == spread.exit_code, spread.output
    assert by_name(serial) == by_name(spread)
    assert len(serial.cases) > 60
    assert summary(serial) == summary(spread)
    assert len(summary(serial)) > 20


def test_it_is_measured_once(runs):
    assert [run.output.count("sae-checks: measuring 5 SAEs on") for run in runs] == [2, 2]


def test_stored_tables_are_judged_by_workers_too(tmp_path):
    folder = stored.write_measurement(tmp_path)
    given = (f"--sae-measurements={folder}", "-k", "delta_ce", "-n", "2")
    run = run_gate(tmp_path, *given, preloaded=False)
    assert run.exit_code == 0, run.output
    assert run.named(RANGE).properties["verdict"] == "pass"


def test_a_mistake_of_the_user_is_told_once_and_ends_the_run(tmp_path):
    run = run_gate(tmp_path, "--sae-corpus=no/such.jsonl", "-n", "2", preloaded=False)
    assert run.exit_code == 4
    assert run.output.count("ERROR: ") == 1
    assert "no/such.jsonl" in run.output
