"""How often a release that is exactly at its limits everywhere fails: in at most 5% of runs."""

from __future__ import annotations

import numpy as np
import pytest

from sae_checks.judge.coverage import Coverage
from sae_checks.judge.statistics import ratio_of_sums
from sae_checks.judge.thresholds import Limit
from sae_checks.judge.verdict import judge
from sae_checks.measure.blocks import schedule
from tests.simulations.samples import MEANS, TOKENS

CELLS, TEXTS, RUNS = 40, 97, 400
# 5% of 400 runs, and two standard errors of that share.
MOST = 0.05 + 2 * np.sqrt(0.05 * 0.95 / RUNS)


def verdict_of(values: np.ndarray, limit: Limit, own: Coverage, shared: Coverage) -> str:
    sums, counts = values.sum(axis=1), np.full(len(values), TOKENS)
    estimates = [ratio_of_sums(sums, counts, counts, each) for each in (own, shared)]
    return judge(estimates[0], limit, "pass", estimates[1]).status


def release(rng: np.random.Generator, sampler, texts: int) -> list[np.ndarray]:
    """Cells of one release: the same texts, so that what is hard for one is hard for many."""
    common = sampler(rng, texts)
    return [(common + sampler(rng, texts)) / 2 for _ in range(CELLS)]


@pytest.mark.parametrize("sampler", MEANS)
@pytest.mark.parametrize("upper", [True, False])
def test_a_fixed_sample(sampler, upper):
    """Limits above as well as below; a skewed sample errs to one side only."""
    limit = Limit("nats", **{"max" if upper else "min": MEANS[sampler]})
    own = Coverage(0.95)
    rng, failed = np.random.default_rng(1), 0
    for _ in range(RUNS):
        cells = release(rng, sampler, TEXTS)
        failed += any(
            verdict_of(cell, limit, own, own.shared_by(CELLS)) == "fail" for cell in cells
        )
    assert failed / RUNS <= MOST


@pytest.mark.parametrize("sampler", MEANS)
def test_a_sample_that_is_looked_at_while_it_grows(sampler):
    """Blocks as the gate takes them: fails counted at whichever look they occur."""
    limit = Limit("nats", max=MEANS[sampler])
    spent = Coverage(0.95, stopping=True)
    stops = schedule(256, 16)
    rng, failed = np.random.default_rng(2), 0
    for _ in range(RUNS // 2):
        cells = release(rng, sampler, stops[-1])
        failed += any(_fails_at_some_look(cell, limit, spent, stops) for cell in cells)
    assert failed / (RUNS // 2) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / (RUNS // 2))


def _fails_at_some_look(cell, limit, spent, stops) -> bool:
    for stop in stops:
        both = [spent, spent.shared_by(CELLS)]
        own, shared = [c.at_the_end() if stop == stops[-1] else c.on_the_way() for c in both]
        if verdict_of(cell[:stop], limit, own, shared) == "fail":
            return True
    return False


@pytest.mark.parametrize("sampler", MEANS)
def test_passing_by_stopping_early(sampler):
    """A cell that is at its limit passes as rarely as its own interval promises."""
    limit = Limit("nats", max=MEANS[sampler])
    spent = Coverage(0.95, stopping=True)
    stops = schedule(256, 16)
    rng, passed = np.random.default_rng(3), 0
    for _ in range(2 * RUNS):
        cell = sampler(rng, stops[-1])
        for stop in stops:
            end = stop == stops[-1]
            own = spent.at_the_end() if end else spent.on_the_way()
            if verdict_of(cell[:stop], limit, own, own) == "pass":
                passed += 1
                break
    # One side of a two-sided 95%, in the worst case all of it.
    assert passed / (2 * RUNS) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / (2 * RUNS))
