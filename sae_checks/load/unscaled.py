"""Norms: which take the mean off, and what they are without their gain and bias."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

# Shown a value, says what takes its place; None: it stays.
See = Callable[[Tensor], Tensor | None]


class Unscaled:
    """A norm without its gain and bias: what hook_normalized sees, and the way back from there.

    TransformerLens's norms hook (x − mean) / √(var + ε), or x / √(mean x² + ε), and multiply by
    the gain afterwards (or, folded, in the next layer).
    """

    def __init__(self, norm: nn.Module) -> None:
        self._norm = copy.deepcopy(norm)
        weight, bias = (getattr(self._norm, name, None) for name in ("weight", "bias"))
        self._gain, self._bias = 1.0, 0.0
        if bias is not None:
            self._bias = bias.detach().clone()
            bias.data.zero_()
        if weight is not None:
            gain = weight.detach().clone()
            weight.data.zero_()
            # Gemma's norms multiply by 1 + weight: with weights of 0 they are unscaled already.
            from_one = bool(self._norm(torch.ones_like(gain).cumsum(0)).any())
            self._gain = gain.float() + 1.0 if from_one else gain
            weight.data.fill_(0.0 if from_one else 1.0)

    def see(self, x: Tensor, see: See, before: bool = False) -> Tensor | None:
        """Show the normalized x (..., d); what the whole norm answers with what takes its place.

        With `before`, show x itself.
        """
        new = see(x if before else self._norm(x))
        if new is None:
            return None
        return ((self._norm(new) if before else new) * self._gain + self._bias).to(new.dtype)


def has_layer_norm(blocks: nn.Module) -> bool:
    """Whether blocks norm with LayerNorm, so that the mean over d_model is lost on all of them."""
    return any(
        isinstance(module, nn.LayerNorm) or type(module).__name__ == "OlmoLayerNorm"
        for module in blocks.modules()
    )
