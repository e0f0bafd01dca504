from __future__ import annotations

import pytest

from sae_checks.resolve.hook_point import choose_name, of_head, parse_head, parse_hook_point


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("blocks.3.hook_resid_pre", (3, "hook_resid_pre")),
        ("blocks.11.attn.hook_z", (11, "attn.hook_z")),
        ("blocks.0.ln2.hook_normalized", (0, "ln2.hook_normalized")),
        ("hook_embed", (-1, "hook_embed")),
        ("ln_final.hook_normalized", (-1, "ln_final.hook_normalized")),
        ("transformer.h.4", (4, "hook_resid_post")),
        ("model.layers.20", (20, "hook_resid_post")),
        ("model.layers.3.mlp", (3, "mlp")),
        ("model.language_model.layers.7.self_attn", (7, "self_attn")),
        ("gpt_neox.layers.2.attention", (2, "attention")),
        ("model.layers.3.output", (3, "hook_resid_post")),
        ("model.layers.3.input", (3, "hook_resid_pre")),
        ("model.layers.3.self_attn.o_proj.input", (3, "self_attn.o_proj.input")),
        ("blocks.3.attn.hook_q.head_11", (3, "attn.hook_q")),
        ("lm_head", (-1, "lm_head")),
        # More digits than Python reads: no block of any model, whatever follows.
        (f"blocks.{'9' * 5000}.hook_mlp_out", (-1, f"blocks.{'9' * 5000}.hook_mlp_out")),
        (f"model.layers.{'9' * 5000}", (-1, f"model.layers.{'9' * 5000}")),
    ],
)
def test_layer_and_site(name: str, expected: tuple[int, str]):
    assert parse_hook_point(name) == expected


def test_a_head_is_a_part_of_the_name():
    name = "blocks.3.attn.hook_z"
    assert of_head(name, 5) == "blocks.3.attn.hook_z.head_5"
    assert parse_head(of_head(name, 5)) == (name, 5)
    assert parse_head(name) == (name, None)


@pytest.mark.parametrize(
    ("hook_name", "hf_hook_name", "expected"),
    [
        ("blocks.3.hook_resid_pre", None, "blocks.3.hook_resid_pre"),
        ("blocks.3.hook_resid_post", "model.layers.3.output", "blocks.3.hook_resid_post"),
        ("blocks.3.hook_resid_post", "model.layers.3", "blocks.3.hook_resid_post"),
        (
            "blocks.3.attn.hook_z",
            "model.layers.3.self_attn.o_proj.input",
            "blocks.3.attn.hook_z",
        ),
        (
            "blocks.3.hook_mlp_out",
            "model.layers.3.post_feedforward_layernorm.output",
            "blocks.3.hook_mlp_out",
        ),
        (
            "blocks.3.hook_mlp_in",
            "model.layers.3.pre_feedforward_layernorm.output",
            "model.layers.3.pre_feedforward_layernorm.output",
        ),
        ("blocks.3.hook_resid_post", "model.layers.4.output", "model.layers.4.output"),
    ],
)
def test_where_both_names_are_said(hook_name: str, hf_hook_name: str | None, expected: str):
    """As sae_lens says them of Gemma Scope 2 and of Qwen Scope."""
    assert choose_name(hook_name, hf_hook_name) == expected
