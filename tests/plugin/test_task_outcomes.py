"""Outcomes on tasks, as exit code, terminal text and JUnit file; nothing is measured here."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sae_checks.evals.tasks.table import TaskTable
from tests import stored
from tests.plugin.gate_run import CHECKOUT, GateRun, run_gate
from tests.tables import changed

LAYER_0, LAYER_1, LAYER_2 = (f"blocks.{layer}.hook_resid_pre" for layer in range(3))
TASK = "made-up-task"
LINK = "https://www.neuronpedia.org/made-up"
ABLATED = ("ablated_best", "ablated_worst")
RELEASE_CHECKS = {f"check_{name}[made-up-{TASK}]" for name in ("layer_agreement", "rank_agreement")}
STACK_CHECKS = {
    f"check_stack_{name}[3-saes-{LAYER_0}..{LAYER_2}-{TASK}]"
    for name in ("accuracy_drop", "delta_ln_p")
}
MEASURED_ON_ITEMS = {
    "accuracy_drop",
    "candidate_accuracy_drop",
    "delta_ln_p",
    "prompt_delta_ce",
    "logit_difference_kept",
    "positive_features",
    "always_active_harmful",
    *ABLATED,
    *(f"norm_correlation_{of}" for of in ("mse", "l0", "l1", "delta_ln_p")),
    *(f"class_effect_{of}" for of in ("mse", "delta_ce", "delta_ln_p")),
}

# Of every three items, layer 1 answers two wrongly: 40 points of 60 lost, so that 40 items show it
# among 25 cells that have a limit.
LOSING = {"sae_rank": np.where(np.arange(40) % 3, 5.0, stored.task_table(1).columns["clean_rank"])}


def judge(tmp_path: Path, *tasks: TaskTable, **more: object) -> GateRun:
    """The task checks' verdicts on three SAEs: good ones, but for the tables given."""
    arguments = more.pop("arguments", ())
    if not any("--sae-thresholds" in each for each in arguments):
        arguments = (limits(tmp_path, ""), *arguments)
    layers = {table.sae.layer for table in tasks if table.dataset == TASK}
    good = [stored.task_table(layer) for layer in range(3) if layer not in layers]
    folder = stored.write_measurement(tmp_path, layers=3, tasks=[*tasks, *good], **more)
    return run_gate(tmp_path, f"--sae-measurements={folder}", "-k", "task", *arguments)


def limits(tmp_path: Path, extra: str, **replaced: str) -> str:
    """The bundled limits with some replaced, and with overrides and accepted failures beside.

    40 items tell a drop in accuracy to within some 8 points, and so are given a margin of 10.
    """
    text = (CHECKOUT / "thresholds.toml").read_text(encoding="utf-8").split("[[known_failure]]")[0]
    assert "margin = 3 " in text
    text = text.replace("margin = 3 ", "margin = 10 ")
    for name, table in replaced.items():
        before, after = text.split(f"[checks.{name}]\n")
        text = f"{before}[checks.{name}]\n{table}\n[" + after.split("\n[", 1)[1]
    tmp_path.mkdir(exist_ok=True)
    path = tmp_path / "limits.toml"
    path.write_text(text + extra, encoding="utf-8")
    return f"--sae-thresholds={path}"


def test_every_check_is_asked_of_each_sae_on_the_task(tmp_path):
    run = judge(tmp_path)
    assert run.exit_code == 0, run.output
    names = {
        f"check_{name}[{sae}-{TASK}]"
        for name in MEASURED_ON_ITEMS
        for sae in (LAYER_0, LAYER_1, LAYER_2)
    }
    assert {case.name for case in run.cases} == names | RELEASE_CHECKS | STACK_CHECKS
    assert {case.outcome for case in run.cases} == {"passed"}
    case = run.named(f"check_accuracy_drop[{LAYER_0}-{TASK}]")
    assert case.properties == {
        "release": "made-up",
        "sae": LAYER_0,
        "layer": "0",
        "hook": LAYER_0,
        "metric": "accuracy_drop",
        "compared": "",
        "task": TASK,
        "pair": "",
        "stack": "",
        "stack_saes": "",
        "shift": "",
        "first_position": "",
        "last_position": "",
        "value": "2.5",
        "family": "claim",
        "limit": "<= 5",
        "margin": "10",
        **{
            name: case.properties[name]
            for name in ("ci_low", "ci_high", "adjusted_low", "adjusted_high", "detectable")
        },
        "texts_to_decide": "nan",
        "texts": "40",
        "documents": "40",
        "tokens": "560",
        "verdict": "pass",
        "clean_accuracy": "60",
        "sae_accuracy": "57.5",
        "only_clean": "1",
        "only_sae": "0",
        "items_past_training_context": "0",
    }
    ends = ("adjusted_low", "ci_low", "value", "ci_high", "adjusted_high")
    figures = [float(case.properties[name]) for name in ends]
    assert figures == sorted(figures)
    assert (
        f"\ntask {TASK}: 40 items, the longest prompt 16 tokens; of 3 answers only the first token "
        "is scored; 1 prompt cut on the left to fit the model's context; left out: duplicates (2)\n"
        in run.output
    )
    whole = run.named(f"check_layer_agreement[made-up-{TASK}]").properties
    assert (whole["sae"], whole["layer"], whole["hook"], whole["task"]) == ("", "", "", TASK)


