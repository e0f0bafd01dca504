"""Position ranges: how a context is cut into the cells that are judged one by one.

Position 0 is the BOS token, which no mean includes, and the last position C - 1 of the measured
context C has no next token and so no loss: ranges lie within 1 .. C - 2.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from sae_checks.errors import UserError
from sae_checks.records import PositionRange

# Where the default ranges past the training context begin, in training contexts; then doubling.
PAST_EDGES = (Fraction(1), Fraction(5, 4), Fraction(3, 2), Fraction(2))

_RANGE = re.compile(r"\s*(\d+)\s*:\s*(\d+)\s*")
_LONGEST = 12  # digits of a position


@dataclass(frozen=True)
class PositionRanges:
    """The ranges one SAE is judged in; either tuple may be empty."""

    in_context: tuple[PositionRange, ...]
    past_context: tuple[PositionRange, ...]


def in_context_range(training_context: int | None, context: int) -> PositionRange:
    """Positions with a loss inside the training context: 1 .. T-1, cut by the measured one.

    Where T is not declared (None), all that was measured counts as inside: 1 .. C-2.
    """
    inside = context if training_context is None else training_context
    if inside < 2 or context < 3:
        raise UserError(
            "a training context needs 2 tokens or more and a measured context 3 or more, got "
            f"{inside} and {context}"
        )
    return PositionRange(1, min(inside - 1, context - 2))


def past_context_range(training_context: int | None, context: int) -> PositionRange | None:
    """Positions with a loss past the training context: T .. C-2; None where there are none.

    What is past a training context that is not declared cannot be told: None.
    """
    if training_context is None or context - 2 < training_context:
        return None
    return PositionRange(training_context, context - 2)


def position_ranges(training_context: int | None, context: int) -> PositionRanges:
    """The default ranges for training context T and measured context C.

    Inside: 1, 2:3, 4:7, ... doubling, up to T-1. Past: from T, 1.25T, 1.5T, 2T, 4T, 8T, ... up to
    C-2. A last range cut to under half its length joins the one before it, as it would be noise.
    """
    inside = in_context_range(training_context, context)
    edges = [1]
    while edges[-1] <= inside.last:
        edges.append(edges[-1] * 2)
    past = past_context_range(training_context, context)
    if past is None:
        return PositionRanges(_cut(edges, inside.last), ())
    past_edges = [int(edge * past.first) for edge in PAST_EDGES]
    while past_edges[-1] <= past.last:
        past_edges.append(past_edges[-1] * 2)
    return PositionRanges(_cut(edges, inside.last), _cut(past_edges, past.last))


def place_ranges(
    ranges: tuple[PositionRange, ...], training_context: int | None, context: int
) -> PositionRanges:
    """A user's ranges for one SAE: cut to what was measured, split at the training context."""
    inside = in_context_range(training_context, context)
    past = past_context_range(training_context, context)
    return PositionRanges(
        tuple(cut for each in ranges if (cut := _overlap(each, inside))),
        tuple(cut for each in ranges if past and (cut := _overlap(each, past))),
    )


def parse_range(text: str) -> PositionRange:
    """One range written "16:127"; both ends count."""
    match = _RANGE.fullmatch(text)
    if match is None:
        raise UserError(f'"{text}" is not a range of positions: write first:last, such as "16:127"')
    if max(len(match[1]), len(match[2])) > _LONGEST:
        raise UserError(f'"{text[:40]}" is not a range of positions: no text is as long as that')
    first, last = int(match[1]), int(match[2])
    if first == 0:
        raise UserError(
            f'"{text}" starts at position 0, the BOS token, which no mean includes: start at 1'
        )
    if first > last:
        raise UserError(f'"{text}" ends before it starts: write the smaller position first')
    return PositionRange(first, last)


def parse_ranges(text: str) -> tuple[PositionRange, ...]:
    """Ranges written "1:15,16:127", in the order given."""
    ranges = tuple(parse_range(part) for part in text.split(","))
    for index, each in enumerate(ranges):
        if each in ranges[:index]:
            raise UserError(f'the range {each} stands twice in "{text}": name it once')
    return ranges


def _cut(edges: list[int], last: int) -> tuple[PositionRange, ...]:
    """The ranges between rising edges (equal ones give none), the final one ending at `last`."""
    ranges: list[PositionRange] = []
    for first, following in pairwise(edges):
        if first == following or first > last:
            continue
        short = min(following - 1, last) - first + 1 < (following - first) / 2
        if short and ranges:
            first = ranges.pop().first
        ranges.append(PositionRange(first, min(following - 1, last)))
    return tuple(ranges)


def _overlap(a: PositionRange, b: PositionRange) -> PositionRange | None:
    first, last = max(a.first, b.first), min(a.last, b.last)
    return PositionRange(first, last) if first <= last else None
