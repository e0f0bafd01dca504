"""One SAE on the activations of a batch: each token encoded once, piece by piece.

A piece fits the cache, and feature activations are looked at on their way from the encoder to the
decoder: no token × feature matrix of a whole batch is ever held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from sae_checks.load.sae import LoadedSae
from sae_checks.measure.dataset import Batch

# Given the index pair (units, positions) of a piece, and its feature activations (..., d_sae).
SeesFeatures = Callable[[tuple[Any, Any], Tensor], None]


@torch.inference_mode()
def reconstruct(
    sae: LoadedSae,
    x: Tensor,
    batch: Batch,
    listening: Iterable[SeesFeatures],
    written: Tensor | None = None,
) -> Tensor:
    """What an SAE makes of activations.

    Args:
        sae: whose hook point the activations are of.
        x: (B, T, d_in), where it reads.
        batch: says which tokens are encoded.
        listening: shown the features of each piece.
        written: (B, T, d_out), what stands where it writes; `x` without it, as SAEs do.

    Returns:
        (B, T, d_out): reconstructions, and what stands there where nothing is encoded.
    """
    reconstruction = (x if written is None else written).clone()
    for piece in batch.pieces(sae):
        features, decoded = _reconstruct(sae, x[piece])  # (..., d_sae), (..., d_out)
        reconstruction[piece] = decoded.to(reconstruction.dtype)
        for see in listening:
            see(piece, features)
    return reconstruction


def replaced(batch: Batch, x: Tensor, reconstruction: Tensor) -> Tensor:
    """(B, T, d): what takes the activation's place in the model."""
    return torch.where(batch.replaced.unsqueeze(-1), reconstruction, x)


def _reconstruct(sae: LoadedSae, x: Tensor) -> tuple[Tensor, Tensor]:
    if not sae.sequence_aware or x.ndim > 2:
        return sae.reconstruct(x)
    features, decoded = sae.reconstruct(x.unsqueeze(0))  # as the text that it is
    return features.squeeze(0), decoded.squeeze(0)
