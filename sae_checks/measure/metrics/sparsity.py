"""How many features are active, and how strongly."""

from __future__ import annotations

import torch
from torch import Tensor


def l0(features: Tensor) -> Tensor:
    """Number of active features: Σ_i [f_i ≠ 0].

    ≠ rather than >, so that negative activations (AbsTopK) count; as sae_lens's evals do.

    Args:
        features: feature activations (..., d_sae).

    Returns:
        (...), in features; a NaN activation counts as active and shows in `l1`.
    """
    return torch.count_nonzero(features, dim=-1).to(torch.float32)


def l1(features: Tensor) -> Tensor:
    """Σ_i |f_i| over the feature activations (..., d_sae); (...), in units of activation."""
    return torch.linalg.vector_norm(features, ord=1, dim=-1, dtype=torch.float32)
