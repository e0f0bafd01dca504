"""Where a claim goes wrong: its worst ranges of positions, and what weighs most in it."""

from __future__ import annotations

import math
from collections.abc import Iterable

from sae_checks.judge.estimate import Estimate
from sae_checks.judge.thresholds import Limit
from sae_checks.judge.verdict import Verdict
from sae_checks.report.sentence import with_unit
from sae_checks.session.result import HeavyUnit
from sae_checks.wording import printable

SHOWN_RANGES = 3


def excess(estimate: Estimate, limit: Limit) -> float:
    """How far the value lies beyond the end of its limit that it is nearest to; negative within."""
    over = -math.inf if limit.max is None else estimate.value - limit.max
    under = -math.inf if limit.min is None else limit.min - estimate.value
    return float(max(over, under))


def worst_ranges(verdicts: Iterable[tuple[str, Verdict]]) -> str:
    """The ranges whose values lie furthest beyond their limits, or nearest to them; "" for none."""
    known = [(where, v) for where, v in verdicts if math.isfinite(v.estimate.value)]
    known.sort(key=lambda each: -excess(each[1].estimate, each[1].limit))
    shown = [
        f"{where} ({with_unit(verdict.estimate.value, verdict.limit.unit)})"
        for where, verdict in known[:SHOWN_RANGES]
    ]
    return f"worst ranges: {', '.join(shown)}" if shown else ""


def unit_lines(units: Iterable[HeavyUnit]) -> list[str]:
    """Documents by number, items by row and source, each with a few words of it."""
    return [f"  {_name(unit)}: {_quoted(unit.words)}".rstrip(": ") for unit in units]


def _name(unit: HeavyUnit) -> str:
    if unit.source is None:
        return f"document {unit.number}" + (f" of {unit.corpus}" if unit.corpus else "")
    return f"item {unit.number} ({printable(unit.source)})"


def _quoted(text: str) -> str:
    return f"“{printable(text)} …”" if text else ""
