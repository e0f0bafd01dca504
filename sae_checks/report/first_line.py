"""The first line of a failure: whoever cuts it anywhere has read value and limit.

As "delta_ce 0.92 > 0.5 nats at blocks.3.hook_resid_pre, positions 1 to 63: margin 0.05, interval
0.9 to 0.94, 97 texts, 3,104 tokens".
"""

from __future__ import annotations

from sae_checks.judge.check import Check
from sae_checks.judge.verdict import Verdict
from sae_checks.records.place import CellRef, Place
from sae_checks.records.selectors import POSITIONS
from sae_checks.report.sentence import evidence, number
from sae_checks.report.short import short_limit
from sae_checks.wording import visible


def first_line(check: Check, cell: CellRef, verdict: Verdict) -> str:
    """All that a failure says, in one line: figure, limit, place, margin, interval, sample."""
    what, where = value_and_limit(check, verdict), where_of_cell(cell)
    if verdict.status == "undefined":
        reason = verdict.estimate.reason or "the value is not a number"
        return visible(f"{what} at {where}: {reason}")
    margin = f"margin {number(verdict.limit.margin)}, " if verdict.limit.margin else ""
    return visible(f"{what} at {where}: {margin}{evidence(verdict)}")


def value_and_limit(check: Check, verdict: Verdict) -> str:
    """As "delta_ce 0.92 > 0.5 nats"."""
    if verdict.status == "undefined":
        return f"{check.title} undefined"
    limit, value, unit = verdict.limit, verdict.estimate.value, verdict.limit.unit
    if verdict.status == "undecided":
        said = "insufficient evidence" if verdict.family == "claim" else "undecided"
        return f"{check.title} {said}: {number(value)} {unit} against {short_limit(limit)}"
    if limit.max is not None and value > limit.max:
        return f"{check.title} {_apart(value, '>', limit.max)} {unit}"
    assert limit.min is not None, "what fails lies beyond a limit"
    return f"{check.title} {_apart(value, '<', limit.min)} {unit}"


def where_of_cell(cell: CellRef) -> str:
    """A cell's place in the words of a sentence."""
    if cell.absent is not None and cell.absent.where:
        return cell.absent.where
    return _where(cell.place)


def _where(place: Place) -> str:
    where = place.of_saes or f"release {place['release']}"
    for selector, value in place.within_saes:
        if selector == POSITIONS:
            where += f", positions {value.first} to {value.last}"
        else:
            where += f"{' on' if selector.dataset else ','} {selector.name} {value}"
    return where


def _apart(value: float, sign: str, limit: float) -> str:
    """Value and limit, in as many digits as it takes to tell them apart."""
    shown, held = number(value), number(limit)
    return f"{value:.10g} {sign} {limit:.10g}" if shown == held else f"{shown} {sign} {held}"
