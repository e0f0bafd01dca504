"""What happened to a test in few signs: a mark for its level, a value with its unit, its limit."""

from __future__ import annotations

import math
from collections.abc import Mapping

from sae_checks.judge.thresholds import Limit
from sae_checks.report.overview.levels import Level
from sae_checks.report.sentence import number

# One sign each, and one where a terminal has ASCII alone.
MARKS: Mapping[Level, tuple[str, str]] = {
    "not measurable": ("E", "E"),
    "failed": ("✗", "X"),
    "insufficient evidence": ("?", "?"),
    "accepted": ("!", "!"),
    "undecided": ("~", "~"),
    "unexpectedly passed": ("+", "+"),
    "passed": ("✓", "."),
    "reported": ("·", ":"),
    "not applicable": ("–", "n"),
}
_UNITS = {
    "times": "×",
    "fraction": "",
    "points": " pts",
    "features": "",
    "correlation": "",
    "cosine": "",
    "training contexts": " ctx",
    "activation²": "",
}


def mark(level: Level, *, ascii_only: bool = False) -> str:
    """The sign of a level; never its colour alone says what it is."""
    return MARKS[level][ascii_only]


def short_value(value: float | None, unit: str) -> str:
    """Three significant digits and the unit, as short as it goes: "462×", "0.01 nats"."""
    if value is None:
        return "not measured"
    if math.isnan(value):
        return "undefined"
    return short_number(value) + _UNITS.get(unit, f" {unit}")


def short_number(value: float) -> str:
    """Three significant digits."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if abs(value) >= 1e6 or abs(value) < 1e-3:
        return f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e+")
    return number(float(f"{value:.3g}"))


def short_limit(limit: Limit) -> str:
    """As "<= 0.3", ">= 1", "1 to 300", or "" where there is none."""
    if limit.min is not None and limit.max is not None:
        return f"{number(limit.min)} to {number(limit.max)}"
    if limit.max is not None:
        return f"<= {number(limit.max)}"
    return "" if limit.min is None else f">= {number(limit.min)}"
