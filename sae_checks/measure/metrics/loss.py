"""What the model loses when an activation is replaced: next-token loss and KL divergence."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class LossBaseline:
    """The clean model's prediction on some tokens, kept while spliced predictions are compared."""

    logits: Tensor  # (N, V)
    log_normalizer: Tensor  # (N,), log Σ_v exp(logit)
    probabilities: Tensor  # (N, V)

    @classmethod
    def of(cls, logits: Tensor) -> LossBaseline:
        log_normalizer = torch.logsumexp(logits, dim=-1)
        return cls(logits, log_normalizer, torch.exp(logits - log_normalizer.unsqueeze(-1)))


def cross_entropy(logits: Tensor, targets: Tensor, log_normalizer: Tensor | None = None) -> Tensor:
    """−ln p(target), in nats: log Σ_v exp(logit_v) − logit_target.

    Args:
        logits: (N, V) in float32.
        targets: (N,) int64, the next tokens.
        log_normalizer: (N,) where it is known already.

    Returns:
        (N,).
    """
    if log_normalizer is None:
        log_normalizer = torch.logsumexp(logits, dim=-1)
    return log_normalizer - logits.gather(-1, targets.unsqueeze(-1)).squeeze(-1)


def kl_divergence(clean: LossBaseline, logits: Tensor, log_normalizer: Tensor) -> Tensor:
    """KL(p_clean ‖ p) over the vocabulary, in nats.

    Σ_v p_clean (logit_clean − logit) + log Z − log Z_clean. Differences of logits are taken before the
    sum, so that close distributions do not cancel and equal ones give exactly 0.

    Args:
        clean: the unpatched prediction on N tokens.
        logits: (N, V) of the spliced model; overwritten.
        log_normalizer: (N,), its log Σ_v exp(logit).

    Returns:
        (N,); never negative but for rounding, which is cut at 0.
    """
    difference = torch.sub(clean.logits, logits, out=logits)  # (N, V)
    mean_difference = torch.linalg.vecdot(clean.probabilities, difference)
    return (mean_difference + log_normalizer - clean.log_normalizer).clamp(min=0.0)