def test_a_failure_tells_all(tmp_path):
    run = judge(tmp_path, stored.task_table(1, **LOSING))
    assert run.exit_code == 1
    (failed,) = run.with_outcome("failed")
    assert failed.name == f"check_accuracy_drop[{LAYER_1}-{TASK}]"
    assert failed.properties["verdict"] == "fail"
    # Items that the clean model alone gets right, in their order: each weighs the same.
    clean = stored.task_table(1).columns["clean_rank"] == 1
    rows = np.flatnonzero(clean & (np.arange(40) % 3 > 0))[:5]
    lost = "".join(f"  item {row} (item {row})\n" for row in rows)
    interval = re.search(r"interval (.*), 40 items, 560 prompt tokens\n", failed.message)
    assert interval is not None
    assert interval[1].endswith(" with all cells of the release in view")
    told = (
        f"accuracy_drop 40 > 5 points at {LAYER_1} on task {TASK}: margin 10, interval "
        f"{interval[1]}, 40 items, 560 prompt tokens\n"
        "also: clean_accuracy = 60, sae_accuracy = 20, only_clean = 16, only_sae = 0, "
        "items_past_training_context = 0\n"
        "asked: The share of right answers, of all that the model could say, hardly falls.\n"
        "limit: judgement, by the study's tables: on LAMBADA, layers 0 to 2 lose 1.0, 1.8 and 4.2 "
        "points of 26.6 and hold it, layers 3 to 11 lose 5.5 to 16.0 and do not; on CBT, all 12 "
        "lose 14.3 to 41.9 points of 41.9\n"
        f"features: {LINK}/1-res\n"
        f"weighing most:\n{lost}"
        f"best features on {TASK}: 8 (score +3 of 7, mean Δ ln p +0.040) {LINK}/1-res/8; "
        f"5 (score +2 of 14, mean Δ ln p -0.016) {LINK}/1-res/5; "
        f"6 (score +0 of 10, mean Δ ln p -0.054) {LINK}/1-res/6\n"
        f"worst features on {TASK}: 3 (score -8 of 40, mean Δ ln p -0.101, ablated +0.200 "
        f"(+0.200 to +0.200)) {LINK}/1-res/3; "
        f"7 (score -6 of 8, mean Δ ln p -0.334) {LINK}/1-res/7; "
        f"9 (score -2 of 6, mean Δ ln p -0.187, ablated -0.050 (-0.050 to -0.050)) {LINK}/1-res/9"
    )
    assert failed.message.endswith(told)
    assert told in run.output  # no traceback around it
    assert "Error:" not in failed.message
    # The summary has the same features, of every SAE.
    for line in told.splitlines()[-2:]:
        assert f"\n  {line}\n" in run.output
    assert (
        f"  best features on {TASK}: 8 (score -1 of 7, mean Δ ln p -0.018) {LINK}/0-res/8; "
        in run.output
    )
    line = f"\n  accuracy_drop                       40 <= 5         on {TASK} failed\n"
    assert line in run.output


def test_a_cell_is_judged_alone_as_among_many(tmp_path):
    """A loss of 25 points of 40 items: in 0.3.0 it failed alone, and passed among 25 cells."""
    clean = stored.task_table(1).columns["clean_rank"]
    wrong = (np.arange(40) % 4 == 1) & (clean == 1)
    table = stored.task_table(1, sae_rank=np.where(wrong, 5.0, clean))
    name = f"check_accuracy_drop[{LAYER_1}-{TASK}]"
    among_many = judge(tmp_path / "many", table).named(name)
    alone = judge(tmp_path / "alone", table, arguments=("-k", "check_accuracy_drop and blocks.1"))
    assert (among_many.outcome, among_many.properties["verdict"]) == ("failed", "undecided")
    assert alone.exit_code == 6
    assert alone.cases == (among_many,)
    assert " insufficient evidence: " in among_many.message


