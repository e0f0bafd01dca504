from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sae_checks.measure.metrics import norm, squared_distance

seeds = st.integers(0, 2**31)


def activations(seed):
    return torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(seed))


def test_by_hand():
    x = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    y = torch.tensor([[0.0, 0.0], [1.0, -2.0]])
    assert norm(x).tolist() == [5.0, 0.0]
    assert squared_distance(x, y).tolist() == [25.0, 5.0]  # summed over d, not divided by it


@given(seeds, st.floats(0.01, 100))
def test_scaling(seed, factor):
    x, y = activations(seed), activations(seed + 1)
    torch.testing.assert_close(norm(factor * x), factor * norm(x), rtol=1e-5, atol=1e-6)
    found = squared_distance(factor * x, factor * y)
    torch.testing.assert_close(found, factor**2 * squared_distance(x, y), rtol=1e-4, atol=1e-6)


@given(seeds, st.permutations(range(8)))
def test_the_order_of_dimensions_does_not_matter(seed, order):
    x, y = activations(seed), activations(seed + 1)
    torch.testing.assert_close(norm(x[..., list(order)]), norm(x))
    found = squared_distance(x[..., list(order)], y[..., list(order)])
    torch.testing.assert_close(found, squared_distance(x, y))


@given(seeds)
def test_a_distance(seed):
    x, y = activations(seed), activations(seed + 1)
    assert torch.equal(squared_distance(x, y), squared_distance(y, x))
    assert (squared_distance(x, x) == 0).all()
    torch.testing.assert_close(squared_distance(x, torch.zeros(8)), norm(x).square())
    torch.testing.assert_close(squared_distance(x + 1, y + 1), squared_distance(x, y))


def test_half_precision_is_summed_in_float32():
    x = torch.full((1, 4096), 100.0, dtype=torch.float16)  # x · x is beyond float16
    assert norm(x).item() == pytest.approx(6400)
    assert squared_distance(x, torch.zeros_like(x)).item() == pytest.approx(4096e4)
