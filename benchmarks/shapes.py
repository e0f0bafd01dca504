"""What the benchmarks share: a model and SAEs of a common size, and a process for each side."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent
LAYERS, WIDTH, HEADS, VOCABULARY, CONTEXT = 12, 768, 12, 50257, 1024
FEATURES, ACTIVE = 24_576, 50
BOS = 0


def gpt2_small() -> Any:
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    return GPT2LMHeadModel(
        GPT2Config(
            n_layer=LAYERS,
            n_embd=WIDTH,
            n_head=HEADS,
            vocab_size=VOCABULARY,
            n_positions=CONTEXT,
            initializer_range=0.05,  # so that the layers matter to the prediction
        )
    ).eval()


def make_saes(model: Any, sample: Tensor) -> dict[str, Any]:
    """SAEs by hook point, each with as many active features per token as a trained one.

    Args:
        model: of gpt2_small.
        sample: (1, T) tokens, BOS first.
    """
    from sae_lens import StandardSAE, StandardSAEConfig
    from sae_lens.saes.sae import SAEMetadata

    with torch.inference_mode():
        streams = model(sample, output_hidden_states=True).hidden_states
    saes = {}
    for layer in range(LAYERS):
        hook_point = f"blocks.{layer}.hook_resid_pre"
        metadata = SAEMetadata(hook_name=hook_point, model_name="gpt2-small")
        sae = StandardSAE(StandardSAEConfig(d_in=WIDTH, d_sae=FEATURES, metadata=metadata))
        torch.manual_seed(layer + 1)
        decoder = torch.nn.functional.normalize(torch.randn(FEATURES, WIDTH), dim=-1)
        sae.W_dec.data, sae.W_enc.data = decoder, decoder.T.contiguous()
        pre = streams[layer][0, 1:] @ sae.W_enc.data  # (T - 1, d_sae)
        sae.b_enc.data[:] = -pre.flatten().kthvalue(pre.numel() - ACTIVE * len(pre)).values
        saes[hook_point] = sae.eval().requires_grad_(False)
    return saes


def loaded(saes: dict[str, Any]) -> list[Any]:
    """The SAEs as sae_checks has them."""
    from sae_checks.load.sae import LoadedSae
    from tests.builders import sae_ref

    return [LoadedSae(sae_ref(name, WIDTH, d_sae=FEATURES), sae) for name, sae in saes.items()]


def peak_gib() -> float:
    """Of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # where KiB are counted


def run_side(*command: str) -> dict[str, Any]:
    """What a script of one side says in its last line, from a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


class MeasuredSeconds:
    """The clock given to pytest-benchmark: runs only while a side is measuring."""

    def __init__(self) -> None:
        self.total = 0.0

    def __call__(self) -> float:
        return self.total

    def side(self, *command: str) -> dict[str, Any]:
        answer = run_side(*command)
        self.total += answer["seconds"]
        return answer
