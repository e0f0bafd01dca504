"""What silence says of how many are alive."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_checks.judge.silence import most_at_rate, silence, units_to_bound


def test_by_hand():
    assert silence(0.5, 3) == 0.125
    # Were more than 20 alive, more than half of them would be silent in 1 sample of 4 at most.
    assert most_at_rate(10, 0.5, 3, 0.25) == 20
    assert most_at_rate(10, 0.5, 2, 0.25) == math.inf
    assert units_to_bound(0.5, 0.25) == 3


@given(
    seen=st.integers(0, 1000),
    rate=st.floats(0.001, 0.9),
    units=st.integers(1, 5000),
    error=st.floats(1e-6, 0.4),
)
def test_more_units_say_more(seen: int, rate: float, units: int, error: float):
    bound = most_at_rate(seen, rate, units, error)
    assert bound >= seen
    assert most_at_rate(seen, rate, units + 1, error) <= bound
    assert most_at_rate(seen, rate, units, error / 2) >= bound
    enough = units_to_bound(rate, error)
    if seen:
        assert (bound == math.inf) == (units < enough)


@pytest.mark.parametrize("together", [False, True], ids=["apart", "together"])
def test_the_bound_is_too_low_at_any_sample_size_as_seldom_as_promised(together: bool):
    """Looked at after every unit, of features that are active apart, or all on the same units."""
    generator, alive, rate, error = np.random.default_rng(0), 20, 0.05, 0.1
    runs, units, missed = 2000, 120, 0
    bound = cache(lambda seen, n: most_at_rate(seen, rate, n, error))
    for _ in range(runs):
        first = generator.geometric(rate, 1 if together else alive)  # the unit it is first seen on
        seen = np.sum(first <= np.arange(1, units + 1)[:, None], axis=1)  # (units,)
        seen = seen * alive if together else seen
        bounds = [bound(s, n + 1) for n, s in enumerate(seen.tolist())]
        missed += min(bounds) < alive
    # All at once is the worst case: the promise is kept, and hardly more than that.
    assert missed / runs <= error + 3 * math.sqrt(error / runs)
    assert missed / runs > (0.05 if together else -1)
