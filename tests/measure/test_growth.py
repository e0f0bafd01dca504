"""Tables that grow: who is measured on which units, what is stored, what the stopping rule sees."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_checks.measure import blocks
from tests import builders
from tests.measure.made_growth import Run, stretch


@pytest.fixture(autouse=True)
def doubling(monkeypatch):
    """Blocks that double are easier to count in than those a third longer."""
    monkeypatch.setattr(blocks, "GROWTH", 2.0)


def test_settled_saes_drop_out_of_later_blocks():
    run = Run(size=100, needs={"early": 1, "late": 30, "never": 1_000})
    units = run.found(run.grow())
    assert run.calls == [
        ("early late never", stretch(0, 16)),
        ("late never", stretch(16, 32)),
        ("never", stretch(32, 64)),
        ("never", stretch(64, 100)),
    ]
    assert {each: len(of) for each, of in units.items()} == {"early": 16, "late": 32, "never": 100}
    assert run.store.written == []  # nothing that is stored gives way


def test_the_stopping_rule_is_asked_before_every_block_with_all_there_is():
    run = Run(size=50, needs={"a": 1, "b": 1_000})
    run.grow()
    assert run.asked == [{}, {"a": 16, "b": 16}, {"a": 16, "b": 32}]


def test_a_stored_sae_that_is_settled_is_left_as_it_is():
    run = Run(size=64, needs={"a": 10}, before={"a": stretch(0, 32)})
    assert run.found(run.grow()) == {"a": stretch(0, 32)}
    assert (run.calls, run.told) == ([], [32])


def test_of_what_no_verdict_asks_for_a_first_block_is_measured():
    """Such as an evaluation that is only reported, beside stored tables that settle its SAE."""
    run = Run(size=64, needs={"a": 0})
    assert run.found(run.grow()) == {"a": stretch(0, 16)}
    assert run.calls == [("a", stretch(0, 16))]


def test_an_sae_may_become_unsettled_again(monkeypatch):
    """Cells of a whole release need every SAE, also those that needed no more of their own."""
    run = Run(size=64, needs={"a": 1, "b": 1_000})
    answers = iter([{"a", "b"}, {"b"}, {"a", "b"}])
    monkeypatch.setattr(run, "unsettled", lambda *asked: next(answers))
    run.found(run.grow())
    assert run.calls == [
        ("a b", stretch(0, 16)),
        ("b", stretch(16, 32)),
        ("a", stretch(16, 64)),
        ("b", stretch(32, 64)),
    ]


def test_the_whole_budget_in_parts():
    """As in a run whose sample is fixed before: nobody's lengths matter."""
    run = Run(size=100, needs={"a": 1, "b": 1}, adaptive=False, part=40)
    run.found(run.grow())
    assert run.calls == [
        ("a b", stretch(0, 40)),
        ("a b", stretch(40, 80)),
        ("a b", stretch(80, 100)),
    ]
    assert sum(run.told) == run.left == 200


ODD = {"shortest": "odd", "part": 4}


def test_what_was_stopped_within_a_block_goes_on_there():
    """Parts are of the odd units first: [17, 19, 21, 23] of the block from 16 to 32 is there."""
    run = Run(
        size=64,
        needs={"stopped": 20, "new": 20},
        before={"stopped": [*stretch(0, 16), 17, 19, 21, 23]},
        **ODD,
    )
    units = run.found(run.grow())
    assert units == {"stopped": stretch(0, 32), "new": stretch(0, 32)}
    measured = [unit for names, of in run.calls if "stopped" in names for unit in of]
    assert sorted(measured) == [u for u in stretch(16, 32) if u not in (17, 19, 21, 23)]


def test_what_was_stopped_within_a_block_is_looked_at_where_that_began():
    """Its further units are the shortest items of the block, and no sample."""
    before = {"a": [*stretch(0, 16), 17, 19, 21, 23], "b": [1, 3, 5, 7]}
    run = Run(size=64, needs={"a": 18, "b": 2}, before=before, **ODD)
    run.grow()
    assert run.asked == [{"a": 16}, {"a": 16, "b": 16}, {"a": 32, "b": 16}]


