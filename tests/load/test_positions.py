"""The positional vectors that a model adds, against its own weights."""

from __future__ import annotations

import pytest
import torch

from sae_checks.load.language_model import LanguageModel
from sae_checks.load.positions import FIRST_HOOK_POINT, positional_vectors
from tests.architectures import CONTEXT, D_MODEL, LAYERS, VOCABULARY, hugging_face_model


def opt() -> torch.nn.Module:
    from transformers import OPTConfig, OPTForCausalLM

    torch.manual_seed(0)
    return OPTForCausalLM(
        OPTConfig(
            hidden_size=D_MODEL,
            word_embed_proj_dim=D_MODEL,
            num_attention_heads=4,
            num_hidden_layers=LAYERS,
            ffn_dim=48,
            vocab_size=VOCABULARY,
            max_position_embeddings=CONTEXT,
        )
    )


def vectors(model: torch.nn.Module, **settings: bool) -> torch.Tensor | None:
    bound = LanguageModel(model, None, **settings)
    bound.bind(FIRST_HOOK_POINT)
    return positional_vectors(bound, CONTEXT)


def same(found: torch.Tensor | None, weights: torch.Tensor) -> bool:
    return found is not None and torch.allclose(found, weights, atol=1e-6)


def test_of_gpt2_they_are_its_position_embeddings():
    model = hugging_face_model("gpt2")
    assert same(vectors(model), model.transformer.wpe.weight[:CONTEXT])


def test_of_a_centred_model_they_are_centred():
    model = hugging_face_model("gpt2")
    weights = model.transformer.wpe.weight[:CONTEXT]
    found = vectors(model, center_writing_weights=True)
    assert same(found, weights - weights.mean(dim=-1, keepdim=True))


def test_opt_counts_positions_from_two(monkeypatch):
    """Its head reads a decoder within its base model, which `unembed` does not know of."""
    model = opt()
    monkeypatch.setattr(LanguageModel, "unembed", lambda self, final: model.lm_head(final))
    assert same(vectors(model), model.model.decoder.embed_positions.weight[2 : 2 + CONTEXT])


@pytest.mark.parametrize("architecture", ["llama", "gpt_neox", "gemma2", "qwen3"])
def test_rotary_positions_are_not_added(architecture):
    assert vectors(hugging_face_model(architecture)) is None


def test_a_model_whose_positions_are_all_alike_has_none():
    model = hugging_face_model("gpt2")
    model.transformer.wpe.weight.data[:] = 1.0
    assert vectors(model) is None
