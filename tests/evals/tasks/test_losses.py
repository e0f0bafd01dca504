"""What tokens of items lost: kept by item and position, through joins and cuts."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sae_checks.evals.tasks.losses import MOST, LossTable

figures = st.floats(-50, 50)
places = st.dictionaries(st.tuples(st.integers(0, 9), st.integers(0, 20)), figures, max_size=20)


def table_of(figures: dict[tuple[int, int], float]) -> LossTable:
    """From rows in any order."""
    rows = np.array([*figures], dtype=np.int64).reshape(-1, 2)
    return LossTable.of(rows[:, 0], rows[:, 1], np.array([*figures.values()], dtype=np.float64))


def test_thousandths_of_a_nat_by_position():
    table = table_of({(3, 7): 0.1234, (1, 2): -1.0, (3, 5): 2e-4})
    assert (table.item.tolist(), table.position.tolist()) == ([1, 3, 3], [2, 5, 7])
    assert table.of_item(3) == {5: 0.0, 7: 0.123}
    assert table.of_item(2) == {}


def test_what_is_undefined_has_no_row_and_what_is_infinite_the_largest():
    table = table_of({(0, 1): np.inf, (0, 2): np.nan, (0, 3): 1.0, (0, 4): -1e300})
    assert table.of_item(0) == {1: MOST, 3: 1.0, 4: -MOST}


@given(places, st.integers(0, 9))
def test_parts_are_the_whole_in_either_order(figures: dict[tuple[int, int], float], cut: int):
    whole = table_of(figures)
    first = table_of({place: each for place, each in figures.items() if place[0] < cut})
    second = table_of({place: each for place, each in figures.items() if place[0] >= cut})
    for joined in (first.join(second), second.join(first), whole.kept()):
        for name, values in whole.arrays().items():
            assert joined.arrays()[name].tolist() == values.tolist()
    for item in range(10):
        expected = {at: round(each, 3) for (of, at), each in figures.items() if of == item}
        found = whole.of_item(item)
        assert found.keys() == expected.keys()
        assert all(abs(found[at] - expected[at]) < 1.1e-3 for at in found)
