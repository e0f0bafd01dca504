"""How often an interval from two independent samples holds the true difference, or ratio.

The figures are printed: run with `-s` to see them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sae_checks.judge.coverage import FIXED, Coverage
from sae_checks.judge.estimate import Estimate
from sae_checks.judge.statistics import ratio_of_sums
from sae_checks.judge.two_samples import difference_of_samples, ratio_of_samples
from sae_checks.measure.blocks import FIRST_TEXTS, schedule
from tests.simulations.samples import MEANS, TOKENS

RUNS = 2000
LEAST = 0.94
SIZES = [(8, 97), (97, 8), (16, 16), (97, 97)]


def mean(texts: np.ndarray, coverage: Coverage = FIXED) -> Estimate:
    counts = np.full(len(texts), TOKENS)
    return ratio_of_sums(texts.sum(axis=1), counts, counts, coverage)


def share_held(draw: Callable[[np.random.Generator], Estimate], truth: float) -> float:
    rng, held = np.random.default_rng(0), 0
    for _ in range(RUNS):
        estimate = draw(rng)
        held += estimate.low <= truth <= estimate.high
    return held / RUNS


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("sampler", MEANS)
def test_differences(sampler, sizes):
    """The second sample spreads three times as far as the first."""

    def draw(rng):
        first, second = sampler(rng, sizes[0]), 3 * sampler(rng, sizes[1])
        return difference_of_samples(mean(first), mean(second), FIXED)

    held = share_held(draw, 2 * MEANS[sampler])
    print(f"difference, {sampler.__name__}, {sizes[0]} and {sizes[1]} texts: {held:.1%}")
    assert held >= LEAST


@pytest.mark.parametrize("sizes", [(32, 97), (97, 32), (97, 97)], ids=str)
@pytest.mark.parametrize("sampler", MEANS)
def test_ratios(sampler, sizes):
    """Of means that are well above 0, as L0 is."""

    def draw(rng):
        first, second = 4 + sampler(rng, sizes[0]), 4 + sampler(rng, sizes[1])
        return ratio_of_samples(mean(first), mean(second), FIXED)

    held = share_held(draw, 1)
    print(f"ratio, {sampler.__name__}, {sizes[0]} and {sizes[1]} texts: {held:.1%}")
    assert held >= LEAST


@pytest.mark.parametrize("sampler", MEANS)
def test_looking_while_the_first_sample_grows(sampler):
    """At every look, beside a second sample that was measured whole before."""
    whole, budget = Coverage(0.95, stopping=True), 390
    looks = [stop for stop in schedule(budget, FIRST_TEXTS) if stop < budget]
    rng, held, runs = np.random.default_rng(0), 0, 300
    for _ in range(runs):
        first, second = sampler(rng, budget), mean(sampler(rng, budget))
        at_looks = [
            difference_of_samples(mean(first[:stop]), second, whole.on_the_way()) for stop in looks
        ]
        at_end = difference_of_samples(mean(first), second, whole.at_the_end())
        held += all(each.low <= 0 <= each.high for each in (*at_looks, at_end))
    print(f"at {len(looks)} looks and the end, {sampler.__name__}: {held / runs:.1%}")
    assert held / runs >= LEAST
