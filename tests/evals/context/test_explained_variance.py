"""The share of the variance that an SAE explains."""

from __future__ import annotations

import numpy as np
import pytest

from sae_checks.errors import UserError
from sae_checks.evals.context.table import PositionSums
from tests.evals.context.made_up import activations, cell, table
from tests.tables import changed


@pytest.mark.parametrize("with_massive", [True, False])
@pytest.mark.parametrize("positions", ["1:3", "2:9", "4:5", "1:1"])
def test_explained_variance_is_that_of_the_vectors(positions, with_massive) -> None:
    x, decoded, measured, massive, of_table = activations(seed=0)
    one = cell(of_table, positions)
    mask = measured if with_massive else measured & ~massive
    mask = mask & (np.arange(10) >= one.positions.first) & (np.arange(10) <= one.positions.last)
    tokens, errors = x[mask], (x - decoded)[mask]
    expected = 1 - (errors**2).sum() / ((tokens - tokens.mean(0)) ** 2).sum()
    estimate = one.explained_variance(massive=with_massive)
    assert estimate.value == pytest.approx(expected, rel=1e-12)
    assert estimate.tokens == mask.sum()
    assert estimate.low < estimate.value < estimate.high


def test_explained_variance_covers_the_truth() -> None:
    # x ~ N(0, 4), error ~ N(0, 1) on each axis: 1 - 1/4.
    draws, covered = 300, 0
    rng = np.random.default_rng(2)
    for _ in range(draws):
        x, error = rng.normal(0, 2, (20, 4, 3)), rng.normal(0, 1, (20, 4, 3))
        x[:, 0] = error[:, 0] = 0
        nothing = np.zeros(4), np.zeros((4, 3))
        counts = np.array([0.0, 20, 20, 20])
        measured = table(mse=(error**2).sum(-1), squared_distance=(x**2).sum(-1))
        measured = changed(measured, position_sums=PositionSums(counts, x.sum(0), *nothing))
        estimate = cell(measured, "1:3").explained_variance()
        covered += estimate.low <= 0.75 <= estimate.high
    assert 0.9 < covered / draws < 0.99


def test_explained_variance_of_constant_activations_is_undefined() -> None:
    measured = table(mse=np.ones((2, 3)), squared_distance=np.full((2, 3), 0.1 * 0.1 * 2))
    sums = PositionSums(np.array([0.0, 2, 2]), np.full((3, 2), 0.2), np.zeros(3), np.zeros((3, 2)))
    estimate = cell(changed(measured, position_sums=sums), "1:2").explained_variance()
    assert estimate.reason == "the activations do not vary"


def test_explained_variance_needs_its_columns_and_sums_to_agree() -> None:
    measured = table(mse=np.ones((2, 3)), squared_distance=np.ones((2, 3)))
    with pytest.raises(UserError) as error:
        cell(measured, "1:2").explained_variance()
    assert str(error.value) == (
        "position_sums was not measured for blocks.3.hook_resid_pre: name it in the check's needs"
    )
    sums = PositionSums(np.full(3, 3.0), np.zeros((3, 2)), np.zeros(3), np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"position_sums hold 6 tokens .* the columns hold 4"):
        cell(changed(measured, position_sums=sums), "1:2").explained_variance()
