"""Measured violations that a sample is too small to show: no pass, and a run that fails.

Version 0.3.0 called each of these "passed (undecided)" and exited with 0.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from sae_checks.evals.context.table import ContextTable
from sae_checks.evals.tasks.table import TaskTable
from tests import stored
from tests.plugin.gate_run import CHECKOUT, Case, GateRun, run_gate
from tests.tables import changed

LAYER_0 = "blocks.0.hook_resid_pre"
TASK = "made-up-task"
INTERVAL = r"interval -?[\d.]+ to (?:[\d.]+|unbounded)"
SHARED = r"-?[\d.]+ to [\d.]+ with all cells of the release in view"


def judge(tmp_path: Path, check: str, **measured: object) -> GateRun:
    """One SAE by the bundled limits."""
    folder = stored.write_measurement(tmp_path, layers=1, **measured)
    return run_gate(tmp_path, f"--sae-measurements={folder}", "-k", check)


def of_two_minds(first: int, mean: float, spread: float) -> ContextTable:
    """ΔCE in nats from a position on, in every second text more and in the others less."""
    table = stored.sae_table(0)
    side = np.where(np.arange(stored.TEXTS) % 2, 1.0, -1.0)[:, None]
    at = slice(first, stored.CONTEXT - 1)
    table.columns["ce_sae"][:, at] = table.columns["ce_clean"][:, at] + mean + spread * side
    return table


def losing(items: int, lost: int, documents: int | None = None) -> TaskTable:
    """Of answers that the model knows all, the SAE loses some; from as many documents, or items."""
    right = np.ones(items)
    wrong = right.copy()
    wrong[np.linspace(0, items - 1, lost).astype(int)] = 2
    table = stored.task_table(0, items=items, clean_rank=right, sae_rank=wrong)
    return changed(table, clusters=None if documents is None else np.arange(items) % documents)


def assert_undecided(run: GateRun, case: Case, head: str, evidence: str) -> None:
    """A failing test whose message begins with this whole sentence, and a run that says so."""
    assert run.exit_code == 6
    assert (case.outcome, case.properties["verdict"]) == ("failed", "undecided")
    assert case.properties["family"] == "claim"
    sentence = case.message.splitlines()[0]
    assert re.fullmatch(re.escape(head) + evidence, sentence), sentence
    assert f"\n{sentence}\n" in run.output  # no traceback around it
    assert (
        "\ninsufficient evidence: 1 claim: the run fails, since nobody has shown that they hold\n"
        in run.output
    )
    assert " failed: insufficient evidence\n" in run.output


@pytest.mark.parametrize(
    ("table", "points", "evidence"),
    [
        (
            losing(items=16, lost=4),
            25,
            f"{INTERVAL}, {SHARED}, 16 items, 222 prompt tokens; some [\\d,]+ items would decide "
            "it: raise --sae-items",
        ),
        (
            losing(items=25, lost=6, documents=6),
            24,
            f"{INTERVAL}, {SHARED}, 25 items of 6 documents, 350 prompt tokens; some [\\d,]+ "
            "documents would decide it: raise --sae-items or give more documents",
        ),
    ],
    ids=["16 items", "25 items of 6 documents"],
)
def test_an_accuracy_drop_of_24_points_against_5_is_no_pass(tmp_path, table, points, evidence):
    run = judge(tmp_path, "check_accuracy_drop", tasks=[table])
    (case,) = run.cases
    assert float(case.properties["value"]) == points
    assert_undecided(
        run,
        case,
        f"accuracy_drop insufficient evidence: {points} points against <= 5 at {LAYER_0} on task "
        f"{TASK}: margin 3, ",
        evidence,
    )
    assert re.search(r"\n=+ 1 failed, \d+ deselected in \S+ =+\n", run.output)


def test_a_delta_ce_of_0497_against_035_is_no_pass(tmp_path):
    run = judge(tmp_path, "check_delta_ce[", tables={0: of_two_minds(1, 0.497, 0.4)})
    claim, *ranges = run.cases
    assert claim.name == f"check_delta_ce[{LAYER_0}-1:15]"
    assert_undecided(
        run,
        claim,
        f"delta_ce insufficient evidence: 0.497 nats against <= 0.35 at {LAYER_0}, positions 1 to "
        "15: margin 0.05, ",
        f"{INTERVAL}, {SHARED}, 12 texts, 180 tokens; some [\\d,]+ texts would decide it: raise "
        "--sae-tokens",
    )
    # The ranges within say where, and block nothing.
    assert len(ranges) == 4
    for case in ranges:
        assert (case.outcome, case.properties["verdict"]) == ("skipped", "undecided")
        assert case.properties["family"] == "range"
    assert (
        "\ninsufficient evidence: 4 ranges: no pass, but the run does not fail for them\n"
        in run.output
    )
    assert re.search(r"\n=+ 1 failed, \d+ deselected, 4 undecided in \S+ =+\n", run.output)


def test_an_undecided_range_is_skipped_with_its_sentence_where_its_check_stands(tmp_path):
    run = judge(tmp_path, "check_delta_ce[", tables={0: of_two_minds(1, 0.497, 0.4)})
    sentence, told, *others = run.named(f"check_delta_ce[{LAYER_0}-8:15]").message.splitlines()
    evidence = (
        rf"{INTERVAL}, {SHARED}, 12 texts, 96 tokens; some [\d,]+ texts would decide it: raise "
        "--sae-tokens"
    )
    head = "undecided: 0.497 nats against at most 0.35 nats and a margin of 0.05"
    assert re.fullmatch(re.escape(f"{head} (") + evidence + r"\)", sentence), sentence
    where = CHECKOUT / "checks" / "check_delta_ce.py"
    assert re.fullmatch(rf"{re.escape(str(where))}:\d+: {re.escape(sentence)}", told), told
    assert others == []


def test_a_usable_context_of_025_against_15_is_no_pass(tmp_path):
    """In every second text ΔCE holds its limit all the way."""
    run = judge(tmp_path, "check_usable_context", tables={0: of_two_minds(4, 0.4, 0.4)})
    (case,) = run.cases
    assert float(case.properties["value"]) == 0.25
    assert_undecided(
        run,
        case,
        "usable_context insufficient evidence: 0.25 training contexts against >= 1.5 at "
        f"{LAYER_0}: margin 0.125, ",
        f"{INTERVAL}, 12 texts, 744 tokens; raise --sae-tokens",
    )


@pytest.mark.parametrize("delta_ce", [0.1, 3.0])
def test_seven_texts_decide_nothing_however_clear_they_look(tmp_path, delta_ce):
    """8 are the least: neither a pass nor a fail."""
    table = stored.sae_table(0, lambda _, position: np.full(position.shape, delta_ce), texts=7)
    run = judge(tmp_path, "check_delta_ce[", tables={0: table})
    assert {case.properties["verdict"] for case in run.cases} == {"undecided"}
    (claim,) = run.with_outcome("failed")
    assert_undecided(
        run,
        claim,
        f"delta_ce insufficient evidence: {float(claim.properties['value']):.4g} nats against "
        f"<= 0.35 at {LAYER_0}, positions 1 to 15: margin 0.05, ",
        f"{INTERVAL}, {SHARED}, 7 texts, 105 tokens; some 8 texts would decide it: raise "
        "--sae-tokens",
    )
