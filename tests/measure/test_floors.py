"""Zero and mean ablation equal patching the constant in by a plain hook, token by token."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sae_checks.evals.context.columns import FLOORS, context_plan
from sae_checks.evals.context.measuring import measure_texts
from sae_checks.load.texts import Texts
from sae_checks.measure.calibration import calibrate
from sae_checks.measure.floors import prepare_floors
from tests.builders import (
    CONTEXT,
    loaded_sae,
    random_texts,
    shared_hooked_transformer,
    shared_language_model,
)
from tests.measuring import bind

HOOK_POINTS = (
    "blocks.0.hook_resid_pre",
    "blocks.1.hook_resid_pre",
    "blocks.1.hook_resid_mid",
    "blocks.2.hook_resid_post",
    "blocks.1.hook_mlp_out",
    "blocks.1.hook_attn_out",
    "blocks.2.attn.hook_z",
)


def some_tokens(texts: Texts) -> torch.Tensor:
    return torch.from_numpy(texts.tokens)


PLAN = context_plan(frozenset({"ce_zero", "ce_mean", "kl_zero", "kl_mean"}))


@pytest.mark.parametrize("center", [False, True], ids=["uncentered", "centered"])
@pytest.mark.parametrize("hook_point", HOOK_POINTS)
def test_floors_equal_ablation_by_hooks(hook_point, center):
    texts = random_texts()
    model = shared_language_model(center=center)
    sae = loaded_sae(hook_point)
    bind(model, [sae])
    columns = measure_texts(model, [sae], texts, PLAN)[hook_point].columns

    hooked = shared_hooked_transformer(center_writing_weights=center)
    tokens = torch.from_numpy(texts.tokens)
    _, cache = hooked.run_with_cache(tokens, names_filter=[hook_point])
    counted = torch.from_numpy(~texts.special)
    counted[:, 0] = False
    mean = cache[hook_point][counted].mean(dim=0)
    for name, constant in (("ce_zero", torch.zeros_like(mean)), ("ce_mean", mean)):
        loss = hooked.run_with_hooks(
            tokens,
            return_type="loss",
            loss_per_token=True,
            fwd_hooks=[(hook_point, lambda x, hook, c=constant: c.expand_as(x))],
        )
        expected = torch.where(counted[:, :-1], loss, torch.nan)
        np.testing.assert_allclose(columns[name][:, :-1], expected, rtol=1e-4, err_msg=name)
        logits = hooked.run_with_hooks(
            tokens, fwd_hooks=[(hook_point, lambda x, hook, c=constant: c.expand_as(x))]
        )
        clean, ablated = hooked(tokens).log_softmax(-1), logits.log_softmax(-1)
        kl = (clean.exp() * (clean - ablated)).sum(-1)[:, :-1]
        expected = torch.where(counted[:, :-1], kl, torch.nan)
        found = columns[name.replace("ce", "kl")][:, :-1]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5, err_msg=name)


def test_the_loss_alone_where_no_kl_is_asked_for():
    texts, model = random_texts(), shared_language_model()
    sae = loaded_sae("blocks.1.hook_mlp_out")
    bind(model, [sae])
    asked = context_plan(frozenset({"ce_zero", "kl_mean"}))
    columns = measure_texts(model, [sae], texts, asked)[sae.ref.sae_id].columns
    both = measure_texts(model, [sae], texts, PLAN)[sae.ref.sae_id].columns
    assert set(columns) == {"norm", "ce_zero", "kl_mean"}
    for name, values in columns.items():
        np.testing.assert_array_equal(values, both[name])


@pytest.mark.parametrize("architecture", ["llama", "gpt_neox", "gemma2", "gpt_neo", "qwen3"])
def test_one_short_pass_for_a_residual_stream(architecture, monkeypatch):
    """The loss under ablation, from one text's beginning, is that of the whole ablated pass."""
    hook_point = "blocks.1.hook_resid_pre"
    texts, model = random_texts(), shared_language_model(architecture)
    model.bind(hook_point)
    calibrations = calibrate(model, texts, [hook_point], batch_texts=8)
    floors = prepare_floors(model, calibrations, FLOORS, some_tokens(texts))[hook_point]
    clean = model.clean(torch.from_numpy(texts.tokens), [hook_point])
    for floor in floors:
        assert floor.final(clean) is None  # no pass per batch
        ablated = floor.constant.expand_as(clean.taps[hook_point])
        log_p = model.unembed(model.resume(clean, hook_point, ablated)).log_softmax(dim=-1)
        expected = floor.log_probabilities.expand_as(log_p)
        torch.testing.assert_close(log_p, expected, rtol=1e-4, atol=1e-4)


def test_a_pass_per_batch_where_the_rest_still_sees_tokens():
    hook_point = "blocks.1.hook_mlp_out"
    texts, model = random_texts(), shared_language_model()
    model.bind(hook_point)
    calibrations = calibrate(model, texts, [hook_point], batch_texts=8)
    zero, mean = prepare_floors(model, calibrations, FLOORS, some_tokens(texts))[hook_point]
    clean = model.clean(torch.from_numpy(texts.tokens), [hook_point])
    assert (zero.column, mean.column) == ("ce_zero", "ce_mean")
    assert zero.final(clean).shape == (6, CONTEXT, 32)
    text, position, target = torch.tensor([0]), torch.tensor([3]), torch.tensor([4])
    with pytest.raises(ValueError, match="depends on the tokens needs its resumed pass"):
        mean.losses(None, text, position, target)


def test_no_floors_unless_the_plan_wants_them():
    texts, model = random_texts(), shared_language_model()
    model.bind("hook_embed")
    calibrations = calibrate(model, texts, ["hook_embed"], batch_texts=8)
    assert prepare_floors(model, calibrations, (), some_tokens(texts)) == {"hook_embed": []}
