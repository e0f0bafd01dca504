"""Samples of tokens whose true mean is known, as unlike a normal sample as texts are."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from sae_checks.records import FloatArray

TOKENS = 32  # of a text
Sampler = Callable[[np.random.Generator, int], FloatArray]


def normal(rng: np.random.Generator, texts: int) -> FloatArray:
    return rng.normal(1, 1, (texts, TOKENS))


def correlated(rng: np.random.Generator, texts: int) -> FloatArray:
    """Tokens of a text are alike: half as much spread between texts as within one."""
    return 1 + 0.5 * rng.normal(size=(texts, 1)) + rng.normal(size=(texts, TOKENS))


def heavy_tailed(rng: np.random.Generator, texts: int) -> FloatArray:
    """The same with tails that have no fourth moment."""
    own, shared = rng.standard_t(3, (texts, TOKENS)), rng.standard_t(3, (texts, 1))
    return 1 + 0.5 * shared + own


def skewed(rng: np.random.Generator, texts: int) -> FloatArray:
    """Few tokens make most of the sum, as of ΔCE."""
    return np.exp(rng.normal(0, 1, (texts, TOKENS)))


def skewed_texts(rng: np.random.Generator, texts: int) -> FloatArray:
    """Few texts make most of the sum: the hardest case."""
    return np.exp(rng.normal(0, 0.7, (texts, 1)) + rng.normal(0, 0.7, (texts, TOKENS)))


MEANS: dict[Sampler, float] = {
    normal: 1.0,
    correlated: 1.0,
    heavy_tailed: 1.0,
    skewed: math.exp(0.5),
    skewed_texts: math.exp(0.49),
}
