"""Places are told, matched and keyed by the selectors that they have, whichever these are."""

from __future__ import annotations

import re
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_checks.judge.thresholds import Override
from sae_checks.judge.thresholds_file import CheckRules, parse_thresholds
from sae_checks.records import PositionRange
from sae_checks.records.place import CellKey, CellRef, Place
from sae_checks.records.selectors import (
    POSITIONS,
    SELECTORS,
    TASK,
    Glob,
    Inside,
    OneOf,
)
from tests import stored
from tests.evals.pairs import OF_PAIRS, PAIR, Pair
from tests.places import cell_ref

SAE = stored.sae_ref(1)
SAE_ID = "blocks.1.hook_resid_pre"
OF_SAE = Place.of_sae("made-up", SAE)
OF_PAIR = Place.of_release("made-up").at(PAIR, Pair("a", "b"))
RANGE = PositionRange(4, 7)


@pytest.mark.parametrize(
    ("place", "told"),
    [
        (Place.of_release("made-up"), ("made-up",)),
        (Place.of_release("made-up").at(TASK, "ioi"), ("made-up", "ioi")),
        (OF_SAE, (SAE_ID,)),
        (OF_SAE.at(POSITIONS, RANGE), (SAE_ID, "4:7")),
        (OF_SAE.at(TASK, "ioi"), (SAE_ID, "ioi")),
        (OF_PAIR.at(POSITIONS, RANGE), ("a->b", "4:7")),
    ],
)
def test_the_release_is_told_where_no_sae_is(place: Place, told: tuple[str, ...]):
    assert place.told == told
    assert str(place) == " ".join(told)


def test_what_a_place_has():
    place = OF_SAE.at(TASK, "ioi")
    assert "task" in place
    assert "positions" not in place
    assert (place["sae"], place["layer"], place["site"]) == (SAE_ID, 1, "hook_resid_pre")
    assert place.get("positions", "none") == "none"
    with pytest.raises(KeyError, match="positions"):
        place["positions"]
    assert (place.of_saes, OF_PAIR.of_saes) == (SAE_ID, "a->b")
    assert Place.of_release("made-up").of_saes == ""
    assert place.within_saes == ((TASK, "ioi"),)
    assert OF_PAIR.at(POSITIONS, RANGE).within_saes == ((POSITIONS, RANGE),)


def test_a_place_has_one_value_of_each_selector():
    sentence = f"{SAE_ID} ioi has a task already: ioi"
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        OF_SAE.at(TASK, "ioi").at(TASK, "cbt")


def test_patterns_of_a_place():
    assert OF_SAE.at(POSITIONS, RANGE).patterns() == {
        "release": Glob("made-up"),
        "sae": Glob(SAE_ID),
        "layer": OneOf((1,)),
        "site": Glob("hook_resid_pre"),
        "trained_as": Glob("standard"),
        "positions": Inside(RANGE),
    }
    named = OF_SAE.at(POSITIONS, RANGE).patterns(naming=True)
    assert list(named) == ["release", "sae", "positions"]


def test_properties_of_a_place():
    assert OF_SAE.at(POSITIONS, RANGE).properties() == {
        "release": "made-up",
        "sae": SAE_ID,
        "layer": "1",
        "hook": SAE_ID,
        "first_position": "4",
        "last_position": "7",
    }
    assert OF_PAIR.properties() == {"release": "made-up", "pair": "a->b"}


def test_keys_are_of_what_names_a_cell_and_in_other_ids_where_these_are_given():
    place = OF_SAE.at(POSITIONS, RANGE)
    assert place.key() == (("sae", SAE_ID), ("positions", "4:7"))
    assert place.key({SAE_ID: "x"}) == (("sae", "x"), ("positions", "4:7"))
    assert place.key({"a": "x"}) is None
    assert OF_PAIR.key({"a": "x", "b": "y"}) == (("pair", "x->y"),)
    assert OF_PAIR.key({"a": "x"}) is None
    assert Place.of_release("made-up").key({}) == ()


def test_keys_tell_their_place():
    key = CellKey("delta_ce", (("pair", "a->b"), ("positions", "4:7")))
    assert (key.get("pair"), key.get("task"), key.where) == ("a->b", "", "a->b 4:7")


