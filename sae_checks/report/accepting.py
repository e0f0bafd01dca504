"""Failures of a run as `[[known_failure]]` entries, for a person to review and keep."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import date, timedelta

from sae_checks.judge.verdict import Verdict
from sae_checks.records.selectors import toml_text
from sae_checks.report.sentence import sentence
from sae_checks.session.result import Outcome, RunResult

# What is accepted unasked is looked at again after so many days.
LASTS = timedelta(days=90)


def accepting_lines(result: RunResult) -> list[str]:
    """The lines of a TOML file with an entry for every failed test of a run."""
    return known_failure_entries(result.outcomes, result.today).split("\n")


def known_failure_entries(outcomes: Iterable[Outcome], today: date) -> str:
    """A TOML text with an entry for every failed test.

    Each accepts its one cell, until a day, and no value further beyond the limit than the far end
    of the interval: what is noise now stays accepted, what is worse does not.
    """
    failed = [o for o in outcomes if o.outcome == "failed" and o.verdict is not None]
    return "\n".join(_entry(outcome, today) for outcome in failed)


def _entry(outcome: Outcome, today: date) -> str:
    cell, verdict = outcome.cell, outcome.verdict
    assert verdict is not None, "a failure has a verdict"
    lines = ["[[known_failure]]", f"check = {toml_text(outcome.check.title)}"]
    where = cell.place.patterns(naming=True)
    lines += [f"{name} = {pattern.toml}" for name, pattern in where.items()]
    bound = _bound(verdict)
    if math.isfinite(bound):
        lines.append(f"bound = {bound!r}")
    lines.append(f"expires = {today + LASTS}")
    said = f"to be reviewed: {sentence(verdict)}"
    lines.append(f"reason = {toml_text(said)}")
    return "\n".join(lines) + "\n"


def _bound(verdict: Verdict) -> float:
    """The far end of the interval, in the direction in which the value fails."""
    each, limit = verdict.adjusted, verdict.limit
    value = verdict.estimate.value
    if limit.min is not None and limit.max is not None and limit.min <= value <= limit.max:
        return math.nan  # undecided between two ends: neither is the one that it fails
    above = limit.max is not None and (limit.min is None or value > limit.max)
    return _four_digits(each.high if above else each.low, math.ceil if above else math.floor)


def _four_digits(value: float, towards: Callable[[float], int]) -> float:
    """Rounded away from what is to stay within."""
    if not math.isfinite(value) or value == 0:
        return value
    step = 10.0 ** (math.floor(math.log10(abs(value))) - 3)
    return float(f"{towards(value / step) * step:.4g}")
