"""Small random language models of Hugging Face's, of each architecture that sites are tested on."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache
from typing import Any

import torch

D_MODEL, HEADS, LAYERS, VOCABULARY, CONTEXT = 32, 4, 3, 100, 32
BOS = 0


def _sizes(**other: Any) -> dict[str, Any]:
    """What the configurations of the newer architectures share."""
    return {
        "hidden_size": D_MODEL,
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "intermediate_size": 48,
        "vocab_size": VOCABULARY,
        "max_position_embeddings": CONTEXT,
        "bos_token_id": BOS,
        "eos_token_id": BOS,
        "pad_token_id": None,
    } | other


def _gpt2() -> Any:
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2LMHeadModel(
        GPT2Config(
            n_embd=D_MODEL,
            n_head=HEADS,
            n_layer=LAYERS,
            vocab_size=VOCABULARY,
            n_positions=CONTEXT,
            bos_token_id=BOS,
            eos_token_id=BOS,
        )
    )


def _llama() -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(LlamaConfig(**_sizes(num_key_value_heads=2)))


def _gpt_neox() -> Any:
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    return GPTNeoXForCausalLM(GPTNeoXConfig(**_sizes()))


def _gemma2() -> Any:
    from transformers import Gemma2Config, Gemma2ForCausalLM

    # A window shorter than the texts and a low cap, so that both are at work.
    sizes = _sizes(num_key_value_heads=2, head_dim=8, sliding_window=8, final_logit_softcapping=5.0)
    return Gemma2ForCausalLM(Gemma2Config(**sizes))


def _gpt_neo() -> Any:
    from transformers import GPTNeoConfig, GPTNeoForCausalLM

    return GPTNeoForCausalLM(
        GPTNeoConfig(
            hidden_size=D_MODEL,
            num_heads=HEADS,
            num_layers=LAYERS,
            attention_types=[[["global", "local", "global"], 1]],
            window_size=8,
            vocab_size=VOCABULARY,
            max_position_embeddings=CONTEXT,
            bos_token_id=BOS,
            eos_token_id=BOS,
        )
    )


def _qwen3() -> Any:
    from transformers import Qwen3Config, Qwen3ForCausalLM

    return Qwen3ForCausalLM(Qwen3Config(**_sizes(num_key_value_heads=2, head_dim=8)))


def _gptj() -> Any:
    from transformers import GPTJConfig, GPTJForCausalLM

    sizes = {"n_embd": D_MODEL, "n_head": HEADS, "n_layer": LAYERS, "rotary_dim": 4}
    return GPTJForCausalLM(
        GPTJConfig(
            **sizes,
            vocab_size=VOCABULARY,
            n_positions=CONTEXT,
            bos_token_id=BOS,
            eos_token_id=BOS,
        )
    )


def _gemma3_text() -> dict[str, Any]:
    return _sizes(num_key_value_heads=2, head_dim=8, sliding_window=8) | {
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]
    }


def _gemma3() -> Any:
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    return Gemma3ForCausalLM(Gemma3TextConfig(**_gemma3_text()))


def _gemma3_multimodal() -> Any:
    """A text model in a wrapper that has as many blocks for images."""
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration

    images = _sizes() | {"image_size": 16, "patch_size": 8}
    return Gemma3ForConditionalGeneration(
        Gemma3Config(
            text_config=_gemma3_text(),
            vision_config=images,
            mm_tokens_per_image=4,
            image_token_index=VOCABULARY - 1,
            boi_token_index=VOCABULARY - 2,
            eoi_token_index=VOCABULARY - 3,
        )
    )


def _qwen2() -> Any:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    return Qwen2ForCausalLM(Qwen2Config(**_sizes(num_key_value_heads=2, tie_word_embeddings=True)))


def _olmo() -> Any:
    from transformers import OlmoConfig, OlmoForCausalLM

    # A bound that queries, keys and values reach.
    return OlmoForCausalLM(OlmoConfig(**_sizes(clip_qkv=0.5)))


def _olmo2() -> Any:
    from transformers import Olmo2Config, Olmo2ForCausalLM

    return Olmo2ForCausalLM(Olmo2Config(**_sizes()))


ARCHITECTURES: dict[str, Callable[[], Any]] = {
    "gpt2": _gpt2,
    "llama": _llama,
    "gpt_neox": _gpt_neox,
    "gemma2": _gemma2,
    "gpt_neo": _gpt_neo,
    "qwen3": _qwen3,
    "gptj": _gptj,
    "gemma3": _gemma3,
    "gemma3_multimodal": _gemma3_multimodal,
    "qwen2": _qwen2,
    "olmo": _olmo,
    "olmo2": _olmo2,
}


def _qwen3_moe() -> Any:
    from transformers import Qwen3MoeConfig, Qwen3MoeForCausalLM

    sizes = _sizes(num_key_value_heads=2, head_dim=8, moe_intermediate_size=16)
    return Qwen3MoeForCausalLM(Qwen3MoeConfig(**sizes, num_experts=4, num_experts_per_tok=2))


def _gpt_oss() -> Any:
    from transformers import GptOssConfig, GptOssForCausalLM

    sizes = _sizes(num_key_value_heads=2, head_dim=8, sliding_window=8)
    rotation = {"rope_type": "default", "rope_theta": 10000.0}
    experts = {"num_local_experts": 4, "num_experts_per_tok": 2}
    return GptOssForCausalLM(GptOssConfig(**sizes, **experts, rope_parameters=rotation))


def _qwen3_5() -> Any:
    from transformers import Qwen3_5ForCausalLM, Qwen3_5TextConfig

    linear = {
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 4,
        "linear_key_head_dim": 8,
        "linear_value_head_dim": 8,
        "layer_types": ["linear_attention", "full_attention", "linear_attention"],
    }
    return Qwen3_5ForCausalLM(
        Qwen3_5TextConfig(**_sizes(num_key_value_heads=2, head_dim=8), **linear)
    )


def _granite() -> Any:
    from transformers import GraniteConfig, GraniteForCausalLM

    return GraniteForCausalLM(GraniteConfig(**_sizes(residual_multiplier=0.5)))


def _glm4() -> Any:
    from transformers import Glm4Config, Glm4ForCausalLM

    return Glm4ForCausalLM(Glm4Config(**_sizes(num_key_value_heads=2, head_dim=8)))


def _opt() -> Any:
    from transformers import OPTConfig, OPTForCausalLM

    return OPTForCausalLM(OPTConfig(**_sizes(ffn_dim=48, word_embed_proj_dim=D_MODEL)))


# Not at every site, or not supported.
OTHERS: dict[str, Callable[[], Any]] = {
    "qwen3_moe": _qwen3_moe,
    "gpt_oss": _gpt_oss,
    "qwen3_5": _qwen3_5,
    "granite": _granite,
    "glm4": _glm4,
    "opt": _opt,
}


def hugging_face_model(architecture: str = "gpt2", seed: int = 0) -> Any:
    """A random model of an architecture that has every site."""
    return randomized(ARCHITECTURES[architecture], seed)


def randomized(make: Callable[[], Any], seed: int = 0) -> Any:
    """A random model; its biases and norms are random too, so that none hides a mistake."""
    return copy.deepcopy(_randomized(make, seed))


@cache
def _randomized(make: Callable[[], Any], seed: int) -> Any:
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(seed)  # of the CPU alone, in a hundredth of the time
        model = make().eval()
        for parameter in model.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
    return model
