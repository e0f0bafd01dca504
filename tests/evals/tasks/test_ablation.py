"""Single features taken out of the spliced model, against a plain loop that does the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from sae_checks.evals.tasks.ablation import Chosen, choose, watch, without_features
from sae_checks.evals.tasks.table import TaskTable
from sae_checks.load.sae import LoadedSae
from sae_checks.load.tasks.items import Item
from sae_checks.measure.items import make_batch
from sae_checks.measure.pass_options import PassOptions
from sae_checks.records import FEATURE_WINDOW
from tests.builders import (
    BOS,
    loaded_sae,
    shared_language_model,
)
from tests.evals.tasks.test_item_engine import HOOK_POINT, measured, random_items
from tests.measuring import ablated, bind

# Architectures and settings whose encoder or decoder does more than a product of matrices.
SAES: dict[str, dict[str, Any]] = {
    "standard": {},
    "topk": {},
    "abstopk": {},
    "jumprelu": {"normalize_activations": "constant_norm_rescale"},
    "gated": {"normalize_activations": "layer_norm"},
    "temporal": {},
}


def make_sae(architecture: str) -> LoadedSae:
    return loaded_sae(HOOK_POINT, architecture, **SAES[architecture])


@torch.no_grad()
def plain_ln_p(model: Any, sae: LoadedSae, item: Item, feature: int | None) -> tuple[float, bool]:
    """Ln p of an item's answer with a feature out, and whether it is active in the window."""
    tokens = torch.tensor([[*item.prompt, *item.answer[:-1]]])
    counted = [p for p in range(1, len(item.prompt)) if item.prompt[p] != BOS][-FEATURE_WINDOW:]
    seen: list[bool] = []

    def put(_: Any, args: Any, kwargs: Any) -> Any:
        x = args[0]
        features = sae.encode(x)
        rebuilt = sae.sae(x) if sae.sequence_aware else sae.decode(features)
        if feature is not None:
            seen.append(bool((features[0, counted, feature] != 0).any()))
            sae.encode(x)  # decoding uses up what encoding scaled by
            whole = sae.decode(features)
            sae.encode(x)
            less = features.clone()
            less[..., feature] = 0
            rebuilt = rebuilt - (whole - sae.decode(less))
        keep = tokens == BOS
        return (torch.where(keep[..., None], x, rebuilt), *args[1:]), kwargs

    block = model.hf.transformer.h[1]
    handle = block.register_forward_pre_hook(put, with_kwargs=True)
    log_p = model.hf(tokens).logits[0].log_softmax(-1)
    handle.remove()
    first = len(item.prompt) - 1
    own = [log_p[first + k, token] for k, token in enumerate(item.answer)]
    return float(sum(own)), seen == [True]


@pytest.mark.parametrize("architecture", SAES)
def test_equals_a_plain_loop(architecture: str):
    model, sae, items = shared_language_model(), make_sae(architecture), random_items(answers=2)
    table = measured(model, [sae], items)[HOOK_POINT]
    chosen = choose(table, 2)
    found = ablated(model, [sae], items, FEATURE_WINDOW, {HOOK_POINT: chosen})[HOOK_POINT]
    rows = {
        (int(f), int(i)): d
        for f, i, d in zip(found.feature, found.item, found.delta_ln_p, strict=True)
    }
    for row, item in enumerate(items.items[:15]):
        whole, _ = plain_ln_p(model, sae, item, None)
        for feature in chosen.features:
            without, active = plain_ln_p(model, sae, item, feature)
            assert ((feature, row) in rows) == active
            if active:
                assert rows[feature, row] == pytest.approx(without - whole, abs=2e-5)


