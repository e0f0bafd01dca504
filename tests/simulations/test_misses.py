"""How often a claim that is beyond limit and margin passes: in at most 5% of runs."""

from __future__ import annotations

import numpy as np
import pytest

from sae_checks.judge.thresholds import Limit
from tests.simulations.looks import LimitedCell, look, run, stops_of
from tests.simulations.populations import COST, LOGNORMAL, USUAL, Population
from tests.simulations.release import error
from tests.simulations.test_error_rates import SAMPLES, noise

RUNS = 20_000


def misses(population: Population, texts: int, growing: bool, below: bool, margin: float) -> float:
    """The share of runs in which a claim that lies just where its margin ends passes."""
    limit = Limit("SD", max=0, margin=margin)
    rng = np.random.default_rng(2)
    looks = look(population.draw(rng, RUNS, texts), stops_of(texts, growing))
    looks = looks.mirrored() if below else looks
    missed = run(looks.moved(margin), LimitedCell(limit, error("claim")), growing).passed.mean()
    mode, end = "default" if growing else "fixed", "min" if below else "max"
    print(
        f"\n{population}, {texts} texts, {mode}, {end}, margin {margin:g} SD: a claim at its "
        f"margin's end passes in {missed:.1%} of runs",
        end=" ",
    )
    return float(missed)


@pytest.mark.parametrize("below", [False, True], ids=["max", "min"])
@pytest.mark.parametrize(("texts", "growing"), SAMPLES)
@pytest.mark.parametrize("population", [*USUAL, LOGNORMAL], ids=str)
def test_a_claim_beyond_its_margin(population: Population, texts: int, growing: bool, below: bool):
    for margin in (0.05, 0.25, 1.0):
        missed = misses(population, texts, growing, below, margin)
        assert missed <= 0.05 + noise(0.05, RUNS)


@pytest.mark.parametrize("share", [0.01, 0.02, 0.05, 0.1])
def test_rare_texts_that_a_small_sample_lacks(share: float):
    """The others cost 0.2 ± 0.1 nats, for a limit of 0.35; with the rare ones it is 0.5 to 3.2.

    64 texts lack them in (1 - share)^64 of runs: 53%, 27%, 4% and 0.1%. Nothing in such a sample
    tells of them; of the other samples at most 5% may miss them.
    """
    lacking = (1 - share) ** 64
    rng = np.random.default_rng(7)
    texts = rng.normal(0.2, 0.1, (RUNS, 390)) + COST * (rng.random((RUNS, 390)) < share)
    held = LimitedCell(Limit("nats", max=0.35, margin=0.05), error("claim"))
    missed = [
        run(look(texts[:, :size], stops_of(size, growing)), held, growing).passed.mean()
        for size, growing in ((64, False), (390, True), (390, False))
    ]
    print(
        f"\n{share:.0%} of texts cost {COST:g} nats: {lacking:.1%} of samples of 64 lack them; "
        f"missed by 64 texts in {missed[0]:.1%} of runs, by a default run of 390 in "
        f"{missed[1]:.1%}, by a fixed one in {missed[2]:.1%}",
        end=" ",
    )
    least = noise(lacking, RUNS)
    assert abs(missed[0] - lacking) <= 0.05 * (1 - lacking) + least
    # A default run first looks at 64 texts, and stops there where they are clear.
    assert missed[1] <= lacking + 0.05 * (1 - lacking) + least
    assert missed[2] <= (1 - share) ** 390 + 0.05
