"""Influences as a baseline keeps them: whole numbers of 16 bits, and those of groups."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_checks.baseline.paired import NO_INFLUENCES, Influences, influences_of_groups


def test_influences_are_whole_numbers_by_hand():
    """The largest, 3, is to be at most 32,767 steps: steps of 2^-13, of which it is 24,576."""
    kept = Influences.of([3.0, -1.0, 0.0])
    assert kept.exponent == -13
    assert kept.steps.tolist() == [24576, -8192, 0]
    assert kept.steps.dtype == np.int16
    assert kept.values.tolist() == [3.0, -1.0, 0.0]


@pytest.mark.parametrize(
    ("largest", "exponent", "steps"),
    [(32_767.0, 0, 32_767), (32_768.0, 1, 16_384), (65_534.0, 1, 32_767), (1e-300, 0, 0)],
)
def test_the_step_is_the_smallest_that_fits(largest: float, exponent: int, steps: int):
    kept = Influences.of([largest])
    assert (kept.exponent, kept.steps.tolist()) == (exponent, [steps])


def test_influences_of_nothing_and_of_what_is_not_finite():
    assert Influences.of([]).steps.shape == (0,)
    assert Influences.of([0.0, 0.0]).values.tolist() == [0, 0]
    assert Influences.of([0.1, math.nan]) is NO_INFLUENCES
    assert Influences.of([0.1, math.inf]) is NO_INFLUENCES


@given(st.lists(st.floats(-1e12, 1e12), max_size=30))
def test_rounding_is_fine_and_rounds_what_is_rounded_to_itself(values):
    kept = Influences.of(values)
    largest = max((abs(value) for value in values), default=0.0)
    np.testing.assert_allclose(kept.values, values, rtol=0, atol=largest / 2**15 + 1e-270)
    again = Influences.of(kept.values)
    assert (again.exponent, again.steps.tolist()) == (kept.exponent, kept.steps.tolist())


def test_a_group_without_which_the_value_falls_pulls_it_up():
    assert influences_of_groups([1.0, 1.0, 0.4]).values == pytest.approx(
        np.array([-0.2, -0.2, 0.4]) * 2 / 3, abs=1e-4
    )


@pytest.mark.parametrize("without", [[], [0.3], [0.3, math.nan]])
def test_where_a_group_leaves_nothing_there_are_no_influences(without):
    assert influences_of_groups(without) is NO_INFLUENCES
