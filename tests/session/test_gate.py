"""The gate on stored measurements: tasks that it shares the error by, and parts of a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sae_checks.errors import UserError
from sae_checks.judge.thresholds import Thresholds
from sae_checks.options import Options
from sae_checks.records import PositionRange
from sae_checks.session.gate import Gate
from sae_checks.session.suite import bundled_checks
from tests import stored

CHECKS = bundled_checks()
IDS = tuple(stored.sae_ref(layer).sae_id for layer in range(3))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three SAEs, each measured on texts and on five tasks."""
    tasks = [stored.task_table(layer, f"task-{n}") for layer in range(3) for n in range(5)]
    return stored.write_measurement(tmp_path_factory.mktemp("stored"), layers=3, tasks=tasks)


def thresholds_of(gate: Gate) -> Thresholds:
    return gate.read_thresholds(CHECKS.values())


def test_more_tasks_than_the_error_is_shared_by_are_refused(folder):
    gate = Gate(Options(measurements=folder))
    thresholds, names = thresholds_of(gate), [task.name for task in gate.tasks]
    with pytest.raises(UserError) as error:
        gate.refuse_many_tasks(thresholds, names)
    assert str(error.value) == (
        "checks are asked of 5 tasks (task-0, task-1, task-2, task-3, task-4), but the limits "
        "share the error of the claims by 4 at most: choose some with -k, or raise tasks in [gate]"
    )
    gate.refuse_many_tasks(thresholds, names[:4])
    enough = replace(thresholds, gate=replace(thresholds.gate, tasks=5))
    gate.refuse_many_tasks(enough, names)


@pytest.fixture(scope="module")
def whole(folder: Path) -> dict[tuple[str, str], float]:
    """Of all that is measured."""
    return errors(Gate(Options(measurements=folder)))


def errors(gate: Gate) -> dict[tuple[str, str], float]:
    """With which probability each gated cell may fail at its limit."""
    rule = gate.rule(thresholds_of(gate))
    return {
        (check.name, str(ref)): rule.family.error(check, ref)
        for check in CHECKS.values()
        for ref in gate.cells(check)
        if rule.gates(check, ref)
    }


def test_all_gated_cells_of_a_run_spend_no_more_than_the_release_may(folder):
    gate = Gate(Options(measurements=folder))
    rule = gate.rule(thresholds_of(gate))
    spent = {"claim": 0.0, "range": 0.0}
    for check in CHECKS.values():
        for ref in gate.cells(check):
            if rule.gates(check, ref):
                # Of five tasks, as many as the error is shared by.
                share = 4 / 5 if ref.task is not None else 1
                spent[ref.family] += share * rule.family.error(check, ref)
    limits = rule.thresholds.gate
    assert 0.5 * limits.claims_error < spent["claim"] <= limits.claims_error * (1 + 1e-9)
    assert 0.5 * limits.ranges_error < spent["range"] <= limits.ranges_error * (1 + 1e-9)


@pytest.mark.parametrize(
    "narrowed",
    [
        {"ids": IDS[1:2]},
        {"ids": IDS[:2]},
        {"ranges": (PositionRange(8, 15),)},
        {"ranges": (PositionRange(1, 3), PositionRange(16, 62))},
    ],
)
def test_a_part_of_a_release_is_held_to_the_same_error(folder, whole, narrowed):
    """In 0.3.0 the error was shared by what a run collected: a cell alone failed more easily."""
    part = errors(Gate(replace(Options(measurements=folder), **narrowed)))
    same = part.keys() & whole.keys()
    assert same
    assert {key: part[key] for key in same} == {key: whole[key] for key in same}


@pytest.mark.parametrize("count", [0, 1, 4])
def test_other_tasks_take_nothing_from_a_cell(tmp_path, whole, count):
    """Neither from one on texts nor from one on a task that both runs have."""
    tasks = [stored.task_table(layer, f"task-{n}") for layer in range(3) for n in range(count)]
    fewer = stored.write_measurement(tmp_path, layers=3, tasks=tasks)
    few = errors(Gate(Options(measurements=fewer)))
    assert len(few) < len(whole)
    assert few == {key: whole[key] for key in few}


def test_a_range_of_ones_own_costs_no_more_than_a_default_one(folder, whole):
    """As many as there are by default share the error; more of them share it by their number."""
    default = whole["delta_ce", f"{IDS[0]}-8:15"]
    one = Options(measurements=folder, ranges=(PositionRange(3, 9),))
    assert errors(Gate(one))["delta_ce", f"{IDS[0]}-3:9"] == default
    each = tuple(PositionRange(at, at) for at in range(1, 16))
    many = Options(measurements=folder, ranges=each)
    assert errors(Gate(many))["delta_ce", f"{IDS[0]}-9:9"] < default
