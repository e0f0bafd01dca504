"""Where hook points lie on the way through the model, by their names alone.

Once a model is loaded it tells itself (`LanguageModel.depth`); which SAEs come before which has to
be known before that. OLMo 2 alone has its norms elsewhere, after attention and MLP.
"""

from __future__ import annotations

from sae_checks.resolve.hook_point import parse_hook_point

RESIDUAL_SITES = ("hook_resid_pre", "hook_resid_mid", "hook_resid_post")
# Within a block, in the order in which a pass meets them.
_SITES = (
    "hook_resid_pre",
    "ln1.hook_normalized",
    "attn.hook_q",
    "attn.hook_k",
    "attn.hook_v",
    "attn.hook_z",
    "hook_attn_out",
    "hook_resid_mid",
    "hook_mlp_in",
    "ln2.hook_normalized",
    "mlp.hook_in",
    "mlp.hook_pre",
    "mlp.hook_post",
    "mlp.hook_out",
    "hook_mlp_out",
)


def depth(hook_point: str) -> tuple[int, int]:
    """Block, and place within the block; sorts as a pass meets hook points.

    What leaves a block is what enters the next one: one place of two names. What is in no block
    comes first, and what a block has under a name of its own comes last in it.
    """
    layer, site = parse_hook_point(hook_point)
    if layer < 0:
        return layer, 0
    if site == "hook_resid_post":
        return layer + 1, 0
    return layer, _SITES.index(site) if site in _SITES else len(_SITES)


def is_residual_stream(hook_point: str) -> bool:
    """Whether replacing the activation replaces all that later blocks see of the tokens."""
    return parse_hook_point(hook_point)[1] in RESIDUAL_SITES
