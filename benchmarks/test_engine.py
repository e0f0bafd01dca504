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
import resource
import sys
import time
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.shapes import (
    BOS,
    CONTEXT,
    VOCABULARY,
    MeasuredSeconds,
    gpt2_small,
    loaded,
    make_saes,
    peak_gib,
)
from tests.measuring import bind

TEXTS = 2
AGREEMENT = 1e-3
FIGURES = ("l0", "l1", "mse", "explained_variance", "ce_clean", "ce_sae", "ce_zero", "kl")


def some_texts() -> Any:
    from tests.builders import texts_of

    tokens = np.random.default_rng(0).integers(1, VOCABULARY, (TEXTS, CONTEXT))
    # BOS in the middle, and at the last position, where run_evals has a KL divergence but no loss.
    tokens[:, [0, CONTEXT // 2, -1]] = BOS
    return texts_of(tokens)


def with_sae_checks(model: Any, saes: dict[str, Any], texts: Any) -> tuple[float, dict[str, Any]]:
    from sae_checks.evals.context.columns import context_plan
    from sae_checks.evals.context.measuring import measure_texts
    from sae_checks.evals.context.table import POSITION_SUMS
    from sae_checks.load.language_model import LanguageModel
    from tests.measuring import ACTIVATION_COLUMNS

    of_release = loaded(saes)
    losses = {"ce_clean", "ce_sae", "kl", "ce_zero"}
    plan = context_plan(frozenset({*ACTIVATION_COLUMNS, POSITION_SUMS, *losses}))
    language_model = LanguageModel(model, None)
    started = time.perf_counter()
    assert not bind(language_model, of_release)
    tables = measure_texts(language_model, of_release, texts, plan)
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


def main(side: str) -> None:
    model, texts = gpt2_small(), some_texts()
    saes = make_saes(model, torch.from_numpy(texts.tokens[:1, :64]))
    seconds, figures = SIDES[side](model, saes, texts)
    peak = peak_gib()
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu_seconds = used.ru_utime + used.ru_stime  # of the whole process, building included
    print(
        json.dumps(
            {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_gib": peak, "figures": figures}
        )
    )


measured_seconds = MeasuredSeconds()
answers: dict[str, dict[str, Any]] = {}


@pytest.mark.timeout(3600)
@pytest.mark.benchmark(group="12 SAEs on 2,048 tokens", timer=measured_seconds)
@pytest.mark.parametrize("side", SIDES)
def test_twelve_saes(benchmark, side):
    answer = benchmark.pedantic(measured_seconds.side, args=(__file__, side), rounds=1)
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
