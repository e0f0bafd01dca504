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
        (...), in features; NaN where an activation is NaN, of which nothing can be counted.
    """
    # The "norm" of order 0 counts in one vectorised pass; count_nonzero takes five times as long.
    count = torch.linalg.vector_norm(features, ord=0, dim=-1, dtype=torch.float32)
    return torch.where(features.amax(dim=-1).isnan(), torch.nan, count)


def l1(features: Tensor) -> Tensor:
    """Σ_i |f_i| over the feature activations (..., d_sae); (...), in units of activation."""
    total: Tensor = torch.linalg.vector_norm(features, ord=1, dim=-1, dtype=torch.float32)
    return total
