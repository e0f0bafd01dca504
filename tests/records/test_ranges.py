from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_checks.errors import UserError
from sae_checks.records import PositionRange
from sae_checks.records.ranges import parse_ranges, place_ranges, position_ranges


def shown(training_context: int | None, context: int) -> str:
    ranges = position_ranges(training_context, context)
    return " ".join(map(str, ranges.in_context)) + " | " + " ".join(map(str, ranges.past_context))


@pytest.mark.parametrize(
    ("training_context", "context", "expected"),
    [
        (
            128,
            1024,
            "1:1 2:3 4:7 8:15 16:31 32:63 64:127 | 128:159 160:191 192:255 256:511 512:1022",
        ),
        (64, 256, "1:1 2:3 4:7 8:15 16:31 32:63 | 64:79 80:95 96:127 128:254"),
        (128, 128, "1:1 2:3 4:7 8:15 16:31 32:63 64:126 | "),  # the last position has no loss
        (128, 64, "1:1 2:3 4:7 8:15 16:31 32:62 | "),
        (100, 512, "1:1 2:3 4:7 8:15 16:31 32:63 64:99 | 100:124 125:149 150:199 200:510"),
        (65, 128, "1:1 2:3 4:7 8:15 16:31 32:64 | 65:80 81:96 97:126"),  # 64:64 joined
        (128, 130, "1:1 2:3 4:7 8:15 16:31 32:63 64:127 | 128:128"),
        (2, 20, "1:1 | 2:2 3:3 4:7 8:18"),
        (None, 64, "1:1 2:3 4:7 8:15 16:31 32:62 | "),  # not declared: all counts as inside
    ],
)
def test_default_ranges(training_context, context, expected) -> None:
    assert shown(training_context, context) == expected


@given(st.integers(2, 2000), st.integers(3, 5000))
def test_default_ranges_cover_every_position_with_a_loss_once(training_context, context) -> None:
    ranges = position_ranges(training_context, context)
    both = [*ranges.in_context, *ranges.past_context]
    positions = [p for each in both for p in range(each.first, each.last + 1)]
    assert positions == list(range(1, context - 1))
    assert all(each.last < training_context for each in ranges.in_context)
    assert all(each.first >= training_context for each in ranges.past_context)


def test_contexts_without_positions_are_refused() -> None:
    with pytest.raises(UserError) as error:
        position_ranges(128, 2)
    assert str(error.value) == (
        "a training context needs 2 tokens or more and a measured context 3 or more, got 128 and 2"
    )


def test_a_users_ranges_are_cut_and_split() -> None:
    ranges = place_ranges(parse_ranges("1:15,100:200,300:5000"), 128, 1024)
    assert ranges.in_context == (PositionRange(1, 15), PositionRange(100, 127))
    assert ranges.past_context == (PositionRange(128, 200), PositionRange(300, 1022))
    assert place_ranges(parse_ranges("64:127"), 32, 64).in_context == ()


def test_parse_ranges() -> None:
    assert parse_ranges("1:15, 16:127") == (PositionRange(1, 15), PositionRange(16, 127))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", '"" is not a range of positions: write first:last, such as "16:127"'),
        ("1:15,", '"" is not a range of positions: write first:last, such as "16:127"'),
        ("1-15", '"1-15" is not a range of positions: write first:last, such as "16:127"'),
        ("-1:15", '"-1:15" is not a range of positions: write first:last, such as "16:127"'),
        ("0:15", '"0:15" starts at position 0, the BOS token, which no mean includes: start at 1'),
        ("15:1", '"15:1" ends before it starts: write the smaller position first'),
        ("1:2,1:2", 'the range 1:2 stands twice in "1:2,1:2": name it once'),
    ],
)
def test_malformed_ranges_are_refused(text, message) -> None:
    with pytest.raises(UserError) as error:
        parse_ranges(text)
    assert str(error.value) == message


@given(st.lists(st.tuples(st.integers(1, 999), st.integers(0, 999)), min_size=1, unique=True))
def test_written_ranges_parse_back(pairs) -> None:
    ranges = tuple(PositionRange(first, first + more) for first, more in pairs)
    assert parse_ranges(",".join(map(str, ranges))) == ranges
