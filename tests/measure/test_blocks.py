"""Measuring in blocks: who is measured on which stretch, and that nothing is measured twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_checks.measure import blocks
from sae_checks.measure.blocks import Blocks, schedule


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


def sae(sae_id: str) -> Any:
    """All that growing asks of an SAE."""
    return SimpleNamespace(ref=SimpleNamespace(sae_id=sae_id))


@dataclass
class LoadedModels:
    """Stands in for the engine; a table is the list of the texts that an SAE was measured on.

    Attributes:
        size: how many texts there are.
        needs: how many texts an SAE has to have before it is settled.
        calls: what was measured together: SAE ids, first text, end.
        asked: the lengths of all tables whenever the stopping was asked.
    """

    size: int
    needs: dict[str, int]
    tables: dict[str, list[int]] = field(default_factory=dict)
    calls: list[tuple[str, int, int]] = field(default_factory=list)
    asked: list[dict[str, int]] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)

    def measure(self, some: Sequence[Any], rows: slice) -> dict[str, list[int]]:
        ids = [each.ref.sae_id for each in some]
        self.calls.append((" ".join(ids), rows.start, rows.stop))
        for _ in ids:  # as the engine does: told after every SAE
            self.steps.append(rows.stop - rows.start)
        return {sae_id: list(range(rows.start, rows.stop)) for sae_id in ids}

    def unsettled(self) -> Set[str]:
        lengths = {name: len(table) for name, table in self.tables.items()}
        self.asked.append(lengths)
        return {name for name, need in self.needs.items() if lengths.get(name, 0) < need}

    def grow(self, first: int, join: Callable[..., list[int]] | None = None) -> None:
        Blocks(
            size=self.size,
            first=first,
            length=len,
            measure=self.measure,
            join=join or (lambda before, after: before + after),
            unsettled=self.unsettled,
            progress=self.steps.append,
        ).grow(self.tables, [sae(sae_id) for sae_id in self.needs])


def test_settled_saes_drop_out_of_later_blocks():
    loaded = LoadedModels(size=100, needs={"early": 1, "late": 30, "never": 1_000})
    loaded.grow(first=16)
    assert loaded.calls == [
        ("early late never", 0, 16),
        ("late never", 16, 32),
        ("never", 32, 64),
        ("never", 64, 100),
    ]
    lengths = {name: len(table) for name, table in loaded.tables.items()}
    assert lengths == {"early": 16, "late": 32, "never": 100}


def test_the_referee_is_asked_before_every_block_with_all_there_is():
    loaded = LoadedModels(size=50, needs={"a": 1, "b": 1_000})
    loaded.grow(first=16)
    assert loaded.asked == [{}, {"a": 16, "b": 16}, {"a": 16, "b": 32}]


def test_measured_saes_go_on_from_where_they_are():
    """Of an earlier run: `some` got as far as 20, `all` to the end, `new` is not there yet."""
    loaded = LoadedModels(
        size=64,
        needs={"some": 1_000, "new": 1_000, "all": 1_000},
        tables={"some": list(range(20)), "all": list(range(64))},
    )
    loaded.grow(first=16)
    assert loaded.calls == [
        ("new", 0, 16),
        # What has 16 and what has 20 meet again at 32, and go on together.
        ("new", 16, 32),
        ("some", 20, 32),
        ("some new", 32, 64),
    ]
    assert all(table == list(range(64)) for table in loaded.tables.values())


def test_a_stored_sae_that_is_settled_is_left_as_it_is():
    before = list(range(20))
    loaded = LoadedModels(size=64, needs={"a": 10}, tables={"a": before})
    loaded.grow(first=16)
    assert loaded.calls == []
    assert loaded.tables["a"] is before
    assert loaded.steps == [44]


def test_an_sae_may_become_unsettled_again():
    """Cells of a whole release need every SAE, also those that needed no more of their own."""
    loaded = LoadedModels(size=64, needs={"a": 1, "b": 1_000})
    answers = iter([{"a", "b"}, {"b"}, {"a", "b"}])
    Blocks(
        size=64,
        first=16,
        length=len,
        measure=loaded.measure,
        join=lambda before, after: before + after,
        unsettled=lambda: next(answers),
        progress=loaded.steps.append,
    ).grow(loaded.tables, [sae("a"), sae("b")])
    assert loaded.calls == [("a b", 0, 16), ("b", 16, 32), ("a", 16, 64), ("b", 32, 64)]
    assert loaded.tables["a"] == loaded.tables["b"] == list(range(64))


def test_a_first_stretch_is_joined_to_nothing():
    """A table that begins at text 0 takes the place of whatever was there."""
    joined: list[tuple[int, int]] = []

    def join(before: list[int], after: list[int]) -> list[int]:
        joined.append((len(before), len(after)))
        return before + after

    loaded = LoadedModels(size=32, needs={"a": 1_000})
    loaded.grow(first=16, join=join)
    assert joined == [(16, 16)]


def test_the_whole_budget_at_once():
    """As a run does whose sample is fixed before."""
    loaded = LoadedModels(size=100, needs={"a": 1_000, "b": 1_000})
    loaded.grow(first=100)
    assert loaded.calls == [("a b", 0, 100)]
    assert loaded.steps == [100, 100, 0]


@given(
    st.integers(1, 200),
    st.integers(1, 40),
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 200)), min_size=1, max_size=5),
)
def test_tables_hold_each_text_once_and_progress_adds_up(size, first, saes):
    """Whatever was there before and whoever drops out where."""
    needs = {f"sae {row}": need for row, (need, _) in enumerate(saes)}
    before = {f"sae {row}": min(there, size) for row, (_, there) in enumerate(saes)}
    tables = {name: list(range(length)) for name, length in before.items() if length}
    loaded = LoadedModels(size=size, needs=needs, tables=dict(tables))
    loaded.grow(first)
    for name, need in needs.items():
        found = loaded.tables.get(name, [])
        assert found == list(range(len(found)))
        assert len(found) >= min(need, size)
        # No more than what the block that settled it brought.
        assert len(found) <= max(before[name], min(size, max(first, 2 * need)))
    assert sum(loaded.steps) == sum(size - length for length in before.values())
