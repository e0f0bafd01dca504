"""`pytest checks/ --sae mwhanna-qwen3-0.6b-transcoders-lowl0`, from the name to verdicts.

The release's own layout and files, with small random weights in them, for a small random Qwen3.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

from tests.hub.contents import END_OF_TEXT, write_tokenizer
from tests.hub.machine import Machine
from tests.hub.server import HubServer
from tests.plugin.gate_run import GateRun

RELEASE, REPO = "mwhanna-qwen3-0.6b-transcoders-lowl0", "mwhanna/qwen3-0.6b-transcoders-lowl0"
QWEN3 = "Qwen/Qwen3-0.6B"
D_MODEL, D_SAE, LAYERS, CONTEXT = 32, 64, 3, 128
BUDGET = ("--sae-context=96", "--sae-tokens=1536", "--sae-corpus=tales", "--sae-task=none")
CHECKS = "check_l0 or check_mse or check_delta_ce or check_norm_growth or check_ce_recovered"


def build(root: Path) -> None:
    """The model and three of its transcoders, as their repos hold them."""
    _build_model(root / "models" / QWEN3)
    folder = root / "models" / REPO
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(f"model_name: {QWEN3}\n", encoding="utf-8")
    sizes = {"d_model": D_MODEL, "d_feature": D_SAE, "batch_size": 64}
    lines = [f"{name}:\n  value: {value}\n" for name, value in sizes.items()]
    (folder / "wandb-config.yaml").write_text("".join(lines), encoding="utf-8")
    for layer in range(LAYERS):
        generator = torch.Generator().manual_seed(layer)
        save_file(
            {
                "W_enc": torch.randn(D_SAE, D_MODEL, generator=generator),  # theirs is this way up
                "W_dec": torch.randn(D_SAE, D_MODEL, generator=generator) / 10,
                "b_enc": torch.full((D_SAE,), -1.0),
                "b_dec": torch.randn(D_MODEL, generator=generator),
            },
            folder / f"layer_{layer}.safetensors",
        )


def _build_model(folder: Path) -> None:
    from transformers import Qwen3Config, Qwen3ForCausalLM

    vocabulary = write_tokenizer(folder)
    config = Qwen3Config(
        hidden_size=D_MODEL,
        intermediate_size=48,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=CONTEXT,
        vocab_size=len(vocabulary),
        bos_token_id=vocabulary[END_OF_TEXT],
        eos_token_id=vocabulary[END_OF_TEXT],
        pad_token_id=None,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Qwen3ForCausalLM(config)
        for parameter in model.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
    model.save_pretrained(folder)


@dataclass(frozen=True)
class Online:
    root: Path
    machine: Machine
    run: GateRun


@pytest.fixture(scope="module")
def online(tmp_path_factory: pytest.TempPathFactory) -> Online:
    root = tmp_path_factory.mktemp("hub")
    build(root)
    machine = Machine(tmp_path_factory.mktemp("machine"))
    with HubServer(root) as hub:
        run = machine.run(
            hub.url, f"--sae={RELEASE}", "--sae-ids=layer_0,layer_2",
            "--sae-training-context=64", *BUDGET, "-k", CHECKS,
        )  # fmt: skip
    return Online(root, machine, run)


def test_every_transcoder_is_judged(online: Online):
    run = online.run
    assert run.exit_code in (0, 1), run.output  # random weights of a random model
    assert not run.with_outcome("error"), run.output
    assert {case.properties["sae"] for case in run.cases} == {"layer_0", "layer_2"}
    hooks = {case.properties["hook"] for case in run.cases}
    assert hooks == {"blocks.0.mlp.hook_in", "blocks.2.mlp.hook_in"}


def test_what_is_written_is_recorded(online: Online):
    (path,) = (online.machine.store / "measurements").glob(f"{RELEASE}-*/manifest.json")
    manifest = json.loads(path.read_text(encoding="utf-8"))
    refs = {each["ref"]["sae_id"]: each["ref"] for each in manifest["saes"]}
    assert {ref["hook_point_out"] for ref in refs.values()} == {
        "blocks.0.hook_mlp_out",
        "blocks.2.hook_mlp_out",
    }
    assert {ref["width_out"] for ref in refs.values()} == {D_MODEL}


def test_tables_tell_what_is_read_and_what_is_written(online: Online):
    (folder,) = (online.machine.store / "measurements").glob(f"{RELEASE}-*/context/texts/layer_2-*")
    rows = pq.read_table(folder / "tokens.parquet", partitioning=None)
    figures = {name: rows[name].to_numpy() for name in ("norm", "input_norm", "mse", "ce_sae")}
    assert all(np.isfinite(each).any() for each in figures.values())
    assert not np.allclose(figures["norm"], figures["input_norm"], rtol=0.1)
