"""Populations of texts whose mean is known exactly, from which samples of cells are drawn."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import ndtr

from sae_checks.records import FloatArray
from tests.simulations import samples

TEXTS = 1 << 17  # of a population
COST = 30.0  # nats, of a rare text


@dataclass(frozen=True, eq=False)
class Population:
    """Means over the tokens of a text, of all texts there are.

    Attributes:
        name: in test ids and in what is printed.
        make: so many texts' means.
    """

    name: str
    make: Callable[[np.random.Generator, int], FloatArray]

    @cached_property
    def texts(self) -> FloatArray:
        """(TEXTS,), sorted, in standard deviations from their mean: so that its mean is 0."""
        made = np.sort(self.make(np.random.default_rng(0), TEXTS))
        return (made - made.mean()) / made.std()

    def draw(
        self, rng: np.random.Generator, cells: int, texts: int, alike: float = 0.0
    ) -> FloatArray:
        """(cells, texts): what is large for one cell is large for others where `alike` is above 0.

        Each cell by itself is a sample of the population. Between cells it is a normal copula of
        this correlation, text by text.
        """
        if not alike:
            return self.texts[rng.integers(0, TEXTS, (cells, texts))]
        common, own = rng.normal(size=(1, texts)), rng.normal(size=(cells, texts))
        rank = ndtr(math.sqrt(alike) * common + math.sqrt(1 - alike) * own)
        return self.texts[np.minimum((rank * TEXTS).astype(int), TEXTS - 1)]

    def __str__(self) -> str:
        return self.name


def _over_tokens(sampler: samples.Sampler) -> Population:
    return Population(sampler.__name__, lambda rng, texts: sampler(rng, texts).mean(axis=1))


def rare(share: float) -> Population:
    """A share of the texts costs `COST`, the others 0.2 ± 0.3 nats."""

    def make(rng: np.random.Generator, texts: int) -> FloatArray:
        return rng.normal(0.2, 0.3, texts) + COST * (rng.random(texts) < share)

    return Population(f"rare_{share:.0%}", make)


def _one_token(rng: np.random.Generator, texts: int) -> FloatArray:
    return np.exp(rng.normal(0, 1, texts))


NORMAL = _over_tokens(samples.normal)
SKEWED_TEXTS = _over_tokens(samples.skewed_texts)
USUAL = tuple(_over_tokens(sampler) for sampler in samples.MEANS)
# Beyond what a hundred texts can tell: a skewness of 7, where ΔCE of the demo has 1.
LOGNORMAL = Population("lognormal", _one_token)
# ΔCE per text in the demo: a skewness of 1 in context (0.9 to 1.6 over its SAEs). The spread grows
# with the mean: 0.02 to 0.03 nats unharmed; with decoders halved, 0.09 at a mean of 0.16 nats and
# 0.12 at 0.22.
DEMO = Population("demo", lambda rng, texts: rng.gamma(4, size=texts))
DEMO_SPREAD = 0.16  # nats, the standard deviation of texts' means at 0.4