def test_harmful_features_are_named_with_their_dashboards(tmp_path):
    path = limits(
        tmp_path, "", always_active_harmful='max = 0\nmargin = 1\nunit = "features"\nshare = 0.9\n'
    )
    run = judge(tmp_path, arguments=(path, "-k", "always_active_harmful and blocks.2"))
    (case,) = run.cases
    assert case.outcome == "failed"
    assert f"also: features = 3 (score -20, {LINK}/2-res/3)\n" in case.message
    assert case.properties["features"] == f"3 (score -20, {LINK}/2-res/3)"


def test_an_accepted_failure_is_of_its_task(tmp_path):
    tables = [stored.task_table(1, **LOSING), stored.task_table(1, "other", **LOSING)]
    entry = (
        '\n[[known_failure]]\ncheck = "accuracy_drop"\nrelease = "made-up"\n'
        f'sae = "{LAYER_1}"\ntask = "{TASK}"\nreason = "known to lose"\n'
    )
    run = judge(
        tmp_path,
        *tables,
        *(stored.task_table(layer, "other") for layer in (0, 2)),
        arguments=(limits(tmp_path, entry), "-k", "check_accuracy_drop"),
    )
    assert run.exit_code == 1
    assert [c.name for c in run.with_outcome("xfailed")] == [
        f"check_accuracy_drop[{LAYER_1}-{TASK}]"
    ]
    assert [c.name for c in run.with_outcome("failed")] == [f"check_accuracy_drop[{LAYER_1}-other]"]
    assert (
        f"accepted: 1 cell by [[known_failure]] accuracy_drop of made-up ({LAYER_1}, task {TASK}): "
        "known to lose\n" in run.output
    )


def test_an_override_is_of_its_task(tmp_path):
    override = (
        'max = 60\nmargin = 3\nunit = "points"\n\n'
        f'[[checks.accuracy_drop.override]]\ntask = "{TASK}"\nmax = 5\n'
    )
    run = judge(
        tmp_path,
        *(
            stored.task_table(layer, task, **LOSING)
            for layer in range(3)
            for task in (TASK, "other")
        ),
        arguments=(limits(tmp_path, "", accuracy_drop=override), "-k", "check_accuracy_drop"),
    )
    told = {case.name: case.properties["limit"] for case in run.cases}
    layers = (LAYER_0, LAYER_1, LAYER_2)
    assert told == {f"check_accuracy_drop[{sae}-{TASK}]": "<= 5" for sae in layers} | {
        f"check_accuracy_drop[{sae}-other]": "<= 60" for sae in layers
    }
    assert {case.name for case in run.with_outcome("failed")} == {
        f"check_accuracy_drop[{sae}-{TASK}]" for sae in layers
    }


def test_features_that_nobody_ablated_are_not_asked_about(tmp_path):
    """Not of a task, where another one's were."""
    without = [changed(stored.task_table(layer, "other"), ablations=None) for layer in range(3)]
    run = judge(tmp_path, *without, arguments=("-k", "ablated"))
    assert run.exit_code == 0, run.output
    assert {case.name for case in run.cases} == {
        f"check_{name}[{sae}-{TASK}]" for name in ABLATED for sae in (LAYER_0, LAYER_1, LAYER_2)
    }


def test_features_that_were_ablated_of_one_sae_only(tmp_path):
    bare = [changed(stored.task_table(layer), ablations=None) for layer in (1, 2)]
    run = judge(tmp_path, *bare, arguments=("-k", "ablated_best"))
    assert run.exit_code == 1
    assert [case.properties["sae"] for case in run.with_outcome("passed")] == [LAYER_0]
    sentence = (
        f"ablated_best needs ablations, which the stored tables of '{LAYER_1} on {TASK}' lack; "
        "measure again without --sae-measurements"
    )
    case = run.named(f"check_ablated_best[{LAYER_1}-{TASK}]")
    assert (case.outcome, case.message) == ("error", as_error(sentence))


def test_a_task_without_candidates_is_asked_less(tmp_path):
    tables = []
    for layer in range(3):
        table = stored.task_table(layer)
        columns = {name: v for name, v in table.columns.items() if "candidate" not in name}
        columns = {name: v for name, v in columns.items() if "logit" not in name}
        tables.append(replace(table, columns=columns))
    run = judge(tmp_path, *tables)
    assert run.exit_code == 0, run.output
    asked = {case.properties["metric"] for case in run.cases if case.properties["sae"]}
    assert asked == MEASURED_ON_ITEMS - {"candidate_accuracy_drop", "logit_difference_kept"}


