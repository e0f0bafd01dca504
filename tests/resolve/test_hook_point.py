from __future__ import annotations

import pytest

from sae_checks.resolve.hook_point import parse_hook_point


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
        ("lm_head", (-1, "lm_head")),
    ],
)
def test_layer_and_site(name: str, expected: tuple[int, str]):
    assert parse_hook_point(name) == expected
