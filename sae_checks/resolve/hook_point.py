"""Hook point names, as TransformerLens and Hugging Face write them, taken apart."""

from __future__ import annotations

import re

# Nine digits are more layers than any model has, and fewer than Python refuses to read.
_TRANSFORMER_LENS = re.compile(r"blocks\.(\d{1,9})\.(.+)")
_HUGGING_FACE = re.compile(r"(?:.*\.)?(?:h|layers|blocks)\.(\d{1,9})(?:\.(.+))?")
_HEAD = re.compile(r"(.+)\.head_(\d{1,9})")
# Of a whole block in Hugging Face's naming: its module's input and output, or just the module.
_EDGES = {"": "hook_resid_post", "output": "hook_resid_post", "input": "hook_resid_pre"}
# Places that both namings have; all others of Hugging Face's keep their own name.
_SAME = {
    ("hook_resid_post", "hook_resid_post"),
    ("hook_resid_pre", "hook_resid_pre"),
    ("self_attn.o_proj.input", "attn.hook_z"),
    ("post_feedforward_layernorm.output", "hook_mlp_out"),
}


def parse_hook_point(name: str) -> tuple[int, str]:
    """Layer and site of a hook point: `blocks.3.hook_resid_pre` → (3, "hook_resid_pre").

    A Hugging Face module path (`model.layers.3.mlp`) gives the module's own name as site, which may
    end in `.input` or `.output` (its output is meant without it). A whole block's edges are
    "hook_resid_pre" and "hook_resid_post". A hook point outside of all blocks has layer -1. Which
    head of a site is read (`parse_head`) is not told.
    """
    name, _ = parse_head(name)
    match = _TRANSFORMER_LENS.fullmatch(name)
    if match is not None and (match.group(2).startswith("hook_") or ".hook_" in match.group(2)):
        return int(match.group(1)), match.group(2)
    match = _HUGGING_FACE.fullmatch(name)
    if match is not None:
        module = match.group(2) or ""
        return int(match.group(1)), _EDGES.get(module, module)
    return -1, name


def parse_head(name: str) -> tuple[str, int | None]:
    """Hook point and attention head: `blocks.3.attn.hook_z.head_5` → ("blocks.3.attn.hook_z", 5).

    None where a hook point is read whole.
    """
    match = _HEAD.fullmatch(name)
    return (name, None) if match is None else (match.group(1), int(match.group(2)))


def of_head(name: str, head: int) -> str:
    """The name of one head's part of a hook point."""
    return f"{name}.head_{head}"


def choose_name(hook_name: str, hf_hook_name: str | None) -> str:
    """The name that tells what an SAE was trained on, where sae_lens says both names.

    Hugging Face's is what the trainers wrote, and sae_lens's translation of it may be another place
    (Gemma Scope 2's `pre_feedforward_layernorm.output` is no `hook_mlp_in`). Where both are the
    same place, it is TransformerLens's.
    """
    if hf_hook_name is None:
        return hook_name
    layer, site = parse_hook_point(hook_name)
    hf_layer, hf_site = parse_hook_point(hf_hook_name)
    same = layer == hf_layer and (hf_site, site) in _SAME
    return hook_name if same else hf_hook_name
