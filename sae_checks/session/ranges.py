"""The position ranges of a run: those that its cells have, and those that share an error."""

from __future__ import annotations

from sae_checks.errors import UserError
from sae_checks.records import PositionRange, Release
from sae_checks.records.ranges import PositionRanges, place_ranges, position_ranges

RangesBySae = dict[str, PositionRanges]


def default_ranges(release: Release, context: int) -> RangesBySae:
    """The position ranges of each SAE where none are asked for, by SAE id."""
    return {sae.sae_id: position_ranges(sae.training_context, context) for sae in release.saes}


def run_ranges(release: Release, context: int, asked: tuple[PositionRange, ...]) -> RangesBySae:
    """The position ranges of each SAE, by SAE id.

    Args:
        release: whose SAEs.
        context: tokens of a text.
        asked: the ranges that were asked for; the default ones without any.

    Raises:
        UserError: a range that was asked for holds no position that is measured.
    """
    if not asked:
        return default_ranges(release, context)
    placed = {s.sae_id: place_ranges(asked, s.training_context, context) for s in release.saes}
    for positions in asked:
        if not any(_meets(positions, ranges) for ranges in placed.values()):
            raise UserError(
                f"--sae-ranges {positions} holds no position that is measured: they are 1 to "
                f"{context - 2} at a context of {context:,} tokens"
            )
    return placed


def family_ranges(release: Release, context: int, ranges: RangesBySae) -> RangesBySae:
    """The ranges that share an error: the default ones, or those asked for where they are more.

    So that a range that is asked for by itself is judged as it is beside others.
    """
    default = default_ranges(release, context)
    return {
        sae_id: PositionRanges(
            max(default[sae_id].in_context, asked.in_context, key=len),
            max(default[sae_id].past_context, asked.past_context, key=len),
        )
        for sae_id, asked in ranges.items()
    }


def _meets(positions: PositionRange, ranges: PositionRanges) -> bool:
    """Whether any of an SAE's ranges was cut from the one that was asked for."""
    cut = (*ranges.in_context, *ranges.past_context)
    return any(positions.first <= each.first and each.last <= positions.last for each in cut)
