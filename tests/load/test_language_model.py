"""Taps and resumed passes equal plain forward hooks, on every architecture and at every site."""

from __future__ import annotations

import re

import pytest
import torch

from sae_checks.errors import ModelError
from sae_checks.load.language_model import LanguageModel
from tests.architectures import (
    ARCHITECTURES,
    CONTEXT,
    D_MODEL,
    OTHERS,
    VOCABULARY,
    hugging_face_model,
    randomized,
)
from tests.builders import language_model, shared_hooked_transformer, shared_language_model
from tests.exhaustive import diagonal
from tests.load.plain_hooks import (
    HEAD_SITES,
    INNER_SITES,
    MODULE_SITES,
    SITES,
    lacks,
    shared_plain_hooks,
)

HOOKED = (*SITES, *INNER_SITES)
ALL_SITES = (*HOOKED, *HEAD_SITES, *MODULE_SITES)


@pytest.fixture(scope="module", params=list(ARCHITECTURES))
def architecture(request):
    return request.param


@pytest.fixture(scope="module")
def tokens():
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, VOCABULARY, (2, CONTEXT), generator=generator)


def noise_like(x, seed=2):
    return torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("architecture", "hook_point"),
    diagonal(list(ARCHITECTURES), ALL_SITES, every=5, whole=("gpt2",)),
)
def test_taps_and_resumed_passes_equal_plain_hooks(architecture, tokens, hook_point):
    model = shared_language_model(architecture)
    if lacks(architecture, hook_point):
        with pytest.raises(ModelError, match="attention and MLP read one"):
            model.bind(hook_point)
        return
    width = model.bind(hook_point)
    clean = model.clean(tokens, [hook_point])
    seen = []
    plain = shared_plain_hooks(architecture)
    plain.run(tokens, {hook_point: lambda value: seen.append(value.clone()) or value})
    tap = clean.taps[hook_point]
    assert tap.shape == (*tokens.shape, width)
    torch.testing.assert_close(tap, seen[0], rtol=1e-5, atol=1e-5)

    replacement = tap + noise_like(tap)
    resumed = model.unembed(model.resume(clean, hook_point, replacement))
    expected = plain.run(tokens, {hook_point: lambda value: replacement})
    assert (resumed - model.unembed(clean.final)).abs().max() > 0.01  # or nothing is tested
    torch.testing.assert_close(resumed, expected, rtol=1e-4, atol=1e-4)


def test_clean_logits_are_the_model_s_own(architecture, tokens):
    model = language_model(architecture)
    clean = model.clean(tokens, [])
    with torch.no_grad():
        expected = model.hf(input_ids=tokens, use_cache=False).logits
    torch.testing.assert_close(model.unembed(clean.final), expected, rtol=1e-5, atol=1e-5)


def test_the_model_is_left_as_it_was(architecture, tokens):
    model = language_model(architecture)
    model.bind("blocks.1.hook_mlp_out")
    clean = model.clean(tokens, ["blocks.1.hook_mlp_out"])
    model.resume(clean, "blocks.1.hook_mlp_out", torch.zeros_like(clean.final))
    again = model.clean(tokens, [])
    assert torch.equal(again.final, clean.final)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.hf.modules())
    assert not any("forward" in vars(module) for module in model.hf.modules())


def test_resuming_from_the_clean_activation_changes_nothing(architecture, tokens):
    model = language_model(architecture)
    for hook_point in ("blocks.0.hook_resid_pre", "blocks.2.hook_resid_pre"):
        model.bind(hook_point)
        clean = model.clean(tokens, [hook_point])
        again = model.resume(clean, hook_point, clean.taps[hook_point])
        assert torch.equal(again, clean.final)