def test_one_answer_that_is_no_number_fails_its_sae_alone(tmp_path):
    columns = stored.task_table(1).columns
    broken = {name: columns[name].copy() for name in ("sae_ln_p", "sae_rank")}
    broken["sae_ln_p"][7] = broken["sae_rank"][7] = np.nan
    entry = '\n[[known_failure]]\ncheck = "delta_ln_p"\nrelease = "made-up"\nreason = "accepted"\n'
    # As measured: of a broken SAE no feature is ablated.
    table = changed(stored.task_table(1, **broken), ablations=stored.ablation_table(np.zeros(0)))
    run = judge(tmp_path, table, arguments=(limits(tmp_path, entry),))
    assert run.exit_code == 1
    assert not run.with_outcome("error")
    failed = run.with_outcome("failed")
    assert {case.properties["verdict"] for case in failed} == {"undefined"}
    untouched = {"candidate_accuracy_drop", "prompt_delta_ce", "logit_difference_kept"}
    untouched |= {f"norm_correlation_{of}" for of in ("mse", "l0", "l1")}
    assert {case.name for case in failed} == RELEASE_CHECKS | STACK_CHECKS | {
        f"check_{name}[{LAYER_1}-{TASK}]" for name in MEASURED_ON_ITEMS - untouched
    }
    sentence = (
        f"delta_ln_p undefined at {LAYER_1} on task {TASK}: sae_ln_p is not finite on 1 item\n"
    )
    assert sentence in run.named(f"check_delta_ln_p[{LAYER_1}-{TASK}]").message
    assert f"best features on {TASK}: " in run.output  # of the others
    assert f"{LINK}/1-res/" not in run.output


def test_no_feature_is_active(tmp_path):
    table = stored.task_table(1)
    delta = table.columns["sae_ln_p"] - table.columns["clean_ln_p"]
    none = stored.feature_table(delta, np.zeros((0, 40), dtype=bool))
    dead = changed(table, features=none, ablations=stored.ablation_table(np.zeros(0)))
    run = judge(tmp_path, dead)
    assert run.exit_code == 1
    reasons = {case.name: case.message.splitlines()[-1] for case in run.with_outcome("failed")}
    assert reasons.keys() == {
        f"check_{name}[{LAYER_1}-{TASK}]"
        for name in ("positive_features", "always_active_harmful", *ABLATED)
    }
    for name, case in ((c.properties["metric"], c) for c in run.with_outcome("failed")):
        whys = {
            "ablated_best": "no feature is active on an item: none was ablated",
            "ablated_worst": "no second feature is active on an item: none was ablated",
        }
        why = whys.get(name, "no feature is active on an item")
        assert f"{name} undefined at {LAYER_1} on task {TASK}: {why}\n" in case.message
        assert case.properties["verdict"] == "undefined"


def as_error(sentence: str) -> str:
    return f'failed on setup with "{sentence}"\n{sentence}'


def test_a_task_that_could_not_be_measured_never_passes(tmp_path):
    sentence = (
        "task mine: none of its questions can be asked of this model (3 answers that the tokenizer "
        "does not know); leave it out with --sae-task"
    )
    run = judge(
        tmp_path, task_failures={"mine": sentence}, arguments=("-k", "positive_features or mine")
    )
    assert run.exit_code == 1
    assert {case.properties["task"] for case in run.with_outcome("passed")} == {TASK}
    errors = run.with_outcome("error")
    assert {case.properties["task"] for case in errors} == {"mine"}
    assert {case.message for case in errors} == {as_error(sentence)}
    assert {case.properties["verdict"] for case in errors} == {"error"}
    assert not run.with_outcome("failed")


def test_an_sae_without_a_table_of_the_task(tmp_path):
    tables = [stored.task_table(layer) for layer in (0, 2)]
    folder = stored.write_measurement(tmp_path, layers=3, tasks=tables)
    run = run_gate(tmp_path, f"--sae-measurements={folder}", "-k", "delta_ln_p or agreement")
    assert run.exit_code == 1
    assert {case.properties["sae"] for case in run.with_outcome("error")} == {LAYER_1, ""}
    sentence = f"SAE {LAYER_1!r} was not measured on task {TASK}"
    assert {case.message for case in run.with_outcome("error")} == {as_error(sentence)}


@pytest.mark.parametrize(
    "option",
    [
        "--sae-task=ioi",
        "--sae-items=5",
        "--sae-answer=whole",
        "--sae-feature-window=8",
        "--sae-ablate=2",
    ],
)
def test_stored_tasks_are_judged_as_they_were_measured(tmp_path, option):
    folder = stored.write_measurement(tmp_path, layers=1, tasks=[stored.task_table(0)])
    run = run_gate(tmp_path, f"--sae-measurements={folder}", option)
    assert run.exit_code == 4
    name = option.split("=")[0]
    assert (
        f"ERROR: --sae-measurements judges tables as they were measured; {name} cannot change "
        "that, leave it out or measure again\n" in run.output
    )
