"""What measuring a release costs: `sae_checks.measure` against `sae_lens.evals.run_evals`.

    pytest benchmarks/test_engine.py -s

Twelve SAEs of 24,576 features, one at the input of each block of a model of gpt2-small's shape, on
two texts of 1024 tokens; weights are random, and each encoder's bias lets some 50 features through
per token. Both sides see the same weights and tokens, and must agree to 1e-3. Each runs in a
process of its own, so that its peak memory is its own; only the measuring is timed, not the
building of models. The run_evals side takes five minutes and more on two cores. Time is printed
and never asserted.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent
LAYERS, WIDTH, HEADS, VOCABULARY, CONTEXT = 12, 768, 12, 50257, 1024
FEATURES, ACTIVE = 24_576, 50
TEXTS = 2
AGREEMENT = 1e-3
FIGURES = ("l0", "l1", "mse", "explained_variance", "ce_clean", "ce_sae", "ce_zero", "kl")


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


def some_texts() -> Any:
    from tests.builders import texts_of

    tokens = np.random.default_rng(0).integers(1, VOCABULARY, (TEXTS, CONTEXT))
    # BOS in the middle, and at the last position, where run_evals has a KL divergence but no loss.
    tokens[:, [0, CONTEXT // 2, -1]] = 0
    return texts_of(tokens)


def make_saes(model: Any, texts: Any) -> dict[str, Any]:
    """SAEs by hook point, each with as many active features per token as a trained one."""
    from sae_lens import StandardSAE, StandardSAEConfig
    from sae_lens.saes.sae import SAEMetadata

    sample = torch.from_numpy(texts.tokens[:1, :64])
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
        pre = streams[layer][0, 1:] @ sae.W_enc.data  # (63, d_sae)
        sae.b_enc.data[:] = -pre.flatten().kthvalue(pre.numel() - ACTIVE * len(pre)).values
        saes[hook_point] = sae.eval().requires_grad_(False)
    return saes


def with_sae_checks(model: Any, saes: dict[str, Any], texts: Any) -> tuple[float, dict[str, Any]]:
    from sae_checks.load.language_model import LanguageModel
    from sae_checks.load.sae import LoadedSae
    from sae_checks.measure.engine import bind_saes, measure
    from sae_checks.measure.plan import ACTIVATION_COLUMNS, POSITION_SUMS, Plan
    from tests.builders import sae_ref

    loaded = [LoadedSae(sae_ref(name, WIDTH, d_sae=FEATURES), sae) for name, sae in saes.items()]
    losses = {"ce_clean", "ce_sae", "kl", "ce_zero"}
    plan = Plan.of(frozenset({*ACTIVATION_COLUMNS, POSITION_SUMS, *losses}))
    language_model = LanguageModel(model, None)
    started = time.perf_counter()
    assert not bind_saes(language_model, loaded)
    tables = measure(language_model, loaded, texts, plan)
    seconds = time.perf_counter() - started
    return seconds, {name: figures_of(table) for name, table in tables.items()}


def figures_of(table: Any) -> dict[str, float]:
    means = {name: float(np.nanmean(column)) for name, column in table.columns.items()}
    sums = table.position_sums
    tokens = sums.ordinary_counts.sum() + sums.massive_counts.sum()
    shift = (sums.ordinary_sums + sums.massive_sums).sum(0) / tokens
    variance = means["squared_distance"] - shift @ shift
    return means | {"explained_variance": 1 - means["mse"] / variance}


def with_run_evals(model: Any, saes: dict[str, Any], texts: Any) -> tuple[float, dict[str, Any]]:
    from tests.builders import hooked_transformer, run_evals

    names = {
        "ce_clean": "ce_loss_without_sae",
        "ce_sae": "ce_loss_with_sae",
        "ce_zero": "ce_loss_with_ablation",
        "kl": "kl_div_with_sae",
    }
    hooked = hooked_transformer(model)
    del model
    started = time.perf_counter()
    found = {name: run_evals(sae, hooked, texts) for name, sae in saes.items()}
    seconds = time.perf_counter() - started
    return seconds, {
        hook_point: {name: values[names.get(name, name)] for name in FIGURES}
        for hook_point, values in found.items()
    }


SIDES = {"sae_checks": with_sae_checks, "run_evals": with_run_evals}


def run_side(side: str) -> dict[str, Any]:
    """Time, peak memory and figures of one side, from a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, __file__, side]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def main(side: str) -> None:
    model, texts = gpt2_small(), some_texts()
    seconds, figures = SIDES[side](model, make_saes(model, texts), texts)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # GiB where KiB are counted
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu_seconds = used.ru_utime + used.ru_stime  # of the whole process, building included
    print(
        json.dumps(
            {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_gib": peak, "figures": figures}
        )
    )


class MeasuredSeconds:
    """The clock given to pytest-benchmark: runs only while a side is measuring."""

    def __init__(self) -> None:
        self.total = 0.0

    def __call__(self) -> float:
        return self.total

    def side(self, name: str) -> dict[str, Any]:
        answer = run_side(name)
        self.total += answer["seconds"]
        return answer


measured_seconds = MeasuredSeconds()
answers: dict[str, dict[str, Any]] = {}


@pytest.mark.timeout(3600)
@pytest.mark.benchmark(group="12 SAEs on 2,048 tokens", timer=measured_seconds)
@pytest.mark.parametrize("side", SIDES)
def test_twelve_saes(benchmark, side):
    answer = benchmark.pedantic(measured_seconds.side, args=(side,), rounds=1)
    benchmark.extra_info["peak_gib"] = round(answer["peak_gib"], 2)
    answers[side] = answer
    print(f"\n{side}: {answer['seconds']:.1f} s, peak memory {answer['peak_gib']:.2f} GiB")


def test_the_two_sides_agree():
    if len(answers) < len(SIDES):
        pytest.skip("needs both sides of test_twelve_saes")
    ours, theirs = answers["sae_checks"], answers["run_evals"]
    print(f"\nratio: {theirs['seconds'] / ours['seconds']:.1f}")
    for hook_point, expected in theirs["figures"].items():
        figures = {name: ours["figures"][hook_point][name] for name in FIGURES}
        assert figures == pytest.approx(expected, rel=AGREEMENT), hook_point


if __name__ == "__main__":
    main(sys.argv[1])
