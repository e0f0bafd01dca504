"""The simulations' arrays say what the gate says, cell by cell."""

from __future__ import annotations

import numpy as np
import pytest

from sae_checks.judge.coverage import Coverage
from sae_checks.judge.statistics import ratio_of_sums
from sae_checks.judge.thresholds import Limit
from sae_checks.judge.verdict import FEWEST_UNITS, FEWEST_UNITS_TO_STOP, Verdict, judge
from sae_checks.records import FloatArray
from sae_checks.session import stopping
from tests.simulations.looks import LimitedCell, judged, look, settled, stops_of
from tests.simulations.populations import LOGNORMAL, USUAL, Population

TOKENS = 32
HELD = LimitedCell(Limit("nats", max=0.2, margin=0.15), shared=0.001)


def verdict(texts: FloatArray, held: LimitedCell, budget: int, growing: bool) -> Verdict:
    """As `DecisionRule` makes it."""
    on_the_way = growing and len(texts) < budget
    estimates = []
    for error in (held.own, held.shared):
        whole = Coverage.one_sided(error, stopping=growing)
        coverage = whole.on_the_way() if on_the_way else whole.at_the_end()
        counts = np.full(len(texts), TOKENS)
        estimates.append(ratio_of_sums(texts * TOKENS, counts, counts, coverage))
    fewest = FEWEST_UNITS_TO_STOP if on_the_way else FEWEST_UNITS
    return judge(estimates[0], held.limit, estimates[1], fewest=fewest)


def stopped(one: Verdict, held: LimitedCell, budget: int) -> bool:
    ends = (Coverage.one_sided(e, stopping=True).at_the_end() for e in (held.own, held.shared))
    return stopping.settled(one, budget, *ends)


@pytest.mark.parametrize("growing", [True, False])
@pytest.mark.parametrize("population", [*USUAL, LOGNORMAL], ids=str)
def test_arrays_and_the_gate_agree(population: Population, growing: bool):
    rng, budget = np.random.default_rng(4), 200
    texts = population.draw(rng, 60, budget, alike=0.3) + rng.normal(0.2, 0.3, (60, 1))
    looks = look(texts, stops_of(budget, growing))
    fails, passes = judged(looks, HELD, growing)
    stops = settled(looks, HELD, fails, passes)
    seen = set()
    for k, stop in enumerate(looks.stops):
        for cell in range(len(texts)):
            one = verdict(texts[cell, :stop], HELD, budget, growing)
            assert (fails[cell, k], passes[cell, k]) == (
                one.status == "fail",
                one.status == "pass",
            )
            if stop < budget:
                assert stops[cell, k] == stopped(one, HELD, budget)
            seen.add((one.status, bool(stops[cell, k])))
    statuses = {status for status, _ in seen}
    assert statuses == {"pass", "fail", "undecided"}
