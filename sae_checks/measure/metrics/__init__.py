"""Pure tensor functions, by topic; sums over features, width and vocabulary are one token's."""

from sae_checks.measure.metrics.answers import margin, rank
from sae_checks.measure.metrics.loss import (
    LossBaseline,
    cross_entropy,
    kl_divergence,
    log_probabilities,
)
from sae_checks.measure.metrics.reconstruction import norm, squared_distance
from sae_checks.measure.metrics.sparsity import l0, l1

__all__ = [
    "LossBaseline",
    "cross_entropy",
    "kl_divergence",
    "l0",
    "l1",
    "log_probabilities",
    "margin",
    "norm",
    "rank",
    "squared_distance",
]
