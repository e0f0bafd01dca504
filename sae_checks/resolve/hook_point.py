"""Hook point names, as TransformerLens and Hugging Face write them, taken apart."""

from __future__ import annotations

import re

_TRANSFORMER_LENS = re.compile(r"blocks\.(\d+)\.(.+)")
_HUGGING_FACE = re.compile(r"(?:.*\.)?(?:h|layers|blocks)\.(\d+)(?:\.(.+))?")


def parse_hook_point(name: str) -> tuple[int, str]:
    """Layer and site of a hook point: `blocks.3.hook_resid_pre` → (3, "hook_resid_pre").

    A Hugging Face module path (`model.layers.3.mlp`) gives the module's own name as site and, for a
    whole block, "hook_resid_post", which is what a block's output is. A hook point outside of
    all blocks has layer -1.
    """
    match = _TRANSFORMER_LENS.fullmatch(name)
    if match is not None and (match.group(2).startswith("hook_") or ".hook_" in match.group(2)):
        return int(match.group(1)), match.group(2)
    match = _HUGGING_FACE.fullmatch(name)
    if match is not None:
        return int(match.group(1)), match.group(2) or "hook_resid_post"
    return -1, name
