from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student_t

from sae_checks.judge.coverage import Coverage
from sae_checks.judge.ranks import spearman
from sae_checks.judge.resampling import delete_a_group, jackknife

numbers = st.floats(-100, 100)


def test_by_hand() -> None:
    # 2/3 · ((1 - 2)² + 0 + (3 - 2)²) = 4/3; t(0.975, 2) = 4.3027.
    estimate = jackknife(2.5, [1, 2, 3], Coverage(0.95))
    assert estimate.standard_error == pytest.approx(math.sqrt(4 / 3))
    assert estimate.high - 2.5 == pytest.approx(4.30265273 * math.sqrt(4 / 3))
    assert estimate.low + estimate.high == pytest.approx(5)


@given(st.integers(2, 8), st.integers(1, 5), st.data())
def test_of_a_mean_it_is_the_standard_error_of_group_means(groups, size, data) -> None:
    values = np.array(data.draw(st.lists(numbers, min_size=groups * size, max_size=groups * size)))
    dealt = np.arange(groups * size) % groups
    without = delete_a_group(lambda kept: float(values[kept].mean()), dealt)
    estimate = jackknife(float(values.mean()), without, Coverage(0.9))
    means = values.reshape(size, groups).mean(axis=0)
    error = means.std(ddof=1) / math.sqrt(groups)
    assert estimate.standard_error == pytest.approx(error, abs=1e-9)
    reach = student_t.ppf(0.95, groups - 1) * error
    assert estimate.high - estimate.value == pytest.approx(reach, abs=1e-9)


def test_cut_at_what_the_statistic_can_be() -> None:
    estimate = jackknife(0.9, [-0.8, 0.9, 1.0], Coverage(0.95), -1, 1)
    assert (estimate.low, estimate.high) == (-1, 1)


@pytest.mark.parametrize("without", [[], [0.5], [0.5, math.nan, 0.6]])
def test_unbounded(without) -> None:
    """Of fewer than two groups, and of a statistic that hangs on one of them."""
    estimate = jackknife(0.5, without, Coverage(0.95), 0.0)
    assert (estimate.low, estimate.high, estimate.standard_error) == (0, math.inf, math.inf)


def test_one_group_is_not_left_out() -> None:
    assert delete_a_group(lambda kept: 1 / kept.sum(), np.zeros(4, dtype=int)).size == 0


def test_the_interval_of_a_correlation_covers_it() -> None:
    rng = np.random.default_rng(0)
    rho, items, draws, covered = 0.5, 200, 300, 0
    truth = 6 / math.pi * math.asin(rho / 2)  # Spearman's of a bivariate normal
    groups = np.arange(items) % 20
    for _ in range(draws):
        x = rng.normal(size=items)
        y = rho * x + math.sqrt(1 - rho**2) * rng.normal(size=items)
        without = delete_a_group(lambda kept, x=x, y=y: float(spearman(x[kept], y[kept])), groups)
        estimate = jackknife(float(spearman(x, y)), without, Coverage(0.95), -1, 1)
        covered += estimate.low <= truth <= estimate.high
    assert 0.91 < covered / draws < 0.98
