"""Influences of a rank association: against leaving out one pair at a time, and their laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_checks.judge.ranks import association_influence, rank_association

SIZE = 200


def standard_error(influence: np.ndarray) -> float:
    """As of any linearised estimate."""
    n = len(influence)
    return float(np.sqrt(n / (n - 1) * np.square(influence).sum()))


def jackknife(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(n,) the association without each pair."""
    everyone = np.arange(len(x))
    return np.array([float(rank_association(x[everyone != i], y[everyone != i])) for i in everyone])


def related(generator: np.random.Generator, strength: float) -> tuple[np.ndarray, np.ndarray]:
    x = generator.normal(size=SIZE)
    return x, strength * x + np.sqrt(1 - strength**2) * generator.normal(size=SIZE)


def uneven(generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Scatter that grows along x, and long tails."""
    x = generator.exponential(size=SIZE)
    return x, np.exp(x * generator.normal(size=SIZE))


def tied(generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    x, y = related(generator, 0.6)
    return np.round(2 * x), np.round(y)


def counts(generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One side of two values only, as right and wrong answers are."""
    x, y = related(generator, 0.5)
    return (x > 0.5).astype(float), y


SAMPLES = {
    "nothing": lambda generator: related(generator, 0.0),
    "some": lambda generator: related(generator, 0.5),
    "strong": lambda generator: related(generator, -0.9),
    "uneven": uneven,
    "ties": tied,
    "two_values": counts,
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_standard_errors_are_those_of_the_jackknife(sample, seed: int):
    x, y = sample(np.random.default_rng(seed))
    without = jackknife(x, y)
    error = np.sqrt((SIZE - 1) / SIZE * np.square(without - without.mean()).sum())
    influence = association_influence(x, y)
    assert standard_error(influence) == pytest.approx(error, rel=0.1)
    # Pair by pair too: leaving one out moves the value the other way, by its influence.
    moves = (without.mean() - without) * (SIZE - 1) / SIZE
    assert np.corrcoef(influence, moves)[0, 1] > 0.99


def test_by_hand():
    """x = y = 1, 2, 3: u = v = -1/3, 0, 1/3.

    Own products 1/9, 0, 1/9. Sums Σ_j s(x_j - x_i) v_j of i = 1: (0 + 1/3)/2 = 1/6; of 2:
    (1/3 + 1/3)/2 = 1/3; of 3: (1/3 + 0)/2 = 1/6. Both sides: 2 · 1/3 of these: 1/9, 2/9, 1/9.
    Together 2/9, 2/9, 2/9: in perfect order every pair agrees with it alike.
    """
    x = np.array([1.0, 2, 3])
    assert association_influence(x, x) == pytest.approx([0, 0, 0], abs=1e-12)
    # x against 1, 3, 2: v = -1/3, 1/3, 0. Own 1/9, 0, 0; over x 1/6, 1/6, 0; over y the same of
    # u = -1/3, 0, 1/3: 1/6, 0, 1/6. Times 1/3: 2/9, 1/18, 1/18, mean 1/9; times 12/3.
    expected = [4 / 9, -2 / 9, -2 / 9]
    assert association_influence(x, np.array([1.0, 3, 2])) == pytest.approx(expected)


def by_definition(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The docstring's formula as it stands, in O(n²)."""
    n = len(x)
    u, v = (
        np.array([(np.sign(one - z).sum() / 2) / n for one in z]) for z in (x, y)
    )  # ranks less their mean, over n
    own = [
        u[i] * v[i] + (np.sign(x - x[i]) / 2 @ v) / n + (np.sign(y - y[i]) / 2 @ u) / n
        for i in range(n)
    ]
    return 12 * (np.array(own) - np.mean(own)) / n


# Few distinct values, so that ties are common, or many.
values = st.one_of(st.integers(-3, 3), st.integers(-(10**6), 10**6)).map(float)
pairs = st.lists(st.tuples(values, values), min_size=2, max_size=30)


@given(pairs)
def test_it_is_its_definition(made):
    x, y = np.array(made).T
    assert association_influence(x, y) == pytest.approx(by_definition(x, y), abs=1e-12)


@given(pairs)
def test_influences_sum_to_0(made):
    x, y = np.array(made).T
    assert association_influence(x, y).sum() == pytest.approx(0, abs=1e-12)


@given(pairs)
def test_only_the_order_matters(made):
    x, y = np.array(made).T
    expected = association_influence(x, y)
    assert association_influence(np.cbrt(x), 5 * y - 3) == pytest.approx(expected, abs=1e-12)
    # Turned round, all that speaks for an order speaks against it.
    assert association_influence(-x, y) == pytest.approx(-expected, abs=1e-12)
    assert association_influence(y, x) == pytest.approx(expected, abs=1e-12)


@given(pairs, st.randoms(use_true_random=False))
def test_pairs_keep_their_influence_in_any_order(made, random):
    order = random.sample(range(len(made)), len(made))
    x, y = np.array(made).T
    expected = association_influence(x, y)[order]
    assert association_influence(x[order], y[order]) == pytest.approx(expected, abs=1e-12)


@given(pairs)
def test_what_does_not_vary_is_influenced_by_nobody(made):
    x, y = np.array(made).T
    assert association_influence(np.ones_like(x), y) == pytest.approx(np.zeros(len(x)), abs=1e-12)
