"""Transcoders that are exact by construction: MLPs of ReLUs, copied."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def with_relu(gpt2: Any) -> Any:
    """A GPT-2 whose MLPs are of ReLUs, as OPT's are, so that a transcoder can be one of them."""
    gpt2.config.activation_function = "relu"
    for block in gpt2.transformer.h:
        block.mlp.act = nn.ReLU()
    return gpt2


@torch.no_grad()
def copy_mlp(mlp: Any, transcoder: Any, gain: Any = 1.0, bias: Any = 0.0) -> None:
    """Make a transcoder of sae_lens the MLP; a skip transcoder by relu(z) = relu(-z) + z.

    Args:
        mlp: of a GPT-2 with ReLUs.
        transcoder: with as many features as the MLP has hidden units.
        gain: of the norm before the MLP, where the transcoder reads what comes before the gain.
        bias: the same norm's.
    """
    w_in, w_out = mlp.c_fc.weight, mlp.c_proj.weight  # (d, h), (h, d): Conv1D
    b_in = mlp.c_fc.bias + (bias * torch.ones(len(w_in))) @ w_in
    w_in = (gain * torch.ones(len(w_in))).unsqueeze(-1) * w_in
    skips = hasattr(transcoder, "W_skip")
    sign = -1 if skips else 1
    transcoder.W_enc.copy_(sign * w_in)
    transcoder.b_enc.copy_(sign * b_in)
    transcoder.W_dec.copy_(w_out)
    transcoder.b_dec.copy_(mlp.c_proj.bias)
    if skips:
        transcoder.W_skip.copy_((w_in @ w_out).T)
        transcoder.b_dec.add_(b_in @ w_out)
    if hasattr(transcoder, "threshold"):
        transcoder.threshold.zero_()