def test_who_would_be_settled_within_a_block_goes_on_to_its_end():
    """Else it would stay a table of the shortest items, judged as if they were a sample."""
    run = Run(size=64, needs={"a": 2}, before={"a": [1, 3, 5, 7]}, **ODD)
    assert run.found(run.grow()) == {"a": stretch(0, 16)}
    late = Run(size=64, needs={"a": 2}, before={"a": [*stretch(0, 16), 17, 19, 21, 23]}, **ODD)
    assert late.found(late.grow()) == {"a": stretch(0, 32)}


def test_a_fixed_run_ends_the_block_under_way_of_one_that_stops_early():
    there = [*stretch(0, 16), 17, 19, 21, 23]
    run = Run(size=64, needs={"a": 1}, before={"a": there}, adaptive=False, **ODD)
    assert run.found(run.grow()) == {"a": stretch(0, 64)}
    assert sum(len(units) for _, units in run.calls) == 64 - len(there)
    assert run.calls[0] == ("a", [25, 27, 29, 31])
    assert run.store.written == []


def test_a_run_that_stops_early_ends_the_block_under_way_of_a_fixed_one():
    there = stretch(0, 40)[1::2]  # the first parts of all 64
    run = Run(size=64, needs={"a": 1, "b": 1}, before={"a": there}, **ODD)
    assert run.found(run.grow()) == {"a": stretch(0, 64), "b": stretch(0, 16)}
    assert run.store.written == []


def test_units_of_other_batch_sizes_begin_anew():
    run = Run(size=64, needs={"a": 20}, before={"a": [*stretch(0, 16), 17, 19]}, **ODD)
    assert run.found(run.grow()) == {"a": stretch(0, 32)}
    assert run.store.written == ["a"]  # once: what is stored gives way to the first part


def test_of_several_tables_one_may_have_a_part_already():
    """A death between the storing of two tables of one intervention."""
    at = [None, builders.sae_ref("later")]
    run = Run(size=32, needs={"a": 1_000}, before={"a": stretch(0, 16)})
    assert run.found(run.grow(at)) == {"a": stretch(0, 32), "a at later": stretch(0, 32)}
    assert run.calls == [("a", stretch(0, 16)), ("a", stretch(16, 32))]


def test_without_one_that_cannot_be_read_any_more_what_others_observe_is_measured():
    """Its own tables end where it failed; those of others with the same SAE spliced in do not."""
    at = [builders.sae_ref("later"), builders.sae_ref("last")]
    run = Run(size=32, needs={"a": 1_000, "b": 1_000}, unreadable="last")
    assert run.found(run.grow(at)) == {
        "a at later": stretch(0, 32),
        "b at later": stretch(0, 32),
    }
    run = Run(size=32, needs={"a": 1_000, "b": 1_000}, unreadable="a")
    assert run.found(run.grow([builders.sae_ref("later")])) == {
        "a at later": [],
        "b at later": stretch(0, 32),
    }


@given(st.data())
def test_every_unit_is_there_once_and_progress_adds_up(data: st.DataObject):
    """Whatever was stored before, and whoever drops out where."""
    size, part = data.draw(st.integers(1, 70)), data.draw(st.integers(1, 20))
    first = data.draw(st.integers(1, 20))
    adaptive, shortest = data.draw(st.booleans()), data.draw(st.sampled_from(["first", "odd"]))
    looks = blocks.schedule(size, first)
    needs, before = {}, {}
    for each in range(data.draw(st.integers(1, 4))):
        needs[f"sae {each}"] = data.draw(st.integers(0, 90))
        start = data.draw(st.sampled_from([0, *looks]))
        end = data.draw(st.sampled_from([look for look in looks if look > start] or [start]))
        there = Run(size, {}, part=part, shortest=shortest).parts(start, end, None, None)
        whole = there[: data.draw(st.integers(0, len(there)))]
        before[f"sae {each}"] = sorted([*range(start), *(int(u) for of in whole for u in of)])
    run = Run(size, needs, before, adaptive=adaptive, first=first, part=part, shortest=shortest)
    units = run.found(run.grow())
    for each, found in units.items():
        assert set(before[each]) <= set(found)
        assert found == stretch(0, len(found))
        assert len(found) >= (min(needs[each], size) if adaptive else size)
    measured = sum(len(of) * (names.count("sae")) for names, of in run.calls)
    assert measured == sum(len(found) - len(before[each]) for each, found in units.items())
    assert sum(run.told) == run.left == sum(size - len(there) for there in before.values())
    assert run.store.written == []
