"""What becomes of an answer: its probability's rank, and how it stands among candidates."""

from __future__ import annotations

import torch
from torch import Tensor


def rank(log_p: Tensor, targets: Tensor) -> Tensor:
    """How many tokens are at least as probable as the target, itself included: 1 is the arg-max.

    A tie counts against the target: a model that finds all tokens equal knows no answer.

    Args:
        log_p: ln p over the vocabulary, (N, V).
        targets: (N,) int64.

    Returns:
        (N,) float64; NaN where ln p of the target is NaN.
    """
    own = log_p.gather(-1, targets.unsqueeze(-1))  # (N, 1)
    count = (log_p >= own).sum(dim=-1).double()
    return torch.where(own.squeeze(-1).isnan(), torch.nan, count)


def margin(log_p: Tensor, candidates: Tensor) -> Tensor:
    """By how much ln p(answer) exceeds ln p(the best other candidate), in nats.

    The unembedding's normalisation cancels, so that with two candidates this is their logit
    difference (Wang et al. 2022, "Interpretability in the Wild", for indirect objects).

    Args:
        log_p: ln p over the vocabulary, (N, V).
        candidates: (N, k) int64 token ids, the answer first; -1 fills rows with fewer.

    Returns:
        (N,) float64.
    """
    values = log_p.gather(-1, candidates.clamp(min=0)).double()  # (N, k)
    others = values[:, 1:].masked_fill(candidates[:, 1:] < 0, -torch.inf)
    # amax passes NaN on, so that a broken candidate is not taken for a beaten one.
    return values[:, 0] - others.amax(dim=-1)
