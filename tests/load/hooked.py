"""HookedTransformer with weights of small random models, by TransformerLens's conversions."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import torch

from tests.architectures import CONTEXT, D_MODEL, HEADS, LAYERS, VOCABULARY, hugging_face_model

D_HEAD = D_MODEL // HEADS
_ROTARY = {"positional_embedding_type": "rotary", "rotary_dim": D_HEAD, "rotary_base": 10000}
_RMS = {
    "normalization_type": "RMS",
    "act_fn": "silu",
    "gated_mlp": True,
    "final_rms": True,
    "eps": 1e-6,
    "n_key_value_heads": 2,
} | _ROTARY
_NEOX = {"act_fn": "gelu", "normalization_type": "LN", "parallel_attn_mlp": True, "eps": 1e-5}
_UNGROUPED = {"n_key_value_heads": None}
# What TransformerLens makes of each architecture's config.
SETTINGS: dict[str, dict[str, Any]] = {
    "llama": _RMS,
    "gpt_neox": _NEOX | _ROTARY | {"rotary_dim": 2},
    "gptj": _NEOX
    | _ROTARY
    | {"act_fn": "gelu_new", "d_mlp": 4 * D_MODEL, "rotary_dim": 4, "rotary_adjacent_pairs": True},
    "gemma2": _RMS
    | {
        "act_fn": "gelu_pytorch_tanh",
        "use_normalization_before_and_after": True,
        "attn_types": ["local", "global", "local"],
        "use_local_attn": True,
        "window_size": 8,
        "attn_scores_soft_cap": 50.0,
        "output_logits_soft_cap": 5.0,
        "attn_scale": 16.0,
    },
    "qwen3": _RMS | {"use_qk_norm": True},
    "olmo": _RMS
    | _UNGROUPED
    | {"normalization_type": "LN", "clip_qkv": 0.5, "eps": 1e-5, "final_rms": False},
    "olmo2": _RMS | _UNGROUPED | {"eps": 1e-5},
}
_MODULES = {"gpt_neox": "neox", "gemma2": "gemma"}


def hooked(architecture: str, center: bool = False) -> Any:
    """The same model as `hugging_face_model` makes."""
    from transformer_lens import HookedTransformer
    from transformer_lens.config.hooked_transformer_config import HookedTransformerConfig

    model = hugging_face_model(architecture)
    sizes = {"d_model": D_MODEL, "d_head": D_HEAD, "n_heads": HEADS, "n_layers": LAYERS}
    config = HookedTransformerConfig(
        **sizes
        | {"d_mlp": 48, "n_ctx": CONTEXT, "d_vocab": VOCABULARY, "seed": 0, "device": "cpu"}
        | {"original_architecture": type(model).__name__, "use_hook_mlp_in": True}
        | SETTINGS[architecture]
    )
    name = _MODULES.get(architecture, architecture)
    package = f"transformer_lens.pretrained.weight_conversions.{name}"
    convert = getattr(importlib.import_module(package), f"convert_{name}_weights")
    with torch.no_grad(), torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the class itself, gone in 4.0
        weights = {name: weight.detach().clone() for name, weight in convert(model, config).items()}
        made = HookedTransformer(config)
        made.load_and_process_state_dict(
            weights,
            fold_ln=False,
            center_writing_weights=center,
            center_unembed=False,
            fold_value_biases=False,
        )
    return made.eval().requires_grad_(False)
