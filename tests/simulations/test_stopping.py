"""What stopping early costs: hardly a fail, or a block, that the whole budget would have given."""

from __future__ import annotations

import numpy as np
import pytest

from sae_checks.judge.thresholds import Limit
from tests.simulations.looks import LimitedCell, Looks, look, run, stops_of
from tests.simulations.populations import (
    DEMO,
    DEMO_SPREAD,
    NORMAL,
    SKEWED_TEXTS,
    Population,
)
from tests.simulations.release import CHECKS, error
from tests.simulations.test_error_rates import noise

RUNS = 4_000
EXCESSES = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)  # margins
MARGINS = (0.25, 0.5, 1.0)  # standard deviations of a text
CLOSE = 0.03


def both(texts: np.ndarray) -> tuple[Looks, Looks]:
    """The same samples, looked at while they grow and at the end alone."""
    size = texts.shape[1]
    return look(texts, stops_of(size, True)), look(texts, stops_of(size, False))


@pytest.mark.parametrize("texts", [64, 97, 200, 400])
@pytest.mark.parametrize("cells", [40, 400, 4000])
@pytest.mark.parametrize("population", [NORMAL, SKEWED_TEXTS], ids=str)
def test_a_default_run_blocks_what_a_fixed_one_does(population: Population, cells: int, texts: int):
    """Violations of half a margin to four of them."""
    growing, fixed = both(population.draw(np.random.default_rng(3), RUNS, texts))
    lost_fails, lost_blocks = [], []
    for margin in MARGINS:
        held = LimitedCell(Limit("SD", max=0, margin=margin), shared=0.04 / cells)
        for excess in EXCESSES:
            default = run(growing.moved(excess * margin), held, True)
            whole = run(fixed.moved(excess * margin), held, False)
            lost_fails.append(whole.failed.mean() - default.failed.mean())
            lost_blocks.append(default.passed.mean() - whole.passed.mean())
    print(
        f"\n{population}, {cells} cells, {texts} texts: at most {max(lost_fails):.1%} fewer fails "
        f"and {max(lost_blocks):.1%} fewer blocks than a fixed run",
        end=" ",
    )
    assert max(lost_fails) <= CLOSE
    assert max(lost_blocks) <= CLOSE


@pytest.mark.parametrize("margin", MARGINS)
@pytest.mark.parametrize("population", [NORMAL, DEMO, SKEWED_TEXTS], ids=str)
def test_a_healthy_release_takes_a_third_of_its_passes(population: Population, margin: float):
    """Values at half the limit, which is 7 margins, as of ΔCE. The last claim of an SAE counts."""
    limit, rng, spent = Limit("SD", max=7 * margin, margin=margin), np.random.default_rng(4), []
    for _ in range(RUNS // CHECKS):
        texts = population.draw(rng, CHECKS, 400, alike=0.5)
        looks = look(texts, stops_of(400, True)).moved(3.5 * margin)
        spent.append(run(looks, LimitedCell(limit, error("claim")), True).texts.max())
    share = np.mean(spent) / 400
    print(f"\n{population}, margin {margin:g} SD: {share:.0%} of the passes", end=" ")
    # Where few texts make most of a sum, 64 tell less.
    assert share <= (0.4 if population is SKEWED_TEXTS else 0.35)


@pytest.mark.parametrize("spread", [0.34, 0.45, 0.6])
@pytest.mark.parametrize("population", [NORMAL, SKEWED_TEXTS, DEMO], ids=str)
def test_a_kl_half_as_high_again_as_its_limit(population: Population, spread: float):
    """0.6 nats for 0.4, on 97 texts that spread by a third of a nat or more."""
    growing, fixed = both(spread * population.draw(np.random.default_rng(5), RUNS, 97))
    held = LimitedCell(Limit("nats", max=0.4, margin=0.05), error("claim"))
    default, whole = run(growing.moved(0.6), held, True), run(fixed.moved(0.6), held, False)
    print(
        f"\n{population}, spread {spread:g}: a KL of 0.6 fails in {default.failed.mean():.1%} of "
        f"default runs, {whole.failed.mean():.1%} of fixed; passes in "
        f"{default.passed.mean():.1%} and {whole.passed.mean():.1%}",
        end=" ",
    )
    assert default.failed.mean() >= whole.failed.mean() - CLOSE
    assert default.passed.mean() <= whole.passed.mean() + CLOSE


@pytest.mark.parametrize("growing", [True, False], ids=["default", "fixed"])
@pytest.mark.parametrize(("delta_ce", "least"), [(0.40, 0.90), (0.45, 0.99)])
def test_the_demos_delta_ce(delta_ce: float, least: float, growing: bool):
    """One SAE of five, on the demo's 390 texts, whose limit is 0.35 and margin 0.05 nats."""
    texts = DEMO_SPREAD * DEMO.draw(np.random.default_rng(6), RUNS, 390)
    held = LimitedCell(Limit("nats", max=0.35, margin=0.05), error("claim"))
    outcome = run(look(texts, stops_of(390, growing)).moved(delta_ce), held, growing)
    blocked = 1 - outcome.passed.mean()
    print(
        f"\nΔCE {delta_ce:g}: blocked in {blocked:.1%} of runs, fails in "
        f"{outcome.failed.mean():.1%}, on {outcome.texts.mean():.0f} texts",
        end=" ",
    )
    assert blocked >= least + noise(least, RUNS)
