"""A second corpus through the whole gate: asked for, judged, compared, measured."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from sae_checks.demo import MODEL_FOLDER, SAES_FOLDER
from sae_checks.demo.small_talk import small_talk
from sae_checks.demo.stories import stories
from sae_checks.load.model import load_model
from sae_checks.records import ModelLoading
from sae_checks.records.table import SHIFT
from tests import stored
from tests.plugin.gate_run import GateRun, run_gate

SUITE = ("checks/check_shift.py", "checks/check_delta_ce.py")
LAYER_0, LAYER_1 = (f"blocks.{layer}.hook_resid_pre" for layer in range(2))
HOOK = "blocks.2.hook_resid_pre"


def harmful(layer: int, position: np.ndarray) -> np.ndarray:
    """On the second corpus, layer 1 costs 0.3 nats more than on the first."""
    return stored.flat(layer, position) + 0.3 * (layer == 1)


def second(delta_ce: stored.DeltaCe = stored.flat) -> dict[int, stored.ContextTable]:
    return {layer: stored.sae_table(layer, delta_ce, texts=10) for layer in range(2)}


@pytest.fixture(scope="module")
def alike(tmp_path_factory) -> Path:
    return stored.write_measurement(tmp_path_factory.mktemp("alike"), second=second())


@pytest.fixture(scope="module")
def worse(tmp_path_factory) -> Path:
    return stored.write_measurement(tmp_path_factory.mktemp("worse"), second=second(harmful))


@pytest.fixture(scope="module")
def without(tmp_path_factory) -> Path:
    return stored.write_measurement(tmp_path_factory.mktemp("without"))


def judge(tmp_path: Path, folder: Path, *arguments: str) -> GateRun:
    given = (f"--sae-measurements={folder}", *arguments)
    return run_gate(tmp_path, "checks/check_delta_ce.py", *given, suite=SUITE[0])


def of_shift(run: GateRun) -> dict[str, str]:
    """Outcomes of the checks of a second corpus, by their tests' names."""
    return {case.name: case.outcome for case in run.cases if "shift" in case.name}


def test_without_a_second_corpus_there_are_no_such_tests(tmp_path, without):
    run = judge(tmp_path, without)
    assert run.exit_code == 0, run.output
    assert run.cases
    assert of_shift(run) == {}
    assert "second corpus" not in run.output


def test_each_sae_is_one_test_per_check(tmp_path, alike):
    run = judge(tmp_path, alike)
    assert run.exit_code == 0, run.output
    checks = ("delta_ce", "explained_variance", "l0", "ce_clean")
    assert of_shift(run) == {
        f"check_shift_{name}[{sae}-1:15-other.jsonl]": "passed"
        for name in checks
        for sae in (LAYER_0, LAYER_1)
    }
    case = run.named(f"check_shift_delta_ce[{LAYER_0}-1:15-other.jsonl]")
    assert case.properties["shift"] == "other.jsonl"
    assert case.properties["first_texts"] == "12"
    assert case.properties["second_texts"] == "10"


def test_what_is_worse_there_fails_and_says_where(tmp_path, worse):
    run = judge(tmp_path, worse)
    assert run.exit_code == 1
    failed = [name for name, outcome in of_shift(run).items() if outcome == "failed"]
    assert failed == [f"check_shift_delta_ce[{LAYER_1}-1:15-other.jsonl]"]
    message = run.named(failed[0]).message
    assert message.startswith("shift_delta_ce 0.3")
    told = f" > 0.15 nats at {LAYER_1}, positions 1 to 15 on shift other.jsonl: margin 0.05"
    assert told in message
    assert "10 texts, 150 tokens" in message
    assert "also: first_corpus = 0.1" in message
    assert "  document 0 of other.jsonl\n" in message


def test_a_baseline_with_the_same_second_corpus_is_compared(tmp_path, alike, worse):
    same = judge(tmp_path, alike, f"--sae-baseline={alike}")
    assert same.exit_code == 0, same.output
    name = f"check_regression[shift_delta_ce-{LAYER_1}-1:15-other.jsonl]"
    run = run_gate(
        tmp_path, f"--sae-measurements={worse}", f"--sae-baseline={alike}", suite=SUITE[0]
    )
    case = run.named(name)
    assert case.outcome == "failed"
    assert "0.3" in case.properties["value"]


