"""How often an interval holds the true value: at least 94% of the time for a nominal 95%.

Where few texts make most of a sum, a dozen of them do not tell how much: that case has a bound of
its own, which docs/how-sure.md names.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sae_checks.judge.coverage import FIXED
from sae_checks.judge.estimate import Estimate
from sae_checks.judge.ranks import association_influence, rank_association
from sae_checks.judge.statistics import (
    difference_of_shares,
    linearised,
    ratio_of_means,
    ratio_of_sums,
)
from tests.simulations.samples import MEANS, TOKENS, skewed_texts

RUNS = 3000
LEAST = 0.94
EXCEPTIONS = {(skewed_texts, 8): 0.93, (skewed_texts, 16): 0.93}


def coverage(draw: Callable[[np.random.Generator], tuple[Estimate, float]]) -> float:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(RUNS):
        estimate, truth = draw(rng)
        held += estimate.low <= truth <= estimate.high
    return held / RUNS


def least(sampler: object, texts: int) -> float:
    return EXCEPTIONS.get((sampler, texts), LEAST)


@pytest.mark.parametrize("texts", [8, 16, 32, 97])
@pytest.mark.parametrize("sampler", MEANS)
def test_means_over_texts_of_unequal_length(sampler, texts):
    def draw(rng):
        counts = rng.integers(TOKENS // 4, TOKENS + 1, texts)
        sums = (sampler(rng, texts) * (np.arange(TOKENS) < counts[:, None])).sum(axis=1)
        return ratio_of_sums(sums, counts, counts, FIXED), MEANS[sampler]

    assert coverage(draw) >= least(sampler, texts)


@pytest.mark.parametrize("texts", [16, 97])
@pytest.mark.parametrize("sampler", MEANS)
def test_growth(sampler, texts):
    """Of a range over another one of the same texts."""

    def draw(rng):
        shared = rng.normal(0, 0.2, texts)
        here = sampler(rng, texts).sum(axis=1) + shared * TOKENS
        base = 2 * (sampler(rng, texts).sum(axis=1) + shared * TOKENS)
        counts = np.full(texts, TOKENS)
        return ratio_of_means(here, counts, base, counts, FIXED), 0.5

    assert coverage(draw) >= least(sampler, texts)


@pytest.mark.parametrize("texts", [16, 97])
@pytest.mark.parametrize("sampler", MEANS)
def test_ratios_of_two_quantities(sampler, texts):
    """Explained variance and recovered loss: a sum over another, paired on each token."""

    def draw(rng):
        whole = 4 + 0.3 * sampler(rng, texts)
        part = 0.1 * whole + 0.05 * (sampler(rng, texts) - MEANS[sampler])
        counts = np.full(texts, TOKENS)
        return ratio_of_sums(part.sum(axis=1), whole.sum(axis=1), counts, FIXED), 0.1

    assert coverage(draw) >= least(sampler, texts)


@pytest.mark.parametrize("items", [30, 125, 1000])
@pytest.mark.parametrize(
    ("only_clean", "only_sae"), [(0.001, 0.0005), (0.02, 0.01), (0.2, 0.05), (0.97, 0.001)]
)
def test_accuracy_drops_at_0_and_1_too(only_clean, only_sae, items):
    def draw(rng):
        drawn = rng.multinomial(items, [only_clean, only_sae, 1 - only_clean - only_sae])
        estimate = difference_of_shares(int(drawn[0]), int(drawn[1]), items, FIXED)
        return estimate, only_clean - only_sae

    assert coverage(draw) >= LEAST


@pytest.mark.parametrize("items", [40, 250])
@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.8])
def test_rank_correlations(correlation, items):
    """Of normal pairs, whose Spearman's correlation is 6/π · arcsin(ρ/2)."""
    truth = 6 / np.pi * np.arcsin(correlation / 2)

    def draw(rng):
        x = rng.normal(size=items)
        y = correlation * x + np.sqrt(1 - correlation**2) * rng.normal(size=items)
        rho = float(rank_association(x, y))
        return linearised(rho, association_influence(x, y), FIXED, -1, 1), truth

    assert coverage(draw) >= LEAST
