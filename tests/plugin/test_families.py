"""What a run collects beside a cell has no say in its verdict; thresholds of older versions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests import stored
from tests.plugin.gate_run import GateRun, assert_judged_alike, run_gate

LAYERS = 3
LAYER_1 = "blocks.1.hook_resid_pre"
TASK = "made-up-task"
USAGE_ERROR = 4


def measured(root: Path, *tasks: str) -> Path:
    """Three SAEs on texts, where the first is broken past its training context, and on tasks.

    The second loses answers, a third of them: so that there is something to fail and to doubt.
    """
    clean = stored.task_table(1).columns["clean_rank"]
    wrong = {1: {"sae_rank": np.where(np.arange(40) % 3 == 1, 5.0, clean)}}
    return stored.write_measurement(
        root,
        layers=LAYERS,
        delta_ce=stored.broken_past_context,
        tasks=[
            stored.task_table(layer, task, **wrong.get(layer, {}))
            for task in tasks
            for layer in range(LAYERS)
        ],
    )


def judge(tmp_path: Path, folder: Path, *arguments: str) -> GateRun:
    return run_gate(tmp_path, f"--sae-measurements={folder}", *arguments)


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> GateRun:
    """The whole suite on one task."""
    tmp_path = tmp_path_factory.mktemp("suite")
    run = judge(tmp_path, measured(tmp_path, TASK))
    verdicts = {case.properties["verdict"] for case in run.cases}
    assert verdicts == {"pass", "fail", "undecided", "reported"}
    return run


def assert_part(run: GateRun, suite: GateRun, cells: int) -> None:
    """A run of so many cells that judged them as the suite did: to the last digit and word."""
    assert len(run.cases) == cells
    assert_judged_alike(run.cases, [suite.named(case.name) for case in run.cases])


def test_a_cell_by_itself_is_judged_as_in_the_suite(tmp_path, suite):
    """0.3.0 shared the error by the cells that happened to be collected."""
    folder = measured(tmp_path, TASK)
    for name in (
        "check_delta_ce_growth[blocks.0.hook_resid_pre-16:62]",
        "check_delta_ce_growth[blocks.0.hook_resid_pre-16:19]",
        f"check_accuracy_drop[{LAYER_1}-{TASK}]",
        f"check_layer_agreement[made-up-{TASK}]",
    ):
        cell = name.removeprefix("check_").replace("[", " and ").rstrip("]")
        part = judge(tmp_path, folder, "-k", f"{cell} and not candidate")
        assert {case.name for case in part.cases} == {name}
        assert_part(part, suite, 1)


def test_some_saes_are_judged_as_among_all(tmp_path, suite):
    """All but what is asked of the release as a whole, or of several, which these are not."""
    # Of those without a first-layer SAE, the first one says that there is none.
    arguments = (f"--sae-ids={LAYER_1}", "-k", "not position_share")
    part = judge(tmp_path, measured(tmp_path, TASK), *arguments)
    among_all = [
        case
        for case in suite.cases
        if case.properties["sae"] == LAYER_1 and case.properties["metric"] != "stack_contribution"
    ]
    assert_part(part, suite, len(among_all))


def test_one_file_of_checks_is_judged_as_in_the_suite(tmp_path, suite):
    folder = measured(tmp_path, TASK)
    part = run_gate(
        tmp_path, f"--sae-measurements={folder}", suite=Path("checks") / "check_task_accuracy.py"
    )
    names = {"accuracy_drop", "candidate_accuracy_drop", "delta_ln_p", "logit_difference_kept"}
    names.add("prompt_delta_ce")
    assert {case.properties["metric"] for case in part.cases} == names
    among_all = [c for c in suite.cases if c.properties["metric"] in names]
    assert_part(part, suite, len(among_all))


def refusal(run: GateRun) -> str:
    """The one sentence of a run that ends before anything is judged."""
    assert (run.exit_code, run.cases) == (USAGE_ERROR, ()), run.output
    assert "Traceback" not in run.output
    assert "INTERNALERROR" not in run.output
    (line,) = (line for line in run.output.splitlines() if line.startswith("ERROR: "))
    return line.removeprefix("ERROR: ")


OF_0_3_0 = (
    '[gate]\nconfidence = 0.95\nundecided = "pass"\n\n[checks.l0]\nmax = 100\nunit = "features"\n'
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            OF_0_3_0,
            "line 3: undecided of [gate] is now undecided_claims and undecided_ranges, since an "
            "undecided claim is no longer a pass: give each of them fail or pass",
        ),
        (
            "extends = false\n" + OF_0_3_0.replace('undecided = "pass"\n', ""),
            "line 5: [checks.l0] lacks margin: every limit says, in its own unit, the smallest "
            "excess over it that would matter; a cell passes when it is shown to lie within limit "
            "and margin",
        ),
        (
            OF_0_3_0.replace('undecided = "pass"\n', "").replace("max", "margin = -1\nmax"),
            "line 5: margin of [checks.l0] must be above 0, got -1",
        ),
    ],
    ids=["undecided", "no margin", "margin below 0"],
)
def test_thresholds_of_an_older_version_are_refused_in_a_sentence(tmp_path, text, told):
    folder = measured(tmp_path)
    path = tmp_path / "older.toml"
    path.write_text(text, encoding="utf-8")
    run = judge(tmp_path, folder, f"--sae-thresholds={path}", "-k", "check_l0[")
    assert refusal(run) == f"{path}, {told}"