@pytest.mark.parametrize("architecture", SAES)
def test_a_feature_that_is_never_active_changes_nothing_exactly(architecture: str):
    model, sae, items = shared_language_model(), make_sae(architecture), random_items()
    assert not bind(model, [sae])
    batch = make_batch(items, np.arange(20), 0, FEATURE_WINDOW, model.device)
    clean = model.clean(batch.tokens, [HOOK_POINT])
    x = clean.taps[HOOK_POINT]
    # Among all features of an item, some are active nowhere in it.
    features = tuple(range(64))
    watched = watch(sae, x, batch, features)
    silent = (watched.activations == 0).all(dim=1)  # (B, k)
    item, which = silent.nonzero().unbind(-1)
    assert len(item) > 0
    replacement = without_features(sae, x, watched, item, which, features)
    assert torch.equal(replacement, watched.replacement[item])
    # Where a feature is active on some tokens, the others stay as they are, to the bit.
    item, which = (~silent).nonzero()[:50].unbind(-1)
    replacement = without_features(sae, x, watched, item, which, features)
    untouched = watched.activations[item, :, which] == 0
    assert torch.equal(replacement[untouched], watched.replacement[item][untouched])
    assert not torch.equal(replacement, watched.replacement[item])


def test_tokens_that_keep_their_activation_keep_it_without_a_feature():
    """Even where all tokens are encoded, special ones too, as the later ones depend on them."""
    model, sae, items = shared_language_model(), make_sae("temporal"), random_items()
    assert not bind(model, [sae])
    batch = make_batch(items, np.arange(20), 0, FEATURE_WINDOW, model.device)
    x = model.clean(batch.tokens, [HOOK_POINT]).taps[HOOK_POINT]
    features = tuple(range(64))
    watched = watch(sae, x, batch, features)
    item, which = (watched.activations != 0).any(dim=1).nonzero().unbind(-1)
    replacement = without_features(sae, x, watched, item, which, features)
    special = (batch.encoded & ~batch.replaced)[item]
    assert torch.equal(replacement[special], x[item][special])


def test_a_feature_without_items_has_no_rows():
    model, sae, items = shared_language_model(), loaded_sae(HOOK_POINT), random_items()
    sae.sae.b_enc.data[5] = -1e6
    table = measured(model, [sae], items)[HOOK_POINT]
    chosen = Chosen((5,), (), table.columns["sae_ln_p"])
    found = ablated(model, [sae], items, FEATURE_WINDOW, {HOOK_POINT: chosen})[HOOK_POINT]
    assert len(found.feature) == len(found.delta_ln_p) == 0


def test_batches_change_nothing():
    model, sae, items = shared_language_model(), loaded_sae(HOOK_POINT), random_items()
    table = measured(model, [sae], items)[HOOK_POINT]
    chosen = {HOOK_POINT: choose(table, 3)}
    together = ablated(model, [sae], items, FEATURE_WINDOW, chosen)[HOOK_POINT]
    alone = ablated(model, [sae], items, FEATURE_WINDOW, chosen, PassOptions(batch_tokens=1))[
        HOOK_POINT
    ]
    assert together.feature.tolist() == alone.feature.tolist()
    assert together.item.tolist() == alone.item.tolist()
    assert together.best.tolist() == alone.best.tolist()
    assert together.delta_ln_p == pytest.approx(alone.delta_ln_p, abs=1e-4)


def test_the_best_and_the_worst_are_chosen():
    model, sae, items = shared_language_model(), loaded_sae(HOOK_POINT), random_items()
    table = measured(model, [sae], items)[HOOK_POINT]
    assert table.features is not None
    chosen = choose(table, 3)
    assert len(set(chosen.features)) == 6
    score = dict(zip(table.features.feature.tolist(), table.features.score.tolist(), strict=True))
    others = [score[f] for f in score if f not in chosen.features]
    assert min(score[f] for f in chosen.best) >= max(others)
    assert max(score[f] for f in chosen.worst) <= min(others)


def broken(table: TaskTable) -> TaskTable:
    table.columns["sae_ln_p"][7] = np.nan
    return table


def test_of_a_broken_sae_nothing_is_ablated():
    model, sae, items = shared_language_model(), loaded_sae(HOOK_POINT), random_items()
    chosen = choose(broken(measured(model, [sae], items)[HOOK_POINT]), 3)
    assert chosen.features == ()
    found = ablated(model, [sae], items, FEATURE_WINDOW, {HOOK_POINT: chosen})[HOOK_POINT]
    assert len(found.feature) == 0
