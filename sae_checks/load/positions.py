"""The positional vectors that a model adds to its token embeddings, as far as it adds any."""

from __future__ import annotations

import torch
from torch import Tensor

from sae_checks.load.language_model import LanguageModel

FIRST_HOOK_POINT = "blocks.0.hook_resid_pre"
# How far two texts' positional vectors may differ, by the largest of them: rounding.
_TOLERANCE = 1e-4


@torch.inference_mode()
def positional_vectors(model: LanguageModel, length: int) -> Tensor | None:
    """What stands at each position of the first layer beside the token's embedding.

    Nothing is assumed of the architecture: two texts are read, and where what they have beside
    their embeddings is the same, and changes from one position to another, it is the positions'.
    It is found in any basis of the tap, and with whatever offset a model counts positions.

    Args:
        model: with `FIRST_HOOK_POINT` bound.
        length: of the texts that are measured, in tokens.

    Returns:
        (length, d_model); None where the model adds no such vectors: its positions are rotary, or
        a part of attention, or what is added depends on the token.
    """
    first = torch.arange(1, length + 1, device=model.device) % model.vocabulary
    tokens = torch.stack([first, first.flip(0)])  # (2, T)
    x = model.clean(tokens, [FIRST_HOOK_POINT]).taps[FIRST_HOOK_POINT]
    embedded = model.hf.get_input_embeddings()(tokens)
    if embedded.shape != x.shape:
        return None
    if model.centered:
        embedded = embedded - embedded.mean(dim=-1, keepdim=True)
    beside = (x - embedded).float()  # (2, T, d_model)
    scale, vectors = float(x.float().abs().max()), beside.mean(0)
    rounding = _TOLERANCE if x.dtype == torch.float32 else 100 * _TOLERANCE
    alike = float((beside[0] - beside[1]).abs().max()) <= rounding * scale
    moves = float((vectors - vectors[:1]).abs().max()) > rounding * scale
    return vectors.to(x.dtype) if alike and moves else None
