"""What holds of the figures of any table of texts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_checks.evals.context.table import ContextTable
from tests.evals.context.made_up import activations, cell
from tests.tables import changed

seeds = st.integers(0, 10_000)


def estimates(measured: ContextTable, positions: str) -> list[float]:
    one = cell(measured, positions)
    every = [
        one.mean("mse"),
        one.mean("mse", massive=False),
        one.growth("mse"),
        one.mean_difference("mse", "norm"),
    ]
    return [end for each in every for end in (each.value, each.low, each.high)]


@given(seeds)
def test_the_order_of_texts_does_not_matter(seed) -> None:
    *_, of_table = activations(seed)
    order = np.random.default_rng(seed).permutation(of_table.texts)
    shuffled = changed(
        of_table,
        columns={name: values[order] for name, values in of_table.columns.items()},
        massive=of_table.massive[order],
    )
    assert estimates(of_table, "3:7") == pytest.approx(estimates(shuffled, "3:7"))
    one, other = cell(of_table, "3:7"), cell(shuffled, "3:7")
    assert one.explained_variance().low == pytest.approx(other.explained_variance().low)


@given(seeds)
def test_texts_and_positions_that_were_not_measured_change_nothing(seed) -> None:
    *_, of_table = activations(seed)
    padding = ((0, 2), (0, 5))
    padded = changed(
        of_table,
        columns={
            name: np.pad(values, padding, constant_values=np.nan)
            for name, values in of_table.columns.items()
        },
        massive=np.pad(of_table.massive, padding),
    )
    assert estimates(of_table, "3:7") == pytest.approx(estimates(padded, "3:7"))


@given(seeds, st.integers(2, 7))
def test_a_range_is_the_weighted_mean_of_its_parts(seed, middle) -> None:
    *_, of_table = activations(seed)
    whole, first, second = (
        cell(of_table, positions).mean("mse")
        for positions in ("1:8", f"1:{middle}", f"{middle + 1}:8")
    )
    assert whole.tokens == first.tokens + second.tokens
    total = first.value * first.tokens + second.value * second.tokens
    assert whole.value * whole.tokens == pytest.approx(total)


@given(seeds, st.sampled_from([0.01, 7.0, 1e4]))
def test_scaling_activations_leaves_ratios_alone(seed, scale) -> None:
    *_, of_table = activations(seed)
    sums = of_table.position_sums
    scaled = changed(
        of_table,
        columns={
            name: values * (scale if name == "norm" else scale**2)
            for name, values in of_table.columns.items()
        },
        position_sums=replace(
            sums,
            ordinary_sums=sums.ordinary_sums * scale,
            massive_sums=sums.massive_sums * scale,
        ),
    )
    for estimate in (
        lambda one: one.explained_variance(),
        lambda one: one.explained_variance(massive=False),
        lambda one: one.growth("mse"),
    ):
        before, after = estimate(cell(of_table, "4:9")), estimate(cell(scaled, "4:9"))
        assert after.value == pytest.approx(before.value)
        assert after.high == pytest.approx(before.high)
