"""What became of a test, in the terms of reports, and which of many needs looking at most."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal, get_args

from sae_checks.session.result import Outcome

Level = Literal[
    "not measurable",  # an error, or a value that is not a number
    "failed",
    "insufficient evidence",  # undecided, and the run fails for it
    "accepted",  # failed, and accepted as known
    "undecided",  # neither passed nor failed, and the run does not fail for it
    "unexpectedly passed",  # accepted as a known failure, and passes
    "passed",
    "reported",  # nothing was asked
    "not applicable",
]
# From what needs looking at most to what needs it least.
LEVELS: tuple[Level, ...] = get_args(Level)
# What a run fails for.
FAILING: tuple[Level, ...] = ("not measurable", "failed", "insufficient evidence")
_RANK = {level: rank for rank, level in enumerate(LEVELS)}


def level(outcome: Outcome) -> Level:
    """What became of a test."""
    verdict, became = outcome.verdict, outcome.outcome
    if verdict is None or became == "error" or verdict.status == "undefined":
        return "not measurable"
    if became == "failed":
        return "insufficient evidence" if verdict.status == "undecided" else "failed"
    if became == "passed":
        return "reported" if verdict.status == "reported" else "passed"
    return next(each for each in LEVELS if each == became)


def counts(outcomes: Iterable[Outcome]) -> dict[Level, int]:
    """How many of each level there are, the worst first; none that there are none of."""
    found = Counter(map(level, outcomes))
    return {each: found[each] for each in LEVELS if found[each]}


def fails(found: Mapping[Level, int]) -> bool:
    """Whether a run fails for any of these."""
    return any(found.get(each) for each in FAILING)


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The one to look at first: by level, claims before ranges, then furthest beyond its limit.

    Raises:
        ValueError: there are none.
    """
    return min(outcomes, key=_urgency)


def _urgency(outcome: Outcome) -> tuple[int, bool, bool, float]:
    limited = outcome.verdict is not None and not outcome.verdict.limit.report_only
    is_range = outcome.cell.family == "range"
    return _RANK[level(outcome)], is_range, not limited, -excess(outcome)


def excess(outcome: Outcome) -> float:
    """How far the value lies beyond its nearest limit, as a share of it; negative within."""
    if outcome.verdict is None:
        return math.inf
    value, limit = outcome.verdict.estimate.value, outcome.verdict.limit
    if math.isnan(value):
        return math.inf
    distances = []
    if limit.max is not None:
        distances.append((value - limit.max) / (abs(limit.max) or 1.0))
    if limit.min is not None:
        distances.append((limit.min - value) / (abs(limit.min) or 1.0))
    return max(distances, default=value)
