"""Where blocks end, and what is left of one that was under way."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_checks.measure import blocks
from sae_checks.measure.blocks import leading, looked_at, remaining, schedule
from sae_checks.records import IntArray

LOOKS = [4, 8, 16]


@pytest.fixture(autouse=True)
def doubling(request, monkeypatch):
    """Blocks that double are easier to count in than those a third longer."""
    if "as_it_is" not in request.node.name:
        monkeypatch.setattr(blocks, "GROWTH", 2.0)


def test_the_schedule_as_it_is():
    assert schedule(100, 16) == [16, 20, 27, 35, 45, 59, 77, 100]
    assert schedule(16, 16) == [16]


@pytest.mark.parametrize(
    ("size", "first", "stops"),
    [
        (100, 16, [16, 32, 64, 100]),
        (64, 16, [16, 32, 64]),  # a block that ends where the budget does is the last
        (65, 16, [16, 32, 64, 65]),
        (16, 16, [16]),
        (5, 16, [5]),  # fewer than a first block: all at once
        (1, 1, [1]),
        (4, 1, [1, 2, 4]),
    ],
)
def test_blocks_double_what_there_is(size: int, first: int, stops: list[int]):
    assert schedule(size, first) == stops


@given(st.integers(1, 5_000), st.integers(1, 300))
def test_a_schedule_rises_to_the_whole_budget(size: int, first: int):
    stops = schedule(size, first)
    assert stops[-1] == size
    assert all(before < after <= 2 * before for before, after in pairwise(stops))
    assert stops[0] == min(first, size)


@pytest.mark.parametrize(
    ("units", "count"), [([], 0), ([0, 1, 2], 3), ([0, 1, 3], 2), ([1, 2], 0)], ids=str
)
def test_leading_units_are_those_before_the_first_gap(units: list[int], count: int):
    assert leading(np.array(units, dtype=np.int64)) == count


@pytest.mark.parametrize(
    ("units", "count"),
    [
        ([], 0),
        ([0, 1, 2], 0),
        ([0, 1, 2, 3], 4),
        ([0, 1, 2, 3, 5, 7], 4),
        ([0, 1, 2, 3, 4, 5, 6, 7, 9], 8),
    ],
    ids=str,
)
def test_the_last_look_was_where_whole_blocks_end(units: list[int], count: int):
    assert looked_at(np.array(units, dtype=np.int64), LOOKS) == count


def in_pairs(start: int, stop: int) -> list[IntArray]:
    """Units two at a time in an order of their own, as those of items are by length.

    Of all 16 it is 0 7, 14 5, 12 3, 10 1, 8 15, 6 13, 4 11, 2 9.
    """
    order = np.array(sorted(range(start, stop), key=lambda unit: 7 * unit % 16), dtype=np.int64)
    return [order[row : row + 2] for row in range(0, len(order), 2)]


def left(units: list[int], stop: int) -> tuple[int, int, list[list[int]]]:
    found = remaining(np.array(units, dtype=np.int64), stop, LOOKS, in_pairs)
    return found.start, found.end, lists(found.parts)


def lists(parts: Iterable[IntArray]) -> list[list[int]]:
    return [part.tolist() for part in parts]


def test_a_block_from_its_beginning():
    assert left([], 4) == (0, 4, [[0, 3], [1, 2]])
    assert left([0, 1, 2, 3], 8) == (4, 8, [[7, 5], [6, 4]])


def test_nothing_is_left_of_what_is_there():
    assert left([0, 1, 2, 3], 4) == (4, 4, [])
    assert left([0, 1, 2, 3, 5, 7], 4) == (4, 4, [])


def test_half_a_block_goes_on_after_its_last_whole_part():
    assert left([0, 3], 4) == (0, 4, [[1, 2]])
    assert left([0, 1, 2, 3, 5, 7], 8) == (4, 8, [[6, 4]])


def test_half_a_block_of_a_run_that_stops_early_is_ended_before_the_rest_is_begun():
    """Measured on with --sae-fixed: nothing is measured again."""
    assert left([0, 1, 2, 3, 5, 7], 16) == (4, 8, [[6, 4], *lists(in_pairs(8, 16))])


def test_half_of_a_fixed_run_is_ended_by_one_that_stops_early():
    assert left([0, 5, 7, 14], 4) == (0, 16, lists(in_pairs(0, 16)[2:]))


@pytest.mark.parametrize("units", [[1], [0, 2], [0, 3, 6], [0, 1, 2, 3, 5, 6]], ids=str)
def test_units_of_no_block_begin_anew(units: list[int]):
    """As where batches were of another size."""
    assert left(units, 8) == (-1, 8, [])


def test_what_is_left_is_told_apart_by_where_its_block_ends():
    of_four, of_eight = (
        remaining(np.array(units), 16, LOOKS, in_pairs) for units in ([0, 3], [0, 3, 5, 7])
    )
    assert of_four.key == (0, 4, 14)
    assert of_eight.key == (0, 8, 12)


@given(st.data())
def test_whatever_whole_parts_are_there_each_unit_is_measured_once(data: st.DataObject):
    """Blocks before, some parts of one under way, and then up to any look."""
    start = data.draw(st.sampled_from([0, *LOOKS[:-1]]))
    end = data.draw(st.sampled_from([look for look in LOOKS if look > start]))
    parts = in_pairs(start, end)
    there = np.concatenate([np.arange(start), *parts[: data.draw(st.integers(0, len(parts)))]])
    stop = data.draw(st.sampled_from(LOOKS))
    found = remaining(np.sort(there).astype(np.int64), stop, LOOKS, in_pairs)
    assert found.start >= 0
    units = np.concatenate([there, *found.parts]).astype(int).tolist()
    assert len(set(units)) == len(units)
    assert set(range(stop)) <= set(units)
