"""Asking whether a release is still the same one, as a pytest process."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests import stored
from tests.plugin.gate_run import CHECKOUT, GateRun, run_gate
from tests.plugin.test_baselines import DELTA_CE, LIMITS, RANGES, refusal

LAYER_1 = "blocks.1.hook_resid_pre"
MARGIN = LIMITS["delta_ce"]["equivalence"]


@pytest.fixture(scope="module")
def baseline(tmp_path_factory) -> Path:
    return stored.write_measurement(tmp_path_factory.mktemp("baseline"))


def layer_1_better(layer: int, position: np.ndarray) -> np.ndarray:
    """Layer 1 costs 0.05 nats instead of 0.1, which no conversion does."""
    return stored.flat(layer, position) - 0.05 * (layer == 1)


@pytest.fixture(scope="module")
def better(tmp_path_factory) -> Path:
    return stored.write_measurement(tmp_path_factory.mktemp("better"), delta_ce=layer_1_better)


def compare(tmp_path: Path, folder: Path, baseline: Path, *arguments: str) -> GateRun:
    given = (f"--sae-measurements={folder}", f"--sae-baseline={baseline}", *arguments)
    return run_gate(tmp_path, *given, suite=DELTA_CE)


def test_better_is_not_the_same(tmp_path, baseline, better):
    """A regression it is not; of the same weights it is proof that something is wrong."""
    run = compare(tmp_path, better, baseline)
    assert run.exit_code == 0, run.output
    run = compare(tmp_path, better, baseline, "--sae-equivalence")
    assert run.exit_code == 1
    failed = {case.name for case in run.with_outcome("failed")}
    assert failed == {
        f"check_equivalence[{check}-{LAYER_1}-{positions}]"
        for check in ("delta_ce", "kl")
        for positions in RANGES
    }
    assert not [case for case in run.cases if case.name.startswith("check_regression[")]
    message = run.named(f"check_equivalence[delta_ce-{LAYER_1}-8:15]").message
    assert "equivalence of delta_ce -0.05 < -0.0" in message
    assert f" nats at {LAYER_1}, positions 8 to 15: interval " in message
    told = f"{MARGIN['by']:g} nats + {MARGIN['share']:.0%} of the baseline's 0."
    assert f"limit: no further from the baseline than {told}" in message
    assert "; asked is equivalence" in run.output
    assert "better than the baseline" not in run.output


def test_a_release_is_itself(tmp_path, baseline):
    run = compare(tmp_path, baseline, baseline, "--sae-equivalence")
    assert run.exit_code == 0, run.output
    compared = [case for case in run.cases if case.name.startswith("check_equivalence[")]
    assert compared
    assert {case.properties["value"] for case in compared} == {"0"}
    assert {case.properties["metric"] for case in compared} == {"equivalence"}


def test_rounding_is_no_difference(tmp_path, baseline):
    """Two parts in a million on every token, as another library or a converted file makes them."""
    generator = np.random.default_rng(5)
    tables = {}
    for layer in range(2):
        tables[layer] = stored.sae_table(layer)
        for name, values in tables[layer].columns.items():
            if name != "norm":
                values *= 1 + 2e-6 * generator.standard_normal(values.shape)
    folder = stored.write_measurement(tmp_path, tables=tables)
    run = compare(tmp_path, folder, baseline, "--sae-equivalence")
    assert run.exit_code == 0, run.output
    verdicts = {c.properties["verdict"] for c in run.cases if c.name.startswith("check_equiv")}
    assert verdicts == {"pass"}


def test_one_file_serves_both_questions(tmp_path, baseline, better):
    file = tmp_path / "v1.json"
    compare(tmp_path, baseline, file, "--sae-baseline-update")
    assert compare(tmp_path, better, file).exit_code == 0
    assert compare(tmp_path, better, file, "--sae-equivalence").exit_code == 1


def test_accepted_differences_are_entries_of_their_own(tmp_path, baseline, better):
    """An accepted regression accepts none of them; one of equivalence does."""
    text = (CHECKOUT / "thresholds.toml").read_text(encoding="utf-8")
    entry = '\n[[known_failure]]\ncheck = "{} of {}"\nrelease = "made-up"\nreason = "r"\n'
    for question, outcome in (("regression", "failed"), ("equivalence", "xfailed")):
        limits = tmp_path / "limits.toml"
        accepted = "".join(entry.format(question, check) for check in ("delta_ce", "kl"))
        limits.write_text(text + accepted, encoding="utf-8")
        arguments = ("--sae-equivalence", f"--sae-thresholds={limits}")
        run = compare(tmp_path, better, baseline, *arguments)
        assert len(run.with_outcome(outcome)) == 2 * len(RANGES), run.output
        assert "matches no cell" not in run.output


def test_without_a_baseline_it_is_refused(tmp_path, baseline):
    run = run_gate(tmp_path, f"--sae-measurements={baseline}", "--sae-equivalence", suite=DELTA_CE)
    assert refusal(run) == "--sae-equivalence needs --sae-baseline, which names the baseline"


def test_a_baseline_of_another_floor_is_refused_before_anything_is_judged(tmp_path, baseline):
    """With a larger floor, growth from 1.0 to 1.9 looked like none."""
    file, limits = tmp_path / "v1.json", tmp_path / "limits.toml"
    compare(tmp_path, baseline, file, "--sae-baseline-update")
    text = (CHECKOUT / "thresholds.toml").read_text(encoding="utf-8")
    assert text.count("floor = 0.02 ") == 1
    limits.write_text(text.replace("floor = 0.02 ", "floor = 0.2 "), encoding="utf-8")
    run = compare(tmp_path, baseline, file, f"--sae-thresholds={limits}")
    assert refusal(run) == (
        f"the baseline {file} was judged otherwise than this run, so that figures cannot be "
        "compared: delta_ce_growth was written with floor = 0.02, this run has floor = 0.2; judge "
        "by the same, or make a new one with --sae-baseline-update"
    )


def test_a_baseline_edited_by_hand_is_refused(tmp_path, baseline):
    file = tmp_path / "v1.json"
    compare(tmp_path, baseline, file, "--sae-baseline-update")
    content = json.loads(file.read_text(encoding="utf-8"))
    content["cells"][0][4] = 9.9
    file.write_text(json.dumps(content), encoding="utf-8")
    assert refusal(compare(tmp_path, baseline, file)) == (
        f"the baseline {file} was changed after it was written: its checksum is not that of what "
        "it holds; restore it, or write it anew with --sae-baseline-update"
    )


def test_what_stopped_where_verdicts_were_clear_makes_no_baseline(tmp_path):
    stopped = stored.write_measurement(tmp_path)
    stored.change_sealed(next(stopped.glob("context/texts/*/table.json")), complete=False)
    file = tmp_path / "v1.json"
    arguments = ("--sae-baseline-update", "--sae-baseline-force")
    run = compare(tmp_path, stopped, file, *arguments)
    assert "no baseline was written: the release was measured only until its ver" in run.output
    assert run.exit_code == 1  # and not for lack of evidence alone
    assert not file.exists()


def test_features_that_fell_silent_are_not_the_same(tmp_path):
    """Four of 32 features, though nothing else that is stored has changed."""
    active = np.zeros((40, stored.TRAINING_CONTEXT - 1, 32), dtype=bool)
    active[:, 3] = True
    there = stored.activity_table(1, active)
    active[:, :, :4] = False
    here = stored.activity_table(1, active)
    folders = [
        stored.write_measurement(tmp_path / name, features={1: table})
        for name, table in (("there", there), ("here", here))
    ]
    suite = CHECKOUT / "checks" / "check_features.py"
    arguments = [f"--sae-measurements={folders[1]}", f"--sae-baseline={folders[0]}"]
    run = run_gate(tmp_path, *arguments, "--sae-equivalence", suite=suite)
    assert run.exit_code == 1, run.output
    failed = {case.name: case for case in run.with_outcome("failed")}
    name = f"check_equivalence[silent_features-{LAYER_1}-1:15]"
    assert name in failed
    assert " 0.125 > 0.004 fraction at " in failed[name].message
    assert failed[name].properties["silent_here_alone"] == "4"
    assert failed[name].properties["silence_would_be_noticed_of"] == "32"
    assert f"check_equivalence[alive_features-{LAYER_1}-1:15]" in failed
    assert all(LAYER_1 in each for each in failed)
    run = run_gate(  # beside itself
        tmp_path, arguments[0], f"--sae-baseline={folders[1]}", "--sae-equivalence", suite=suite
    )
    assert run.exit_code == 0, run.output