@pytest.mark.parametrize(
    ("center", "hook_point"), diagonal([False, True], HOOKED, every=2, whole=(True,))
)
def test_loss_of_every_token_equals_hooked_transformer_s(tokens, hook_point, center):
    hooked = shared_hooked_transformer(center_writing_weights=center)
    model = shared_language_model("gpt2", center)
    model.bind(hook_point)
    clean = model.clean(tokens, [hook_point])
    tap = clean.taps[hook_point]
    _, cache = hooked.run_with_cache(tokens, names_filter=[hook_point])
    theirs = cache[hook_point]
    torch.testing.assert_close(tap, theirs.reshape(tap.shape), rtol=1e-4, atol=1e-5)

    replacement = tap + noise_like(tap)
    expected = hooked.run_with_hooks(
        tokens,
        return_type="loss",
        loss_per_token=True,
        fwd_hooks=[(hook_point, lambda value, hook: replacement.reshape(value.shape))],
    )
    log_p = model.unembed(model.resume(clean, hook_point, replacement)).log_softmax(dim=-1)
    found = -log_p[:, :-1].gather(-1, tokens[:, 1:, None]).squeeze(-1)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("processing", "hook_point"), diagonal(["fold_ln", "center_unembed"], HOOKED, every=2)
)
def test_processing_without_effect(tokens, hook_point, processing):
    """load/model.py takes these options of TransformerLens's as read: no value or loss moves."""
    plain, processed = shared_hooked_transformer(), shared_hooked_transformer(**{processing: True})
    weights = plain.state_dict()
    changed = [
        name
        for name, weight in processed.state_dict().items()
        if name not in weights or not torch.equal(weight, weights[name])
    ]
    assert changed  # the option did something to the weights
    values, losses = [], []
    for model in (plain, processed):
        loss, cache = model.run_with_cache(
            tokens, names_filter=[hook_point], return_type="loss", loss_per_token=True
        )
        values.append(cache[hook_point])
        losses.append(loss)
    torch.testing.assert_close(values[0], values[1], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("architecture", ["llama", "gemma2", "qwen3", "gemma3_multimodal"])
def test_models_without_layer_norm_stay_uncentered(architecture):
    assert not language_model(architecture, center=True).centered


def test_width_of_hook_z_is_that_of_all_heads():
    # Qwen3's heads are together wider or narrower than the residual stream.
    assert language_model("gpt2").bind("blocks.0.attn.hook_z") == D_MODEL


@pytest.mark.parametrize(
    ("architecture", "name", "path"),
    [
        ("llama", "blocks.1.hook_mlp_out", "model.layers.1.mlp"),
        ("llama", "blocks.1.hook_mlp_out", "model.layers.1.mlp.output"),
        ("llama", "blocks.1.hook_resid_post", "model.layers.1.output"),
        ("llama", "blocks.1.hook_resid_pre", "model.layers.1.input"),
        ("gemma3", "blocks.1.hook_resid_post", "model.layers.1"),
        ("gemma3", "blocks.1.attn.hook_z", "model.layers.1.self_attn.o_proj.input"),
        ("gemma3", "blocks.1.hook_mlp_out", "model.layers.1.post_feedforward_layernorm.output"),
        ("gemma3", "blocks.1.mlp.hook_in", "model.layers.1.pre_feedforward_layernorm.output"),
        ("gemma3", "blocks.1.hook_mlp_in", "model.layers.1.pre_feedforward_layernorm.input"),
        (
            "gemma3_multimodal",
            "blocks.1.hook_mlp_out",
            "model.language_model.layers.1.post_feedforward_layernorm.output",
        ),
    ],
)
def test_a_hugging_face_path_names_the_same_hook_point(tokens, architecture, name, path):
    model = shared_language_model(architecture)
    for each in (name, path):
        model.bind(each)
    clean = model.clean(tokens, [name, path])
    tap = clean.taps[name]
    assert torch.equal(tap, clean.taps[path])
    replacement = tap + noise_like(tap)
    assert torch.equal(
        model.resume(clean, name, replacement), model.resume(clean, path, replacement)
    )


def test_hook_mlp_in_is_not_what_comes_out_of_the_norm(tokens):
    """sae_lens calls Gemma Scope 2's pre_feedforward_layernorm.output so."""
    model = shared_language_model("gemma3")
    names = ("blocks.1.hook_mlp_in", "model.layers.1.pre_feedforward_layernorm.output")
    for name in names:
        model.bind(name)
    taps = model.clean(tokens, names).taps
    assert (taps[names[0]] - taps[names[1]]).abs().max() > 0.1


ORDER = (
    "blocks.1.hook_resid_pre",
    "blocks.1.ln1.hook_normalized",
    "model.layers.1.input_layernorm.output",
    "blocks.1.attn.hook_q",
    "blocks.1.attn.hook_z",
    "blocks.1.hook_attn_out",
    "blocks.1.hook_resid_mid",
    "blocks.1.hook_mlp_in",
    "blocks.1.ln2.hook_normalized",
    "model.layers.1.pre_feedforward_layernorm.output",
    "blocks.1.mlp.hook_in",
    "blocks.1.mlp.hook_pre",
    "blocks.1.mlp.hook_post",
    "blocks.1.mlp.hook_out",
    "blocks.1.hook_mlp_out",
    "blocks.1.hook_resid_post",
)


def test_the_order_in_which_a_pass_meets_hook_points():
    model = shared_language_model("gemma3")
    for hook_point in ORDER:
        model.bind(hook_point)
    depths = [model.depth(hook_point) for hook_point in ORDER]
    assert depths == sorted(set(depths))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_heads_side_by_side_are_the_whole(tokens, architecture):
    model = shared_language_model(architecture)
    for site, heads in (("q", 4), ("z", 4)):
        whole = f"blocks.1.attn.hook_{site}"
        names = [f"{whole}.head_{head}" for head in range(heads)]
        for name in (whole, *names):
            model.bind(name)
        taps = model.clean(tokens, [whole, *names]).taps
        assert torch.equal(torch.cat([taps[name] for name in names], dim=-1), taps[whole])


def test_grouped_queries_have_fewer_keys_and_values():
    model = language_model("llama")
    assert [model.bind(f"blocks.1.attn.hook_{which}") for which in "qkvz"] == [32, 16, 16, 32]


LEGAL = (
    "supported are blocks.0 to blocks.2 with hook_resid_pre, hook_resid_mid, hook_resid_post, "
    "hook_mlp_in, hook_mlp_out, hook_attn_out, ln1.hook_normalized, ln2.hook_normalized, "
    "attn.hook_q, attn.hook_k, attn.hook_v, attn.hook_z, mlp.hook_in, mlp.hook_pre, "
    "mlp.hook_post, mlp.hook_out, and hook_embed"
)


@pytest.mark.parametrize(
    ("hook_point", "message"),
    [
        (
            "blocks.3.hook_resid_pre",
            f"hook point 'blocks.3.hook_resid_pre' is beyond the model's 3 layers; {LEGAL}",
        ),
        (
            "blocks.1.attn.hook_pattern",
            f"hook point 'blocks.1.attn.hook_pattern' is not in GPT2Model; {LEGAL}",
        ),
        (
            "ln_final.hook_scale",
            f"hook point 'ln_final.hook_scale' is in no block of the model; {LEGAL}",
        ),
        (
            "blocks.1.attn.hook_z.head_4",
            "hook point 'blocks.1.attn.hook_z.head_4' is not in GPT2Model (its heads are 0 to 3); "
            f"{LEGAL}",
        ),
        (
            "blocks.1.hook_mlp_out.head_1",
            "hook point 'blocks.1.hook_mlp_out.head_1' is not in GPT2Model (single heads are those "
            f"of attn.hook_q, attn.hook_k, attn.hook_v, attn.hook_z); {LEGAL}",
        ),
    ],
)
def test_hook_points_that_the_model_lacks(hook_point, message):
    with pytest.raises(ModelError) as raised:
        shared_language_model().bind(hook_point)
    assert str(raised.value) == message


@pytest.mark.parametrize("architecture", ["granite", "glm4"])
@pytest.mark.parametrize("site", ["hook_attn_out", "hook_mlp_out", "hook_resid_mid"])
def test_what_is_not_added_as_it_is_put_out(architecture, site):
    """Granite scales it on the way; GLM 4 norms it by modules of names of their own."""
    model = LanguageModel(randomized(OTHERS[architecture]), None)
    with pytest.raises(ModelError) as raised:
        model.bind(f"blocks.1.{site}")
    assert re.sub(r"off by [\d.]+", "off by X", str(raised.value)) == (
        f"hook point 'blocks.1.{site}' of {type(model.hf.model).__name__}: the residual stream and "
        "what attention and MLP put out do not add up (off by X); this architecture scales or "
        "changes it on the way, and is not supported there"
    )
    model.bind("blocks.1.hook_resid_post")


# Architectures of the directory whose blocks are of other parts.
MADE_OF_OTHERS = {
    "qwen3_moe": ("blocks.1.hook_mlp_out", "blocks.1.attn.hook_q"),
    "gpt_oss": ("blocks.1.hook_mlp_out", "blocks.1.attn.hook_q"),
    "qwen3_5": ("blocks.0.hook_attn_out", "blocks.1.attn.hook_z"),  # linear attention in block 0
}


@pytest.mark.parametrize("architecture", MADE_OF_OTHERS)
def test_experts_and_linear_attention(tokens, architecture):
    model = LanguageModel(randomized(OTHERS[architecture]), None)
    names = ("blocks.1.hook_resid_pre", "blocks.1.hook_resid_post", *MADE_OF_OTHERS[architecture])
    for name in names:
        model.bind(name)
    clean = model.clean(tokens, names)
    outputs = model.hf(input_ids=tokens, use_cache=False, output_hidden_states=True).hidden_states
    torch.testing.assert_close(clean.taps[names[0]], outputs[1])
    torch.testing.assert_close(clean.taps[names[1]], outputs[2])
    replacement = noise_like(outputs[2])
    handle = model.blocks[1].register_forward_hook(lambda *call: replacement)
    expected = model.hf(input_ids=tokens, use_cache=False).logits
    handle.remove()
    found = model.unembed(model.resume(clean, names[1], replacement))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_linear_attention_has_no_heads_of_ours():
    model = LanguageModel(randomized(OTHERS["qwen3_5"]), None)
    with pytest.raises(ModelError, match=r"'blocks\.0\.attn\.hook_z' is not in Qwen3_5Te"):
        model.bind("blocks.0.attn.hook_z")
    with pytest.raises(ModelError) as raised:  # queries and their gates
        model.bind("blocks.1.attn.hook_q")
    assert str(raised.value).startswith(
        "hook point 'blocks.1.attn.hook_q' is not in Qwen3_5TextModel (its projection has 64 "
        "columns where 4 heads of 8 were expected); supported are "
    )


def test_a_model_that_does_not_unembed_what_its_trunk_answers():
    model = LanguageModel(randomized(OTHERS["opt"]), None)
    with pytest.raises(ModelError) as raised:
        model.bind("blocks.1.hook_resid_pre")
    assert str(raised.value) == (
        "OPTForCausalLM does not unembed what its trunk answers; this architecture is not supported"
    )


def test_a_model_whose_blocks_cannot_be_bypassed_is_refused():
    """The self-test at binding: here the last block, bypassed, would have done something else."""
    model = language_model("gpt2")
    unembed = model.unembed
    model.unembed = lambda final: unembed(final) + 1.0
    with pytest.raises(ModelError) as raised:
        model.bind("blocks.1.hook_resid_pre")
    assert str(raised.value) == (
        "hook point 'blocks.1.hook_resid_pre' of GPT2LMHeadModel: unembedding the final hidden "
        "states is off by 1 from the model's own pass; this architecture is not supported"
    )


def test_a_model_without_a_list_of_blocks_is_refused():
    gpt2 = hugging_face_model()
    gpt2.config.n_layer = 5
    with pytest.raises(ModelError) as raised:
        LanguageModel(gpt2, None)
    assert str(raised.value) == (
        "GPT2Model has no list of 5 blocks; only models made of one list of blocks are supported"
    )


def test_a_spelled_out_gelu_is_fused():
    plain = hugging_face_model("gpt2")
    x = 5 * noise_like(torch.empty(1000))
    expected = plain.transformer.h[0].mlp.act(x)
    assert type(plain.transformer.h[0].mlp.act).__name__ == "NewGELUActivation"
    fused = LanguageModel(plain, None).hf.transformer.h[0].mlp.act
    assert isinstance(fused, torch.nn.GELU)
    torch.testing.assert_close(fused(x), expected, rtol=1e-6, atol=1e-6)


def test_a_hook_point_is_tried_once(monkeypatch):
    """Of several SAEs that read there."""
    model = language_model("gpt2")
    width = model.bind("blocks.1.hook_mlp_out")
    monkeypatch.setattr(model, "clean", None)  # no further pass
    assert model.bind("blocks.1.hook_mlp_out") == width
