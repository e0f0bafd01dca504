"""Pairs of SAEs through the whole gate: measured, judged from their tables, and compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import stored
from tests.plugin.gate_run import GateRun, run_gate

SUITE = "checks/check_propagation.py"
IDS = [f"blocks.{layer}.hook_resid_pre" for layer in range(3)]
PAIRS = [f"{IDS[0]}->{IDS[1]}", f"{IDS[0]}->{IDS[2]}", f"{IDS[1]}->{IDS[2]}"]
DEMO = [*(f"blocks.{layer}.hook_resid_pre" for layer in range(4)), "blocks.3.hook_resid_post"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return stored.write_measurement(tmp_path_factory.mktemp("measured"), layers=3)


def judge(tmp_path: Path, folder: Path, *arguments: str) -> GateRun:
    return run_gate(tmp_path, f"--sae-measurements={folder}", *arguments, suite=SUITE)


def test_every_pair_is_a_test_and_the_summary_names_the_worst(tmp_path, folder):
    run = judge(tmp_path, folder)
    assert run.exit_code == 0, run.output
    names = [case.name for case in run.cases if case.properties["metric"] == "propagation_mse"]
    assert names == [f"check_propagation_mse[{pair}]" for pair in PAIRS]
    assert len(run.cases) == 3 * 7 + 4
    mse = run.named(f"check_propagation_mse[{PAIRS[0]}]")
    assert float(mse.properties["value"]) == pytest.approx(0.1, abs=1e-5)
    assert (mse.properties["pair"], mse.properties["sae"]) == (PAIRS[0], "")
    assert mse.properties["positions"] == "1:15"  # within both training contexts
    direct = run.named(f"check_propagation_direct_mse[{PAIRS[2]}]")
    assert float(direct.properties["value"]) == pytest.approx(0.01, abs=1e-5)
    assert float(direct.properties["recomputed"]) == pytest.approx(0.09, abs=1e-5)
    assert "\npairs of SAEs: 12 reported, 9 passed\n" in run.output
    assert run.output.count("\n  propagation_mse  ") == 1
    (after,) = (line for line in run.output.splitlines() if "propagation_mse_after" in line)
    assert f" no limit     after {IDS[0]} " in after


def test_a_pair_is_overridden_and_accepted_by_its_name(tmp_path, folder):
    limits = tmp_path / "limits.toml"
    limits.write_text(
        '[checks.propagation_mse]\nmax = 0.5\nmargin = 0.1\nunit = "fraction"\n'
        "last_position = 100\n"
        f'[[checks.propagation_mse.override]]\npair = "{IDS[0]}->*"\nmax = 0.01\nmargin = 0.01\n'
        '[[known_failure]]\ncheck = "propagation_mse"\nrelease = "*"\npair = "*->*.2.*"\n'
        'reason = "known"\n',
        encoding="utf-8",
    )
    run = judge(tmp_path, folder, f"--sae-thresholds={limits}", "-k", "propagation_mse[")
    assert [case.outcome for case in run.cases] == ["failed", "xfailed", "passed"], run.output
    failed = run.cases[0]
    assert failed.message.startswith(f"propagation_mse 0.1 > 0.01 fraction at {PAIRS[0]}: margin ")


def test_a_pair_of_an_sae_that_was_not_measured_is_an_error(tmp_path):
    failures = {1: "SAE 1 is broken"}
    folder = stored.write_measurement(tmp_path, layers=3, failures=failures)
    run = judge(tmp_path, folder, "-k", "propagation_mse[")
    outcomes = {case.properties["pair"]: case.outcome for case in run.cases}
    assert outcomes == {PAIRS[0]: "error", PAIRS[1]: "passed", PAIRS[2]: "error"}
    for case in run.with_outcome("error"):
        assert "SAE 1 is broken" in case.message


def test_pairs_of_the_demo_are_measured_stopped_kept_and_compared(tmp_path):
    """A default run beside the context checks, then its tables as a baseline of themselves."""
    budget = ("--sae-tokens=24576", "--sae-task=none", f"--sae-store={tmp_path / 'store'}")
    suite = ("checks/check_sparsity.py", SUITE)
    run = run_gate(tmp_path, *budget, suite[1], suite=suite[0])
    assert run.exit_code == 0, run.output
    cases = [case for case in run.cases if case.properties["metric"] == "propagation_mse"]
    expected = [f"{a}->{b}" for n, a in enumerate(DEMO) for b in DEMO[n + 1 :]]
    assert sorted(case.properties["pair"] for case in cases) == sorted(expected)
    assert {case.properties["positions"] for case in cases} == {"1:63"}
    # Some need no more than the first block.
    assert min(int(case.properties["texts"]) for case in cases) == 64
    # The whole budget goes on from there.
    baseline = tmp_path / "base.json"
    update = (f"--sae-baseline={baseline}", "--sae-baseline-update", "--sae-baseline-force")
    run = run_gate(tmp_path, *budget, *update, "--sae-fixed", suite=SUITE)
    assert run.exit_code == 0, run.output
    assert {case.properties["texts"] for case in run.cases} == {"96"}
    assert f'"{DEMO[0]}->{DEMO[1]}"' in baseline.read_text(encoding="utf-8")
    (folder,) = (tmp_path / "store/measurements").iterdir()
    compared = judge(tmp_path, folder, f"--sae-baseline={baseline}", "-k", "check_regression")
    assert compared.exit_code == 0, compared.output
    assert {float(case.properties["value"]) for case in compared.cases} == {0.0}
    assert len(compared.cases) == 3 * len(expected)
