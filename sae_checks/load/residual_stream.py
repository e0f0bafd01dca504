"""What the residual stream carries from one hook point to a later one, by itself."""

from __future__ import annotations

from torch import Tensor

from sae_checks.load.language_model import CleanPass, LanguageModel
from sae_checks.resolve.model_order import is_residual_stream


def carried(
    model: LanguageModel, clean: CleanPass, hook_point: str, replacement: Tensor, later: str
) -> Tensor:
    """x_b + (x̂_a − x_a): a replacement at a, as b sees it where blocks between add what they did.

    Attention and MLP layers from a on write what they wrote in the clean pass; the stream is a sum,
    so that what is changed of it at a arrives at b unchanged.

    Args:
        model: which read the residual stream at both hook points.
        clean: the pass without the replacement.
        hook_point: a, of the residual stream.
        replacement: x̂_a, (B, T, d_model), in the basis of the tap.
        later: b, of the residual stream too.

    Returns:
        (B, T, d_model), in the basis of b's tap.

    Raises:
        ValueError: one of them is not of the residual stream.
    """
    for name in (hook_point, later):
        if not is_residual_stream(name):
            raise ValueError(f"{name} is not of the residual stream, which alone carries a change")
    change = replacement - clean.taps[hook_point]
    if model.centered:  # b is read with its mean over d_model subtracted
        change = change - change.mean(dim=-1, keepdim=True)
    return clean.taps[later] + change
