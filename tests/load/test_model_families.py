"""Every model family of the directory loads, with the hook points that its SAEs read."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from sae_checks.load.language_model import LanguageModel
from sae_checks.resolve.conversions import REFUSED, conversion_named
from sae_checks.resolve.directory import named, read_release, release_names
from sae_checks.resolve.model_families import model_family
from tests.architectures import D_MODEL, HEADS, LAYERS

HEAD = D_MODEL // HEADS
SIZES: dict[str, Any] = {
    "hidden_size": D_MODEL,
    "num_attention_heads": HEADS,
    "num_key_value_heads": 2,
    "num_hidden_layers": LAYERS,
    "intermediate_size": 48,
    "vocab_size": 100,
    "max_position_embeddings": 32,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": None,
    "head_dim": HEAD,
}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
LINEAR: dict[str, Any] = {
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": HEAD,
    "linear_value_head_dim": HEAD,
    "layer_types": ["linear_attention", "linear_attention", "full_attention"],
}
IMAGES = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
}
GPT2 = {"n_embd": D_MODEL, "n_head": HEADS, "n_layer": LAYERS, "n_positions": 32}
# Beside what all share, by `model_type`.
OWN: dict[str, dict[str, Any]] = {
    "gpt2": {**GPT2, "vocab_size": 100, "bos_token_id": 0, "eos_token_id": 0},
    "gemma2": {**SIZES, "sliding_window": 8},
    "gemma3_text": {**SIZES, "sliding_window": 8},
    "gemma3": {"text_config": {**SIZES, "sliding_window": 8}, "vision_config": IMAGES},
    "qwen3_moe": {**SIZES, **EXPERTS},
    "qwen3_5": {"text_config": {**SIZES, **LINEAR}},
    "qwen3_5_moe": {
        "text_config": {**SIZES, **LINEAR, **EXPERTS, "shared_expert_intermediate_size": 16}
    },
    "gpt_oss": {
        **SIZES,
        "num_local_experts": 4,
        "num_experts_per_tok": 2,
        "sliding_window": 8,
        "rope_scaling": None,
    },
}


def sites_by_family() -> dict[str, set[str]]:
    """Of the entries that are gated; where their own files alone say, the sites of residuals."""
    found: dict[str, set[str]] = {}
    for name in release_names():
        description = read_release(name)
        conversion = conversion_named(description.get("conversion_func"))
        family = model_family(description["model"])
        assert family is not None, description["model"]
        for entry in named(description):
            if conversion.kind(entry) not in REFUSED:
                site = conversion.site(entry)
                assert site is not None, (name, entry)
                found.setdefault(family, set()).add(site)
    return found


SITES = sites_by_family()


@pytest.mark.parametrize("family", SITES)
def test_a_small_model_of_the_family_has_the_sites(family: str):
    assert family in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    config = AutoConfig.for_model(family, **OWN.get(family, SIZES))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LanguageModel(AutoModelForCausalLM.from_config(config), None)
    for site in sorted(SITES[family]):
        hook_point = site if site == "hook_embed" else f"blocks.1.{site}"
        width = HEADS * HEAD if site == "attn.hook_z" else D_MODEL
        assert model.bind(hook_point) == width  # it resumes to what a clean pass gives


def test_an_unknown_model_is_of_no_family():
    assert model_family("facebook/esm2_t6_8M_UR50D") is None
