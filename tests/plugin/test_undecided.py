"""What becomes of claims that the measured texts do not decide."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests import stored
from tests.plugin.gate_run import GateRun, run_gate
from tests.plugin.limits import LAYER_1, thresholds


def undecided_run(tmp_path: Path, gate: str = "", *arguments: str) -> GateRun:
    """Half the texts far above the limit: the intervals of layer 1's ΔCE hold it."""
    table = stored.sae_table(1)
    table.columns["ce_sae"][::2, 1:16] += 0.5
    folder = stored.write_measurement(tmp_path, tables={1: table})
    limits = thresholds(tmp_path, gate=gate)
    return run_gate(
        tmp_path, f"--sae-measurements={folder}", limits, "-k", "check_delta_ce[", *arguments
    )


CLAIM, RANGE = (f"check_delta_ce[{LAYER_1}-{positions}]" for positions in ("1:15", "8:15"))


def test_an_undecided_claim_fails_and_an_undecided_range_is_shown(tmp_path):
    """Neither is a pass: 0.3.0 called both passed."""
    run = undecided_run(tmp_path)
    assert run.exit_code == 6
    assert [case.name for case in run.with_outcome("failed")] == [CLAIM]
    message = run.named(CLAIM).message
    assert message.startswith("delta_ce insufficient evidence: 0.35")
    assert (
        f" nats against <= 0.35 at {LAYER_1}, positions 1 to 15: margin 0.05, interval " in message
    )
    assert " texts would decide it: raise --sae-tokens\n" in message
    assert "\nworst ranges: " in message
    assert "\nweighing most:\n  document " in message
    of_range = run.named(RANGE)
    assert (of_range.outcome, of_range.properties["verdict"]) == ("skipped", "undecided")
    assert of_range.message.startswith("undecided: 0.3")
    assert "failed: insufficient evidence" in run.output
    assert (
        "insufficient evidence: 1 claim: the run fails, since nobody has shown that they hold\n"
        in run.output
    )
    assert " 1 failed, " in run.output
    assert re.search(r" \d undecided in ", run.output)


@pytest.mark.parametrize(
    ("gate", "exit_code", "failed"),
    [
        ('undecided_claims = "pass"', 0, 0),
        ('undecided_claims = "pass"\nundecided_ranges = "fail"', 6, 2),
    ],
)
def test_what_undecided_means_is_the_gates_to_say(tmp_path, gate, exit_code, failed):
    run = undecided_run(tmp_path, gate)
    assert (run.exit_code, len(run.with_outcome("failed"))) == (exit_code, failed), run.output
    assert run.named(CLAIM).properties["verdict"] == "undecided"
    assert run.named(CLAIM).outcome != "passed"