def test_ids_of_cells():
    ref = CellRef(OF_PAIRS, OF_PAIR)
    assert str(ref) == "a->b"
    assert str(CellRef(OF_PAIRS, OF_PAIR, compared="delta_ce")) == "delta_ce-a->b"
    key = CellKey("delta_ce", (("pair", "a->b"), ("positions", "4:7")))
    absent = CellRef(OF_PAIRS, Place.of_release("made-up"), compared="delta_ce", absent=key)
    assert str(absent) == "missing-delta_ce-a->b-4:7"


def test_what_a_cell_is_about():
    one = cell_ref("in_context", "made-up", SAE, RANGE)
    assert (one.release, one.sae, one.positions, one.task) == ("made-up", SAE, RANGE, None)
    assert not one.kind.whole_release
    whole = cell_ref("task_release", "made-up", None, task="ioi")
    assert (whole.sae, whole.positions, whole.task, whole["task"]) == (None, None, "ioi", "ioi")
    assert whole.kind.whole_release


# --- Laws --------------------------------------------------------------------------------------

names = st.text("ab*?[]!.\\\"'\n😀", max_size=4)
ranges = st.tuples(st.integers(1, 6), st.integers(0, 4)).map(
    lambda pair: PositionRange(pair[0], sum(pair))
)
VALUES = {
    "layer": st.integers(-1, 3),
    "positions": ranges,
    "pair": st.builds(Pair, names, names),
}
ALL = (*SELECTORS, PAIR)


@st.composite
def places_of_the_same_selectors(draw) -> tuple[Place, Place]:
    had = [draw(st.booleans()) for _ in ALL]
    had[0] = True
    selectors = [each for each, has in zip(ALL, had, strict=True) if has and each.pattern]
    first = {each: draw(VALUES.get(each.name, names)) for each in selectors}
    # Some values alike, so that places are often equal but for one.
    second = {each: draw(st.just(first[each]) | VALUES.get(each.name, names)) for each in selectors}
    return Place(tuple(first.items())), Place(tuple(second.items()))


@given(places_of_the_same_selectors())
def test_an_override_of_all_selectors_of_a_place_is_of_it_and_of_what_lies_within(places):
    """Written as a thresholds file has it, and read back."""
    place, other = places
    lines = [f"{name} = {pattern.toml}" for name, pattern in place.patterns().items()]
    head = '[checks.l0]\nunit = "features"\nmax = 1\nmargin = 1\n[[checks.l0.override]]\nmax = 2\n'
    read = parse_thresholds(head + "\n".join(lines), {"l0": CheckRules("features")}, selectors=ALL)
    (override,) = read.checks["l0"].overrides
    assert override == Override(place.patterns(), max=2.0)
    assert read.limit("l0", place).max == 2

    def rest(of: Place) -> list[str]:
        return [str(value) for selector, value in of.parts if selector is not POSITIONS]

    inside = "positions" not in place or (
        place["positions"].first <= other["positions"].first
        and other["positions"].last <= place["positions"].last
    )
    assert override.matches(other) == (rest(place) == rest(other) and inside)


@given(places_of_the_same_selectors())
def test_an_override_never_matches_a_place_that_lacks_one_of_its_selectors(places):
    place, _ = places
    override = Override(place.patterns(), max=2.0)
    for number in range(len(place.parts)):
        less = Place(place.parts[:number] + place.parts[number + 1 :])
        assert not override.matches(less)


@given(places_of_the_same_selectors())
def test_places_that_are_named_alike_have_one_key(places):
    place, other = places
    assert place.patterns(naming=True).keys() == other.patterns(naming=True).keys()
    named = [
        [str(v) for s, v in of.parts if s.names_cell and s.name != "release"]
        for of in (place, other)
    ]
    assert (place.key() == other.key()) == (named[0] == named[1])
    ids = {name: name for of in places for name in _sae_ids(of)}
    assert place.key(ids) == place.key()


def _sae_ids(place: Place) -> list[str]:
    pair = place.get("pair")
    ids = [] if pair is None else [pair.upstream, pair.downstream]
    return [*ids, *([place["sae"]] if "sae" in place else [])]


def test_entries_are_toml():
    name = 'a"\\\n😀'
    patterns = Place.of_release(name).patterns()
    assert tomllib.loads(f"release = {patterns['release'].toml}") == {"release": name}
