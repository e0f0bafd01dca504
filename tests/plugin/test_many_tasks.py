"""Runs on several tasks: as many as the limits share the error of the claims by."""

from __future__ import annotations

import json
from pathlib import Path

from sae_checks import demo
from tests import stored
from tests.plugin.gate_run import GateRun, run_gate
from tests.plugin.limits import LAYER_0, thresholds


def measured_on(tmp_path: Path, tasks: int) -> str:
    tables = [stored.task_table(0, f"task-{n}") for n in range(tasks)]
    root = tmp_path / str(tasks)
    return f"--sae-measurements={stored.write_measurement(root, layers=1, tasks=tables)}"


def told(run: GateRun) -> str:
    assert run.exit_code == 4, run.output
    (line,) = (line for line in run.output.splitlines() if line.startswith("ERROR: "))
    return line.removeprefix("ERROR: ")


def test_more_tasks_than_the_error_is_shared_by_are_refused(tmp_path):
    five = measured_on(tmp_path, 5)
    run = run_gate(tmp_path, five, thresholds(tmp_path))
    assert told(run) == (
        "checks are asked of 5 tasks (task-0, task-1, task-2, task-3, task-4), but the limits "
        "share the error of the claims by 4 at most: choose some with -k, or raise tasks in [gate]"
    )
    # A store gathers tasks over many runs: those that are asked about count.
    run = run_gate(tmp_path, five, thresholds(tmp_path), "-k", "accuracy and not task-4")
    assert {case.properties["task"] for case in run.cases} == {f"task-{n}" for n in range(4)}
    run = run_gate(tmp_path, five, thresholds(tmp_path, gate="tasks = 5"), "-k", "check_accuracy")
    assert len(run.cases) == 5
    # Where nothing is asked about tasks, they may be as many as there are.
    run = run_gate(tmp_path, five, thresholds(tmp_path), "-k", "check_l0[")
    assert run.exit_code == 0, run.output


def test_more_tasks_asked_for_than_the_error_is_shared_by_are_refused(tmp_path):
    """Before anything is loaded or measured."""
    files = []
    for name in "abcde":
        files.append(tmp_path / f"{name}.jsonl")
        items = ({"prompt": f"one {name} {n}", "answer": " two"} for n in range(3))
        files[-1].write_text("".join(json.dumps(item) + "\n" for item in items), encoding="utf-8")
    run = run_gate(
        tmp_path, f"--sae={demo.SAES_FOLDER}", f"--sae-store={tmp_path / 'store'}",
        f"--sae-task={','.join(map(str, files))}",
    )  # fmt: skip
    assert told(run) == (
        "checks are asked of 5 tasks (a, b, c, d, e), but the limits share the error of the claims "
        "by 4 at most: ask for fewer with --sae-task, or raise tasks in [gate]"
    )
    assert not (tmp_path / "store").exists()


def test_a_cell_gets_the_same_verdict_beside_any_other_task(tmp_path):
    """In 0.3.0 every task beside it moved the interval by which it fails."""
    runs = [
        run_gate(tmp_path, measured_on(tmp_path, tasks), thresholds(tmp_path), "-k", LAYER_0)
        for tasks in (1, 2, 4)
    ]
    alone = runs[0]
    assert {case.properties["task"] for case in alone.cases} == {"", "task-0"}
    for run in runs[1:]:
        assert len(run.cases) > len(alone.cases)
        for case in alone.cases:
            assert run.named(case.name).properties == case.properties, case.name
