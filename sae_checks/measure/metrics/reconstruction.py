"""Distances in activation space."""

from __future__ import annotations

import torch
from torch import Tensor


def norm(x: Tensor) -> Tensor:
    """‖x‖₂ of activations (..., d); (...), in units of activation."""
    length: Tensor = torch.linalg.vector_norm(x, dim=-1, dtype=torch.float32)
    return length


def norm_of_reconstruction(x: Tensor, reconstruction: Tensor) -> Tensor:
    """‖x̂‖₂ of reconstructions (..., d), whatever their activations (..., d); (...)."""
    return norm(reconstruction)


def squared_distance(x: Tensor, y: Tensor) -> Tensor:
    """Σ_d (x − y)², summed over d and not divided by it, as in the study and in sae_lens.

    With y the reconstruction this is `mse`; with y the mean activation, a token's part of the
    variance that explained variance divides by.

    Args:
        x: (..., d).
        y: (..., d), or broadcastable to it.

    Returns:
        (...), in activation².
    """
    difference = x.float() - y.float()
    distance: Tensor = torch.linalg.vecdot(difference, difference)
    return distance
