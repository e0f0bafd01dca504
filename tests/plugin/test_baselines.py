"""Comparing with a baseline, as a pytest process: what fails, what is refused, what is written."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sae_checks.baseline.comparison import Comparison
from sae_checks.session.suite import bundled_checks
from tests import stored
from tests.places import cell_key
from tests.plugin.gate_run import CHECKOUT, GateRun, run_gate

LAYER_0, LAYER_1, LAYER_2 = (f"blocks.{layer}.hook_resid_pre" for layer in range(3))
RANGES = ("1:15", "1:1", "2:3", "4:7", "8:15")  # in context: the claim, then its ranges
DELTA_CE = Path("checks") / "check_delta_ce.py"
LIMITS = tomllib.loads((CHECKOUT / "thresholds.toml").read_text(encoding="utf-8"))["checks"]
MARGIN = LIMITS["delta_ce"]["regression"]


def layer_1_worse(layer: int, position: np.ndarray) -> np.ndarray:
    """Layer 1 costs 0.13 nats instead of 0.1: far within the limit of 0.35."""
    return stored.flat(layer, position) + 0.03 * (layer == 1)


@pytest.fixture(scope="module")
def baseline(tmp_path_factory) -> Path:
    """A stored measurement of the release that others are compared with."""
    return stored.write_measurement(tmp_path_factory.mktemp("baseline"))


@pytest.fixture(scope="module")
def worse(tmp_path_factory) -> Path:
    """The same release, but for layer 1."""
    folder = tmp_path_factory.mktemp("worse")
    return stored.write_measurement(folder, delta_ce=layer_1_worse)


def change_manifest(folder: Path, **changes: Any) -> Path:
    """Of its provenance, and of what it says of texts, some; of all else, all."""
    path = folder / "manifest.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    for entry in content["datasets"]:
        if entry["ref"]["name"] == "texts":
            entry["description"] |= changes.get("texts", {})
    changed = {key: value for key, value in changes.items() if key != "texts"}
    changed["provenance"] = content["provenance"] | changes.get("provenance", {})
    stored.change_sealed(path, **{"datasets": content["datasets"], **changed})
    return folder


def compare(
    tmp_path: Path, folder: Path, baseline: Path | str, *arguments: str, **where: Any
) -> GateRun:
    """Judge a stored measurement beside a baseline; unless told, checks of ΔCE alone."""
    given = (f"--sae-measurements={folder}", f"--sae-baseline={baseline}", *arguments)
    return run_gate(tmp_path, *given, **{"suite": DELTA_CE, **where})


def comparisons(run: GateRun, outcome: str) -> set[str]:
    return {c.name for c in run.with_outcome(outcome) if c.name.startswith("check_regression[")}


def refusal(run: GateRun) -> str:
    """The one sentence of a run that ends before anything is judged."""
    assert run.exit_code == 4, run.output
    assert run.cases == ()
    assert "Traceback" not in run.output
    assert "INTERNALERROR" not in run.output
    (line,) = (line for line in run.output.splitlines() if line.startswith("ERROR: "))
    return line.removeprefix("ERROR: ")


def test_a_release_passes_beside_itself(tmp_path, baseline):
    """Every check of the suite whose limits give a margin, in every cell."""
    run = compare(tmp_path, baseline, baseline, suite="checks")
    assert run.exit_code == 0, run.output
    passed = comparisons(run, "passed")
    assert passed == {case.name for case in run.cases if case.name.startswith("check_regression[")}
    compared = {name.removeprefix("check_regression[").split("-")[0] for name in passed}
    of_texts = {c.properties["metric"] for c in run.cases if not c.properties["task"]}
    assert compared == {name for name in LIMITS if "regression" in LIMITS[name]} & of_texts
    assert {"delta_ce", "delta_ce_growth", "kl", "l0", "mse", "explained_variance"} <= compared
    case = run.named(f"check_regression[delta_ce-{LAYER_1}-8:15]")
    assert case.properties["metric"] == "regression"
    assert case.properties["compared"] == "delta_ce"
    assert (case.properties["value"], case.properties["verdict"]) == ("0", "pass")
    value = float(case.properties["baseline_value"])
    assert value == float(case.properties["candidate_value"]) == pytest.approx(0.1, abs=0.01)
    assert case.properties["limit"] == f"<= {MARGIN['by'] + MARGIN['share'] * value:g}"
    assert "vs baseline: delta_ce " in run.output


def test_what_absolute_limits_miss_a_paired_comparison_finds(tmp_path, baseline, worse):
    """0.03 nats more: all that has an absolute limit, such as 0.35 for ΔCE, passes."""
    run = compare(tmp_path, worse, baseline)
    assert run.exit_code == 1
    failed = {case.name for case in run.with_outcome("failed")}
    assert failed == {
        f"check_regression[{check}-{LAYER_1}-{positions}]"
        for check in ("delta_ce", "kl")
        for positions in RANGES
    }
    message = run.named(f"check_regression[delta_ce-{LAYER_1}-8:15]").message
    assert re.search(
        rf"regression of delta_ce 0\.03 > 0\.0\d+ nats at {LAYER_1}, positions 8 to 15: "
        r"(margin [\d.]+, )?interval 0\.0",
        message,
    )
    assert "12 texts, 96 tokens" in message
    assert "also: candidate_value = 0.1" in message
    told = f"{MARGIN['by']:g} nats + {MARGIN['share']:.0%} of the baseline's 0.0"
    assert f"limit: no worse than the baseline by more than {told}" in message


def test_better_passes_and_is_told(tmp_path, baseline, worse):
    run = compare(tmp_path, baseline, worse)
    assert run.exit_code == 0, run.output
    better = [line for line in run.output.splitlines() if line.startswith("better than the ")]
    assert len(better) == 2 * len(RANGES)
    told = f"better than the baseline: delta_ce-{LAYER_1}-8:15: "
    (line,) = (line for line in better if line.startswith(told))
    now, before = (float(value) for value in line.removeprefix(told).split(", was "))
    assert (now, before) == (pytest.approx(0.1, abs=0.01), pytest.approx(now + 0.03, abs=1e-3))


def test_an_sae_without_counterpart_or_measurement_fails(tmp_path, baseline):
    """Layer 2 is new, and layer 1 could not be measured."""
    candidate = stored.write_measurement(tmp_path, layers=3, failures={1: "no weights"})
    run = compare(tmp_path, candidate, baseline, "-k", "check_regression")
    assert run.exit_code == 1
    assert {case.properties["sae"] for case in run.with_outcome("passed")} == {LAYER_0}
    failed = run.with_outcome("failed")
    assert {case.properties["sae"] for case in failed} == {LAYER_1, LAYER_2}
    assert {case.properties["verdict"] for case in failed} == {"undefined"}
    assert len(run.cases) == len(failed) * 3 / 2
    message = run.named(f"check_regression[delta_ce-{LAYER_1}-2:3]").message
    assert "positions 2 to 3: of the candidate: no weights" in message
    message = run.named(f"check_regression[delta_ce-{LAYER_2}-2:3]").message
    assert "positions 2 to 3: the baseline has no such cell, so that nothing" in message


def test_an_sae_without_counterpart_ends_no_run_of_any_check(tmp_path, baseline):
    """What is undefined has no figures to be better by."""
    candidate = stored.write_measurement(tmp_path, layers=3)
    suite = Path("checks") / "check_shrinkage.py"
    run = compare(tmp_path, candidate, baseline, "-k", "check_regression", suite=suite)
    assert run.exit_code == 1
    assert "Traceback" not in run.output
    failed = {case.properties["sae"] for case in run.with_outcome("failed")}
    assert failed == {LAYER_2}
    assert any(f"l2_ratio-{LAYER_2}" in case.name for case in run.with_outcome("failed"))


def test_an_sae_that_only_the_baseline_has_fails(tmp_path, baseline):
    """Else a release could get rid of a regression by leaving the SAE out."""
    one = stored.write_measurement(tmp_path, layers=1)
    run = compare(tmp_path, one, baseline)
    assert run.exit_code == 1
    failed = {case.name for case in run.with_outcome("failed")}
    assert {name for name in failed if "delta_ce-" in name} == {
        f"check_regression[missing-delta_ce-{LAYER_1}-{positions}]" for positions in RANGES
    }
    assert all(LAYER_1 in name for name in failed)
    message = run.named(f"check_regression[missing-delta_ce-{LAYER_1}-2:3]").message
    told = f"regression of delta_ce undefined at {LAYER_1} 2:3: the candidate has no such cell"
    assert told in message


def test_a_baseline_measured_otherwise_is_refused_naming_the_keys(tmp_path, baseline):
    other = stored.write_measurement(tmp_path)
    change_manifest(other, provenance={"seed": 1, "tokens": 9}, texts={"fingerprint": "x"})
    assert refusal(compare(tmp_path, other, baseline)) == (
        "the baseline made-up was not measured as this run, so that their texts cannot be paired: "
        "provenance.seed is 1, not 0; provenance.tokens is 9, not 768; texts.fingerprint is 'x', "
        "not 'made up'; measure as the baseline was, or make a new one with --sae-baseline-update"
    )


def test_an_adaptive_baseline_is_refused(tmp_path, baseline):
    stopped = stored.write_measurement(tmp_path)
    stored.change_sealed(next(stopped.glob("context/texts/*/table.json")), complete=False)
    assert refusal(compare(tmp_path, baseline, stopped)) == (
        f"the baseline {stopped} was measured only until its verdicts were clear, so that texts "
        "are missing to compare on; measure it with --sae-fixed"
    )


def test_saes_of_other_names_are_matched_by_hand(tmp_path, baseline):
    """Layer 0 against layer 1, which is the same but for noise."""
    one = stored.write_measurement(tmp_path, layers=1)
    run = compare(tmp_path, one, baseline, f"--sae-match={LAYER_0}={LAYER_1}")
    assert run.exit_code == 1
    # Our layer 0 is compared with their layer 1; their layer 0 is nobody's, and so is missing.
    assert run.named(f"check_regression[delta_ce-{LAYER_0}-8:15]").outcome == "passed"
    assert run.named(f"check_regression[missing-delta_ce-{LAYER_0}-8:15]").outcome == "failed"
    assert "the candidate has no such cell" in run.output


def test_matches_that_do_not_exist_are_refused(tmp_path, baseline):
    assert refusal(compare(tmp_path, baseline, baseline, "--sae-match=x=y")) == (
        f"--sae-match names 'x', which is no SAE of the release; it has {LAYER_0}, {LAYER_1}"
    )


def test_an_update_writes_and_fails_until_it_is_looked_at(tmp_path, baseline, worse):
    arguments = ("--sae-baseline-update",)
    where = {"suite": CHECKOUT / DELTA_CE, "cwd": tmp_path}
    run = compare(tmp_path, baseline, "base", *arguments, **where)
    file = tmp_path / "baselines" / "base.json"
    # Nothing else failed, and nothing was compared.
    assert (run.exit_code, run.with_outcome("failed")) == (1, [])
    assert comparisons(run, "passed") == set()
    assert "baseline baselines/base.json written: 30 cells of 2 SAEs, " in run.output
    before = file.read_text(encoding="utf-8")
    forced = compare(tmp_path, baseline, "base", *arguments, "--sae-baseline-force", **where)
    assert forced.exit_code == 0, forced.output
    assert file.read_text(encoding="utf-8") == before
    # The file then stands for the measurement.
    run = compare(tmp_path, worse, file, **where)
    assert {case.name for case in run.with_outcome("failed")} == {
        f"check_regression[{check}-{LAYER_1}-{positions}]"
        for check in ("delta_ce", "kl")
        for positions in RANGES
    }


def test_a_part_of_a_run_writes_no_baseline(tmp_path, baseline):
    """And says so by its exit code, even where writing one is no reason to fail."""
    file = tmp_path / "base.json"
    arguments = ("--sae-baseline-update", "--sae-baseline-force", "-k", "check_kl")
    run = compare(tmp_path, baseline, file, *arguments)
    assert "no baseline was written: only part of the collected tests ran" in run.output
    assert not file.exists()
    assert run.exit_code == 1


def test_comparisons_of_some_tasks_keep_the_cells_of_texts():
    """Which an SAE that was lost would else take with it."""
    keys = [cell_key("delta_ce", "a", "1:15", ""), cell_key("delta_ce", "a", "", "ioi")]

    class Lost:
        name = "v1"

        def keys(self, check):
            return keys

    comparison = Comparison(Lost(), {})
    cells = comparison.cells(bundled_checks()["delta_ce"], [], "made-up", tasks={"lambada"})
    assert [cell.absent for cell in cells] == keys[:1]
    assert len(comparison.cells(bundled_checks()["delta_ce"], [], "made-up")) == 2


@pytest.mark.parametrize("quiet", ["-q", "-qq"])
def test_why_a_run_whose_tests_passed_fails_is_told_however_quiet_it_is(tmp_path, baseline, quiet):
    """In 0.3.0 such a run said nothing but that all had passed."""
    where = {"suite": CHECKOUT / DELTA_CE, "cwd": tmp_path}
    run = compare(tmp_path, baseline, "base", "--sae-baseline-update", quiet, **where)
    assert (run.exit_code, run.with_outcome("failed")) == (1, [])
    written = next(line for line in run.output.splitlines() if line.startswith("baseline "))
    assert written.startswith("baseline baselines/base.json written: 30 cells of 2 SAEs, ")
    assert written.endswith(
        "; this run fails, so that no baseline changes unseen (--sae-baseline-force)"
    )
    arguments = ("--sae-baseline-update", "-k", "check_kl", quiet)
    run = compare(tmp_path, baseline, "base", *arguments, cwd=tmp_path, suite=CHECKOUT / "checks")
    assert run.exit_code == 1
    assert "\nno baseline was written: only part of the collected tests ran\n" in run.output
