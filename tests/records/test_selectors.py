"""Patterns match what they are meant for, and are written as TOML reads them."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sae_checks.records import PositionRange
from sae_checks.records.selectors import (
    SELECTORS,
    Glob,
    Inside,
    OneOf,
    property_names,
    toml_text,
)

texts = st.text(st.characters(exclude_categories=["Cs"]))
ranges = st.tuples(st.integers(1, 50), st.integers(0, 50)).map(
    lambda pair: PositionRange(pair[0], sum(pair))
)


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        (Glob("blocks.*"), ["blocks.3", "blocks."], ["Blocks.3", "block", ""]),
        (Glob("1:*"), [PositionRange(1, 3)], [PositionRange(2, 3)]),  # as it is written
        (OneOf((9, 10)), [9, 10], [1, 11, "9"]),
        (Inside(PositionRange(4, 7)), [PositionRange(4, 7), PositionRange(5, 6)], []),
        (Inside(PositionRange(4, 7)), [], [PositionRange(3, 7), PositionRange(4, 8), "4:7"]),
    ],
)
def test_what_a_pattern_matches(pattern, matching, others):
    assert all(pattern.matches(value) for value in matching)
    assert not any(pattern.matches(value) for value in others)


def test_patterns_as_messages_and_files_have_them():
    patterns = [Glob('a"*'), OneOf((9, 10)), Inside(PositionRange(4, 7))]
    assert [str(each) for each in patterns] == ['a"*', "9, 10", "4:7"]
    assert [each.toml for each in patterns] == ['"a\\"*"', "[9, 10]", '"4:7"']
    assert [each.positions for each in patterns] == [float("inf"), float("inf"), 3]


def test_the_properties_of_all_selectors():
    assert property_names(SELECTORS) == [
        *("release", "sae", "layer", "hook"),
        *("first_position", "last_position", "task"),
    ]


@given(texts)
@example("😀")  # JSON escapes it as two signs of 16 bits, which TOML refuses
@example("\x7f")  # which JSON has as it is, and TOML refuses
@example("line\nend\\\"'")
def test_any_text_is_written_as_toml_reads_it(text):
    assert tomllib.loads(f"key = {toml_text(text)}") == {"key": text}


@given(texts, texts)
@example("a*[b]?", "axb?")
@example("[!a]", "[b]")
def test_the_glob_of_a_text_matches_it_and_no_other(text, other):
    pattern = Glob.of(text)
    assert pattern.matches(text)
    assert pattern.matches(other) == (text == other)


@given(ranges, ranges)
def test_the_pattern_of_a_range_matches_it_and_what_lies_within(outer, inner):
    pattern = Inside.of(outer)
    assert pattern.matches(outer)
    within = set(range(inner.first, inner.last + 1)) <= set(range(outer.first, outer.last + 1))
    assert pattern.matches(inner) == within
