"""From SAE files to verdicts: what is measured, what comes from the store, what cannot be."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sae_checks import demo
from tests.plugin.gate_run import GateRun, run_gate, watch_for_tracebacks_of_judging

LAYER_0, LAYER_1, LAYER_2, LAYER_3, LAST = (
    "blocks.0.hook_resid_pre",
    "blocks.1.hook_resid_pre",
    "blocks.2.hook_resid_pre",
    "blocks.3.hook_resid_pre",
    "blocks.3.hook_resid_post",
)
FEW = ("--sae-tokens=4096", "--sae-corpus=tales", "-k", "check_l0 or check_delta_ce")


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def release(tmp_path_factory) -> Path:
    """A copy of the demo's SAEs, as somebody's unreleased folder."""
    folder = tmp_path_factory.mktemp("release") / "mine"
    shutil.copytree(demo.SAES_FOLDER, folder)
    return folder


def weights_of(release: Path, sae: str) -> Path:
    return release / sae / "sae_weights.safetensors"


def gate(tmp_path: Path, release: Path, store: Path, *arguments: str) -> GateRun:
    return run_gate(tmp_path, f"--sae={release}", f"--sae-store={store}", *FEW, *arguments)


def measured(run: GateRun) -> list[str]:
    return [line for line in run.output.splitlines() if line.startswith("sae-checks: measuring")]


def test_a_folder_is_measured_once_and_again_only_where_its_weights_change(
    tmp_path, release, store
):
    first = gate(tmp_path, release, store)
    assert measured(first) == ["sae-checks: measuring 5 SAEs on at most 16 texts"]
    assert first.exit_code in (0, 1, 6)
    assert {case.outcome for case in first.cases} <= {"passed", "failed", "skipped"}

    again = gate(tmp_path, release, store)
    assert measured(again) == []
    assert [c.properties for c in again.cases] == [c.properties for c in first.cases]

    limits = tmp_path / "limits.toml"
    limits.write_text(
        '[checks.l0]\nmin = 0.1\nmax = 0.5\nmargin = 0.1\nunit = "features"\n', encoding="utf-8"
    )
    stricter = gate(tmp_path, release, store, f"--sae-thresholds={limits}", "-k", "check_l0[")
    assert measured(stricter) == []
    assert stricter.exit_code == 1

    # One bit of one weight.
    path = weights_of(release, LAYER_2)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    changed = gate(tmp_path, release, store)
    assert measured(changed) == ["sae-checks: measuring 1 SAE on at most 16 texts"]

    # Other columns than those stored.
    wider = gate(tmp_path, release, store, "-k", "explained", f"--sae-ids={LAYER_0}")
    assert measured(wider) == ["sae-checks: measuring 1 SAE on at most 16 texts"]


def test_each_damaged_sae_errors_with_its_reason_and_the_others_are_judged(tmp_path):
    release = tmp_path / "mine"
    shutil.copytree(demo.SAES_FOLDER, release)
    path = weights_of(release, LAYER_0)
    path.write_bytes(path.read_bytes()[:-1000])
    path = weights_of(release, LAYER_1)
    weights = load_file(path)
    weights["W_enc"][3, 5] = torch.nan
    save_file(weights, path)
    change_config(release / LAYER_2, hook_name="blocks.7.hook_resid_pre")
    shrink(release / LAYER_3)

    run = gate(tmp_path, release, tmp_path / "store")
    assert run.exit_code == 1
    messages = {case.properties["sae"]: case.message for case in run.with_outcome("error")}
    assert messages.keys() == {LAYER_0, LAYER_1, LAYER_2, LAYER_3}
    assert f"SAE '{LAYER_0}' cannot be loaded from {release / LAYER_0}: " in messages[LAYER_0]
    assert (
        f"SAE '{LAYER_1}' has weights that are not finite: 1 of 98,304 values of W_enc are NaN or "
        "infinite; a gate cannot judge it" in messages[LAYER_1]
    )
    assert (
        f"SAE '{LAYER_2}': hook point 'blocks.7.hook_resid_pre' is beyond the model's 4 layers; "
        "supported are blocks.0 to blocks.3" in messages[LAYER_2]
    )
    assert (
        f"SAE '{LAYER_3}' takes activations of width 64, but '{LAYER_3}' of the model is 128 wide; "
        "is it the right model (--sae-model)?" in messages[LAYER_3]
    )
    judged = [case for case in run.cases if case.properties["sae"] == LAST]
    assert judged
    assert {case.outcome for case in judged} <= {"passed", "skipped"}
    assert not any(case.properties["verdict"] == "error" for case in judged)
    assert "Traceback" not in run.output


def test_an_infinite_decoder_weight_costs_each_of_its_tests_a_sentence(tmp_path):
    """0.3.0 formatted the frames of the judging, tables and all, to show each sentence."""
    release = tmp_path / "mine"
    shutil.copytree(demo.SAES_FOLDER, release)
    path = weights_of(release, LAYER_1)
    weights = load_file(path)
    weights["W_dec"][3, 5] = torch.inf
    save_file(weights, path)

    watch_for_tracebacks_of_judging(tmp_path)
    run = run_gate(
        tmp_path, f"--sae={release}", f"--sae-store={tmp_path / 'store'}", *FEW, "-p", "watched",
        pythonpath=tmp_path,
    )  # fmt: skip
    assert run.exit_code == 1
    sentence = (
        f"SAE '{LAYER_1}' has weights that are not finite: 1 of 98,304 values of W_dec are NaN or "
        "infinite; a gate cannot judge it"
    )
    errors = run.with_outcome("error")
    assert {case.message for case in errors} == {f'failed on setup with "{sentence}"\n{sentence}'}
    of_it = [case for case in run.cases if case.properties["sae"] == LAYER_1]
    assert [case for case in errors if case.properties["sae"]] == of_it
    assert len(of_it) > 20
    assert not any(line in run.output for line in ("Traceback", "INTERNALERROR"))


def change_config(folder: Path, **metadata: str) -> None:
    config = json.loads((folder / "cfg.json").read_text(encoding="utf-8"))
    config["metadata"] |= metadata
    (folder / "cfg.json").write_text(json.dumps(config), encoding="utf-8")


def shrink(folder: Path) -> None:
    """Make an SAE for activations of half the width."""
    config = json.loads((folder / "cfg.json").read_text(encoding="utf-8"))
    config["d_in"] //= 2
    (folder / "cfg.json").write_text(json.dumps(config), encoding="utf-8")
    weights = load_file(folder / "sae_weights.safetensors")
    half = config["d_in"]
    weights["W_enc"] = weights["W_enc"][:half].contiguous()
    weights["W_dec"] = weights["W_dec"][:, :half].contiguous()
    weights["b_dec"] = weights["b_dec"][:half].contiguous()
    save_file(weights, folder / "sae_weights.safetensors")


def test_a_device_that_is_absent_is_one_sentence(tmp_path):
    run = run_gate(tmp_path, f"--sae-store={tmp_path}", "--sae-device=cuda:99", *FEW)
    assert run.exit_code == 4
    assert "--sae-device 'cuda:99' is not available on this machine; it has cpu" in run.output
    assert "Traceback" not in run.output


def test_a_corpus_too_short_for_one_text_is_one_sentence(tmp_path):
    corpus = tmp_path / "short.txt"
    corpus.write_text("mary went to the garden .", encoding="utf-8")
    run = run_gate(tmp_path, f"--sae-store={tmp_path}", *FEW, f"--sae-corpus={corpus}")
    assert run.exit_code == 4
    assert (
        f"corpus '{corpus}' is too short for one text of 256 tokens; use a longer corpus or "
        "a smaller --sae-context" in run.output
    )
    assert "Traceback" not in run.output
