"""docs/writing-a-check.md: its example run as a user would, its tables compared with the code."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import sae_checks
from sae_checks.evals.context.cells import Cell
from sae_checks.evals.positions import EVALUATION as positions
from sae_checks.evals.propagation.cells import PropagationCell, PropagationReleaseCell
from sae_checks.evals.registry import kinds
from sae_checks.evals.tasks.cells import TaskCell
from sae_checks.evals.tasks.release import TaskReleaseCell
from sae_checks.judge.estimate import Estimate
from tests import stored
from tests.docs.pages import example, in_code, page, rows
from tests.measuring import FEATURE_NEEDS, ITEM_NEEDS, PAIR_NEEDS, TEXT_NEEDS
from tests.plugin.gate_run import GateRun, run_gate

PAGE = page("writing-a-check.md")
PYTHON, TOML = example(PAGE, "python"), example(PAGE, "toml")
LAYER_1 = "blocks.1.hook_resid_pre"


def test_the_example_is_ten_lines_or_less():
    assert len([line for line in PYTHON.splitlines() if line.strip()]) <= 10


def test_the_example_runs_and_judges(tmp_path):
    folder = stored.write_measurement(tmp_path)
    (tmp_path / "check_strength.py").write_text(PYTHON, encoding="utf-8")
    arguments = (f"--sae-measurements={folder}",)
    run = run_gate(tmp_path, *arguments, suite="check_strength.py", cwd=tmp_path)
    assert run.exit_code == 0, run.output
    case = run.named("check_strength[blocks.1.hook_resid_pre-8:15]")
    assert (case.properties["value"], case.properties["limit"]) == ("2.5", "<= 5")

    # By its folder too: no configuration says that check_*.py are tests.
    assert len(run_gate(tmp_path, *arguments, suite=".", cwd=tmp_path).cases) == len(run.cases)


def test_its_limits_in_a_thresholds_file_take_the_place_of_its_own(tmp_path):
    folder = stored.write_measurement(tmp_path)
    (tmp_path / "check_strength.py").write_text(PYTHON, encoding="utf-8")
    limits = tmp_path / "limits.toml"
    limits.write_text(TOML.replace("max = 4.0", "max = 2.0"), encoding="utf-8")
    run = run_gate(
        tmp_path,
        f"--sae-measurements={folder}",
        f"--sae-thresholds={limits}",
        suite="check_strength.py",
        cwd=tmp_path,
    )
    assert run.exit_code == 1
    assert {case.properties["limit"] for case in run.cases} == {"<= 2"}
    assert len(run.with_outcome("failed")) == len(run.cases)


def judge(tmp_path: Path, folder: Path, check: str) -> GateRun:
    (tmp_path / "check_strength.py").write_text(check, encoding="utf-8")
    return run_gate(
        tmp_path, f"--sae-measurements={folder}", suite="check_strength.py", cwd=tmp_path
    )


def test_its_claim_decides_and_its_ranges_say_where(tmp_path):
    """L1 is 2.5 times L0 on average, but in one text of two far from it."""
    table = stored.sae_table(1)
    table.columns["l1"][::2] *= 3
    run = judge(tmp_path, stored.write_measurement(tmp_path, tables={1: table}), PYTHON)
    assert run.exit_code == 6
    claim = run.named(f"check_strength[{LAYER_1}-1:15]")
    assert (claim.outcome, claim.properties["verdict"]) == ("failed", "undecided")
    assert claim.message.startswith(
        "strength insufficient evidence: 5 activation per feature against <= 5 at "
        f"{LAYER_1}, positions 1 to 15: margin 0.5, interval "
    )
    assert {case.properties["family"] for case in run.with_outcome("skipped")} == {"range"}
    assert [case.name for case in run.with_outcome("failed")] == [claim.name]


@pytest.mark.parametrize(
    ("function", "outcome", "told"),
    [
        ("undefined", "failed", ": why"),
        ("inapplicable", "skipped", "not applicable: why"),
    ],
)
def test_what_has_no_value_fails_or_is_not_applicable(tmp_path, function, outcome, told):
    assert f'`sae_checks.judge.estimate.{function}("why")`' in PAGE
    check = PYTHON.replace('cell.ratio("l1", "l0")', f'{function}("why")')
    check = f"from sae_checks.judge.estimate import {function}\n{check}"
    run = judge(tmp_path, stored.write_measurement(tmp_path), check)
    assert run.exit_code == (1 if outcome == "failed" else 0), run.output
    assert {case.outcome for case in run.cases} == {outcome}
    assert all(told in case.message.splitlines()[0] for case in run.cases)


def test_a_limit_without_a_margin_is_refused_where_it_stands(tmp_path):
    check = PYTHON.replace(", margin=0.5", "")
    run = judge(tmp_path, stored.write_measurement(tmp_path), check)
    assert (run.exit_code, run.cases[0].outcome) == (2, "error")
    assert (
        "ValueError: check_strength has a limit and so needs a margin above 0: the smallest excess "
        "over the limit that would matter, in its unit; got None\n" in run.output
    )


def test_every_argument_is_told():
    told = {name for row in rows(PAGE, "| argument | ") for name in in_code(row[0])}
    assert told == set(inspect.signature(sae_checks.check).parameters)


def test_every_kind_of_cell_is_told_with_what_the_function_gets():
    table = rows(PAGE, "| `cells` | tests")
    assert sorted(in_code(row[0])[0].strip('"') for row in table) == sorted(kinds())
    assert all(hasattr(sae_checks, in_code(row[2])[0]) for row in table)


def test_every_column_is_told():
    told = [name for row in rows(PAGE, "| `needs` of | ") for name in in_code(row[1])]
    needs = TEXT_NEEDS | ITEM_NEEDS | FEATURE_NEEDS | PAIR_NEEDS | positions.names
    assert sorted(told) == sorted(needs)


def test_what_a_cell_can_be_asked_exists():
    rest, of_tasks = PAGE.split("\nA `TaskCell` has")
    of_texts, of_pairs = rest.split("\nA `PropagationCell` has")
    for text, kind in ((of_texts, Cell), (of_pairs, PropagationCell), (of_tasks, TaskCell)):
        called = [in_code(row[0])[0] for row in rows(text, "| call | ")]
        assert called
        for call in called:
            ((owner, name),) = re.findall(r"^(cell|estimate)\.(\w+)\(.*\)$", call)
            assert callable(getattr(kind if owner == "cell" else Estimate, name)), call
    assert '`largest("mse", "spliced")`' in of_pairs
    assert callable(PropagationReleaseCell.largest)
    for name in ("layer_agreement", "rank_agreement"):
        assert f"`{name}()`" in of_tasks
        assert callable(getattr(TaskReleaseCell, name))
