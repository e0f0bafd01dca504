"""Whether attention and MLP add to the residual stream what their hook points say.

An architecture that scales what it adds, or norms it on the way by a module of another name, has no
hook point whose value is what is added; that is tried when one is bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor

from sae_checks.errors import ModelError
from sae_checks.load.hook_points import BoundHookPoint, TriedOut, bind_hook_point

_IN, _ATTENTION, _MLP, _OUT = "hook_resid_pre", "hook_attn_out", "hook_mlp_out", "hook_resid_post"
# Site -> two groups of sites whose values add up to the same.
_SUMS: dict[str, tuple[Sequence[str], Sequence[str]]] = {
    "hook_attn_out": ((_IN, _ATTENTION, _MLP), (_OUT,)),
    "hook_mlp_out": ((_IN, _ATTENTION, _MLP), (_OUT,)),
    "hook_resid_mid": ((_IN, _ATTENTION), ("hook_resid_mid",)),
}


def refuse_other_sums(
    bound: BoundHookPoint, base: Any, tried: TriedOut, tokens: Tensor, tolerance: float
) -> None:
    """Try whether the block of a hook point adds up to its output.

    Args:
        bound: a hook point; only those that are added, or a part of a sum, are tried.
        base: the trunk.
        tried: what is known of it.
        tokens: (B, T), any that it reads.
        tolerance: largest difference, relative to the sum.

    Raises:
        ModelError: it does not.
    """
    sums = _SUMS.get(bound.site_name)
    if sums is None:
        return
    try:
        left, right = (_sum(bound, names, base, tried, tokens) for names in sums)
    except ModelError:  # a block without attention, or without an MLP that is a module
        return
    difference = float((left - right).abs().max())
    if not difference <= tolerance * max(float(right.abs().max()), 1.0):
        raise ModelError(
            f"hook point {bound.name!r} of {type(base).__name__}: the residual stream and what "
            f"attention and MLP put out do not add up (off by {difference:.2g}); this architecture "
            "scales or changes it on the way, and is not supported there"
        )


@torch.inference_mode()
def _sum(
    bound: BoundHookPoint, sites: Sequence[str], base: Any, tried: TriedOut, tokens: Tensor
) -> Tensor:
    """The sum of some sites of the hook point's block, (B, T, d), in float32."""
    taps: dict[str, Tensor] = {}
    with ExitStack() as stack:
        for site in sites:
            name = f"blocks.{bound.block}.{site}"
            other = bind_hook_point(name, bound.blocks, base, False, tried.moments)
            stack.enter_context(other.tap(taps))
        base(input_ids=tokens, use_cache=False)
    return torch.stack([each.float() for each in taps.values()]).sum(dim=0)
