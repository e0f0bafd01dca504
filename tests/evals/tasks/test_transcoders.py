"""Transcoders on tasks, and single features of them taken out: against a plain loop of hooks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from sae_checks.evals.tasks.ablation import choose
from sae_checks.load.tasks.items import Item
from sae_checks.records import FEATURE_WINDOW
from tests.builders import (
    BOS,
    D_MODEL,
    shared_language_model,
    transcoder,
)
from tests.evals.tasks.test_item_engine import measured, random_items
from tests.measuring import ablated

ARCHITECTURES = ("transcoder", "jumprelu_skip_transcoder")
READS, WRITES = "blocks.1.mlp.hook_in", "blocks.1.hook_mlp_out"


class Plain:
    """One item at a time through a model whose MLP answers with what a transcoder makes."""

    def __init__(self, gpt2: Any, sae: Any) -> None:
        self.gpt2, self.sae = gpt2, sae

    @torch.no_grad()
    def __call__(self, item: Item, without: int | None = None) -> dict[str, float]:
        tokens = torch.tensor([[*item.prompt, *item.answer[:-1]]])
        keep, seen = (tokens == BOS).unsqueeze(-1), {}

        def put(_: Any, args: Any, output: Any) -> Any:
            sae, x = self.sae, args[0]
            before = x @ sae.W_enc + sae.b_enc
            features = before.relu() * (before > getattr(sae, "threshold", 0.0))
            seen.update(features=features[0].clone(), written=output[0])
            if without is not None:
                features[..., without] = 0
            made = features @ sae.W_dec + sae.b_dec
            made += x @ sae.W_skip.T if hasattr(sae, "W_skip") else 0.0
            seen.update(made=made[0])
            return torch.where(keep, output, made)

        clean = self.gpt2(tokens).logits[0].log_softmax(-1)
        handle = self.gpt2.transformer.h[1].mlp.register_forward_hook(put)
        spliced = self.gpt2(tokens).logits[0].log_softmax(-1)
        handle.remove()
        counted = [p for p in range(1, len(item.prompt)) if item.prompt[p] != BOS]
        features, written = seen["features"], seen["written"][counted]
        self.strength = features[counted[-FEATURE_WINDOW:]].mean(0)
        last = len(item.prompt) - 1
        figures = {
            "clean_ln_p": sum(clean[last + k, token] for k, token in enumerate(item.answer)),
            "sae_ln_p": sum(spliced[last + k, token] for k, token in enumerate(item.answer)),
            "prompt_l0": (features[counted] != 0).sum(-1).double().mean(),
            "prompt_l1": features[counted].sum(-1).mean(),
            "prompt_mse": (written - seen["made"][counted]).square().sum(-1).mean(),
            "prompt_norm": written.norm(dim=-1).mean(),
        }
        return {name: float(value) for name, value in figures.items()}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_figures_of_items_and_features(architecture: str):
    model, items = shared_language_model(), random_items(answers=2)
    loaded = transcoder(architecture, READS, WRITES)
    table = measured(model, [loaded], items)[READS]
    plain, strengths = Plain(model.hf, loaded.sae), []
    for row, item in enumerate(items.items):
        expected = plain(item)
        strengths.append(plain.strength.numpy())
        got = {name: table.columns[name][row] for name in expected}
        assert got == pytest.approx(expected, abs=1e-5, rel=1e-4), item
    assert table.features is not None
    active = np.stack(strengths) > 0  # (items, d_sae)
    np.testing.assert_array_equal(table.features.feature, np.flatnonzero(active.any(axis=0)))
    np.testing.assert_array_equal(table.features.items, active.sum(axis=0)[active.any(axis=0)])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_features_taken_out(architecture: str):
    model, items = shared_language_model(), random_items(answers=2)
    loaded = transcoder(architecture, READS, WRITES)
    chosen = choose(measured(model, [loaded], items)[READS], 2)
    found = ablated(model, [loaded], items, FEATURE_WINDOW, {READS: chosen})[READS]
    effects = dict(zip(zip(found.feature, found.item, strict=True), found.delta_ln_p, strict=True))
    plain = Plain(model.hf, loaded.sae)
    for feature in chosen.features:
        for row, item in enumerate(items.items[:20]):
            whole = plain(item)["sae_ln_p"]
            active = bool(plain.strength[feature] > 0)
            assert ((feature, row) in effects) == active
            if active:
                without = plain(item, feature)["sae_ln_p"]
                assert effects[feature, row] == pytest.approx(without - whole, abs=2e-5)


def test_one_that_writes_wider_than_it_reads():
    model, items = shared_language_model(), random_items()
    loaded = transcoder("skip_transcoder", READS, "blocks.1.mlp.hook_pre", 4 * D_MODEL)
    table = measured(model, [loaded], items)[READS]
    chosen = {READS: choose(table, 1)}
    found = ablated(model, [loaded], items, FEATURE_WINDOW, chosen)[READS]
    assert len(found.feature) > 0
    assert np.isfinite(found.delta_ln_p).all()
