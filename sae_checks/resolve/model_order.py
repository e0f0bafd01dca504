"""Where hook points lie on the way through the model, by their names alone.

Once a model is loaded it tells itself (`LanguageModel.depth`); which SAEs come before which has to
be known before that. OLMo 2 alone has its norms elsewhere, after attention and MLP.
"""

from __future__ import annotations

import re
from functools import lru_cache

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

UNKNOWN = len(_SITES)  # the place of what a block has under a name of its own
_OF_MODULES = tuple(
    (re.compile(path), site)
    for path, site in (
        (r"(input_layernorm|ln_1)(\.\w+)?", "ln1.hook_normalized"),
        (r"(self_attn|attn|attention)\.input", "ln1.hook_normalized"),
        (r"(self_attn|attn|attention)\.\w+_proj(\.input)?", "attn.hook_z"),
        (r"(self_attn|attn|attention)(\.output)?", "hook_attn_out"),
        (r"(pre_feedforward_layernorm|ln_2)(\.\w+)?", "ln2.hook_normalized"),
        (r"mlp\.input", "mlp.hook_in"),
        (r"mlp(\.output)?", "mlp.hook_out"),
        (r"post_feedforward_layernorm(\.\w+)?", "hook_mlp_out"),
    )
)


@lru_cache(maxsize=1024)
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
    return layer, _SITES.index(_standing_for(site)) if _standing_for(site) in _SITES else UNKNOWN


def is_known(hook_point: str) -> bool:
    """Whether its place within its block is known by its name."""
    return depth(hook_point)[1] != UNKNOWN


def _standing_for(site: str) -> str:
    """The site of TransformerLens that a module path of Hugging Face's lies next to."""
    return next((known for path, known in _OF_MODULES if path.fullmatch(site)), site)


def is_residual_stream(hook_point: str) -> bool:
    """Whether replacing the activation replaces all that later blocks see of the tokens."""
    return parse_hook_point(hook_point)[1] in RESIDUAL_SITES