def test_a_baseline_with_a_second_corpus_does_not_pass_silently_without_one(
    tmp_path, alike, without
):
    run = judge(tmp_path, without, f"--sae-baseline={alike}")
    assert run.exit_code == 1
    missing = [case for case in run.cases if "missing" in case.name]
    assert [case.outcome for case in missing] == ["failed", "failed"]
    assert "the candidate has no such cell, so that nothing can be compared" in missing[0].message


def test_a_second_corpus_that_the_baseline_lacks_is_no_match(tmp_path, alike, without):
    run = judge(tmp_path, alike, f"--sae-baseline={without}")
    assert run.exit_code == 1
    failed = {case.name for case in run.with_outcome("failed")}
    assert failed == {
        f"check_regression[shift_delta_ce-{sae}-1:15-other.jsonl]" for sae in (LAYER_0, LAYER_1)
    }


def test_a_second_corpus_of_other_texts_is_refused(tmp_path, alike):
    other = stored.write_measurement(tmp_path, second=second())
    manifest = other / "manifest.json"
    content = stored.read_sealed(manifest)
    for entry in content["datasets"]:
        if entry["ref"]["name"] == SHIFT:
            entry["description"]["fingerprint"] = "of others"
    stored.change_sealed(manifest, datasets=content["datasets"])
    run = judge(tmp_path, other, f"--sae-baseline={alike}")
    assert run.exit_code == 4
    assert "shift.fingerprint is 'of others', not 'made up too'" in run.output


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "tales",
            "--sae-shift 'tales' is the run's own corpus, from which nothing is shifted; name "
            "another one",
        ),
        ("nowhere.jsonl", "--sae-shift 'nowhere.jsonl': there is no such file"),
    ],
)
def test_what_cannot_be_a_second_corpus_is_refused(tmp_path, name, told):
    run = run_gate(tmp_path, f"--sae-shift={name}", suite=SUITE[0])
    assert run.exit_code == 4
    assert f"ERROR: {told}" in run.output


# --- Measured -------------------------------------------------------------------------------------


def activations(texts: list[str]) -> torch.Tensor:
    """(N, d) at positions 1 to 63 of some texts of the demo."""
    model = load_model(ModelLoading(str(MODEL_FOLDER)))
    model.bind(HOOK)
    tokens = [model.tokenizer(f"<bos> {text}")["input_ids"][:64] for text in texts]
    x = model.clean(torch.tensor(tokens), [HOOK]).taps[HOOK]
    return x[:, 1:].flatten(0, 1)


@pytest.fixture(scope="module")
def narrow(tmp_path_factory) -> Path:
    """The demo's SAE of layer 2 without the features that small talk uses more often."""
    folder = tmp_path_factory.mktemp("saes") / "narrow"
    shutil.copytree(SAES_FOLDER / HOOK, folder)
    weights = load_file(folder / "sae_weights.safetensors")

    def frequency(corpus) -> torch.Tensor:
        generator = corpus(5)
        x = activations([next(generator).text for _ in range(20)])
        before = (x - weights["b_dec"]) @ weights["W_enc"] + weights["b_enc"]
        return (before > 0).float().mean(0)

    at_home, abroad = frequency(stories), frequency(small_talk)
    weights["b_enc"][abroad > 1.5 * at_home] = -1e6
    save_file(weights, folder / "sae_weights.safetensors")
    return folder


def test_an_sae_that_lacks_what_the_second_corpus_is_made_of_fails_there(tmp_path, narrow):
    given = ["--sae-tokens=20000", f"--sae-store={tmp_path / 'store'}", f"--sae={narrow}"]
    run = run_gate(tmp_path, *given, "--sae-shift=small_talk", suite=SUITE[0])
    assert "second corpus small_talk: as many texts of it, all of them measured" in run.output
    failed = {name.split("[")[0] for name, outcome in of_shift(run).items() if outcome == "failed"}
    assert "check_shift_delta_ce" in failed
    assert len(list(tmp_path.glob("store/measurements/*/context/*"))) == 2
    # Another corpus is another data set: it is measured anew, and the texts are not.
    lines = [f'{{"text": "{next(small_talk(9)).text}"}}' for _ in range(3)]
    (tmp_path / "other.jsonl").write_text("\n".join(lines), encoding="utf-8")
    again = run_gate(
        tmp_path, *given, f"--sae-shift={tmp_path / 'other.jsonl'}", "--sae-packing=documents",
        "-k", "ce_clean", suite=SUITE[0],
    )  # fmt: skip
    assert again.exit_code == 0, again.output
    assert len(list(tmp_path.glob("store/measurements/*/context/*"))) == 3
    (reported,) = again.cases
    assert reported.properties["second_texts"] == "3"
