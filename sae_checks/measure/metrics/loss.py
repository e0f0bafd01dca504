"""What the model loses when an activation is replaced: next-token loss and KL divergence."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True)
class LossBaseline:
    """The clean model's prediction on some tokens, kept while spliced predictions are compared."""

    log_probabilities: Tensor  # (N, V)
    probabilities: Tensor  # (N, V)

    @classmethod
    def of(cls, log_probabilities: Tensor) -> LossBaseline:
        """From ln p over the vocabulary, (N, V)."""
        return cls(log_probabilities, log_probabilities.exp())

    @cached_property
    def negative_entropy(self) -> Tensor:
        """Σ_v p ln p over the vocabulary, (N,) in nats."""
        return _dot(self.probabilities, self.log_probabilities)


def log_probabilities(logits: Tensor) -> Tensor:
    """Natural logarithms of p over the vocabulary, (N, V), of logits (N, V).

    log_softmax keeps a token's logits in the cache from its maximum to its result: two thirds of
    the time of a logsumexp, which goes through memory once for each step.
    """
    return torch.log_softmax(logits, dim=-1)


def cross_entropy(log_p: Tensor, targets: Tensor) -> Tensor:
    """−ln p(target), in nats.

    Args:
        log_p: ln p over the vocabulary, (N, V) in float32.
        targets: (N,) int64, the next tokens.

    Returns:
        (N,).

    """
    return -log_p.gather(-1, targets.unsqueeze(-1)).squeeze(-1)


def kl_divergence(clean: LossBaseline, log_p: Tensor) -> Tensor:
    """KL(p_clean ‖ p) = Σ_v p_clean (ln p_clean − ln p) over the vocabulary, in nats.

    Differences of logarithms are taken before the sum, so that close distributions do not cancel
    and equal ones give exactly 0.

    Args:
        clean: the unpatched prediction on N tokens.
        log_p: ln p of the spliced model, (N, V); overwritten.

    Returns:
        (N,); never negative but for rounding, which is cut at 0.

    """
    difference = torch.sub(clean.log_probabilities, log_p, out=log_p)  # (N, V)
    return _dot(clean.probabilities, difference).clamp(min=0.0)


def kl_to_constant(clean: LossBaseline, log_q: Tensor) -> Tensor:
    """KL(p_clean ‖ q) = Σ_v p_clean ln p_clean − p_clean · ln q, in nats, q the same on all tokens.

    Of a q that is far off, as under ablation, the two terms do not cancel; so the first is taken
    once for every such q, and each costs one product of a matrix and a vector.

    Args:
        clean: the unpatched prediction on N tokens.
        log_q: ln q over the vocabulary, (V,).

    Returns:
        (N,); never negative but for rounding, which is cut at 0.
    """
    return (clean.negative_entropy - clean.probabilities @ log_q).clamp(min=0.0)


def _dot(left: Tensor, right: Tensor) -> Tensor:
    """(N,) of two (N, V).

    One dot product per token, as a product of matrices: vecdot would write all V products down.
    """
    return torch.bmm(left.unsqueeze(1), right.unsqueeze(2)).flatten()
