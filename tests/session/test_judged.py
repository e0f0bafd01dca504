"""Stored tables judged without pytest become of their tests what a run of pytest makes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from sae_checks.options import options_of
from sae_checks.report.progress import ConsoleProgress
from sae_checks.session.judged import judge_stored
from tests import stored
from tests.plugin.gate_run import run_gate

LIMITS = """\
[[known_failure]]
check = "delta_ce_growth"
release = "made-up"
sae = "blocks.0.*"
reason = "known"

[[known_failure]]
check = "usable_context"
release = "made-up"
bound = 1.2
reason = "exceeded"

[[known_failure]]
check = "kl"
release = "made-up"
reason = "passes all the same"
"""
OUTCOMES = {
    "passed": "passed",
    "failed": "failed",
    "error": "error",
    "accepted": "xfailed",
    "unexpectedly passed": "passed",
    "undecided": "skipped",
    "not applicable": "skipped",
}


@pytest.mark.parametrize("strict", [False, True])
def test_every_test_becomes_what_pytest_makes_of_it(tmp_path: Path, strict):
    folder = stored.write_measurement(
        tmp_path / "store",
        delta_ce=stored.broken_past_context,
        layers=3,
        failures={2: "cannot be read"},
        tasks=[stored.task_table(layer, items=20) for layer in range(2)],
    )
    limits = tmp_path / "limits.toml"
    limits.write_text(LIMITS, encoding="utf-8")
    flags = ["--sae-strict"] if strict else []
    run = run_gate(tmp_path, f"--sae-measurements={folder}", f"--sae-thresholds={limits}", *flags)
    options = options_of({"measurements": folder, "thresholds": limits})
    result = judge_stored(options, ConsoleProgress(quiet=True), strict=strict)
    made = [(f"check_{o.check.name}[{o.cell}]", OUTCOMES[o.outcome]) for o in result.outcomes]
    assert made == [(case.name, case.outcome) for case in run.cases]
    found = {outcome.outcome for outcome in result.outcomes}
    expected = {"passed", "failed", "error", "undecided"}
    assert found >= expected | (set() if strict else {"accepted", "unexpectedly passed"})
