"""A verdict as one sentence: value, limit, margin, intervals, what it rests on, what would decide.

The sentence begins with what happened, so that a report which cuts it loses the least.
"""

from __future__ import annotations

import math

from sae_checks.judge.estimate import Estimate
from sae_checks.judge.thresholds import Limit
from sae_checks.judge.verdict import Verdict
from sae_checks.wording import counted


def sentence(verdict: Verdict) -> str:
    """The verdict for a person."""
    if verdict.status == "undefined":
        return f"undefined: {verdict.estimate.reason or 'the value is not a number'}"
    if verdict.status == "not_applicable":
        return f"not applicable: {verdict.estimate.reason}"
    value = with_unit(verdict.estimate.value, verdict.limit.unit)
    if verdict.status == "undecided":
        said = "insufficient evidence" if verdict.family == "claim" else "undecided"
        return f"{said}: {value} against {_asked(verdict.limit)} ({evidence(verdict)})"
    return f"{value} {_relation(verdict)} ({evidence(verdict)})"


def number(value: float) -> str:
    """Four significant digits, without an exponent unless it is needed."""
    if value == 0 or 1e-4 <= abs(value) < 1e6:
        digits = 3 - math.floor(math.log10(abs(value))) if value else 0
        text = f"{value:,.{max(digits, 0)}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:.3e}"


def with_unit(value: float, unit: str) -> str:
    """A figure and its unit."""
    return f"{number(value)} {unit}".rstrip()


def _relation(verdict: Verdict) -> str:
    if verdict.status == "reported":
        return "is reported without a limit"
    limit = _limit_at_stake(verdict)
    if verdict.status == "pass" and not verdict.beyond_limit:
        return f"is within {limit}"
    side = "below" if verdict.limit.below(verdict.estimate.value) else "above"
    if verdict.status == "pass":
        margin = with_unit(verdict.limit.margin, verdict.limit.unit)
        return f"is {side} {limit}, by less than its margin of {margin}"
    return f"is {side} {limit}"


def _limit_at_stake(verdict: Verdict) -> str:
    low, high, unit = verdict.limit.min, verdict.limit.max, verdict.limit.unit
    if low is not None and high is not None and not verdict.beyond_limit:
        return f"the limits {number(low)} to {with_unit(high, unit)}"
    if low is not None and (high is None or verdict.estimate.value < low):
        return f"the minimum of {with_unit(low, unit)}"
    assert high is not None, "a gated limit has a min or a max"
    return f"the maximum of {with_unit(high, unit)}"


def _asked(limit: Limit) -> str:
    """What an undecided value is held to."""
    unit, margin = limit.unit, f" and a margin of {number(limit.margin)}" if limit.margin else ""
    if limit.min is not None and limit.max is not None:
        return f"{number(limit.min)} to {with_unit(limit.max, unit)}{margin}"
    if limit.max is not None:
        return f"at most {with_unit(limit.max, unit)}{margin}"
    assert limit.min is not None, "a gated limit has a min or a max"
    return f"at least {with_unit(limit.min, unit)}{margin}"


def evidence(verdict: Verdict) -> str:
    """Intervals, what they rest on, and what would decide what is undecided."""
    each = verdict.estimate
    if each.low == -math.inf and each.high == math.inf:
        told = f"no interval from {counts(each)}"
    else:
        parts = [f"interval {_interval(each)}"]
        if verdict.status in ("fail", "undecided") and verdict.adjusted != each:
            parts.append(f"{_interval(verdict.adjusted)} with all cells of the release in view")
        told = ", ".join([*parts, counts(each)])
    if verdict.status == "undecided":
        told += "; " + _what_would_decide(verdict)
    return told


def counts(each: Estimate) -> str:
    """What an estimate rests on: "97 texts of 79 documents, 3,104 tokens"."""
    of_items = each.unit_name == "item"
    tokens = f"{each.tokens:,} {'prompt ' * of_items}tokens"
    documents = "" if each.clusters is None else f" of {counted(each.clusters, 'document')}"
    return f"{counted(each.texts, each.unit_name)}{documents}, {tokens}"


def _what_would_decide(verdict: Verdict) -> str:
    """How much more evidence it takes, and how to get it."""
    each = verdict.estimate
    option = "--sae-items" if each.unit_name == "item" else "--sae-tokens"
    name = each.unit_name if each.clusters is None else "document"
    more = f"raise {option}" + ("" if each.clusters is None else " or give more documents")
    wanted = verdict.texts_to_decide * each.units / max(each.texts, 1)
    if math.isfinite(wanted):
        return f"some {_about(wanted)} {name}s would decide it: {more}"
    if each.units < verdict.fewest:
        return f"{counted(verdict.fewest, name)} are the least: {more}"
    return more


def _interval(estimate: Estimate) -> str:
    ends = (estimate.low, estimate.high)
    low, high = (number(end) if math.isfinite(end) else "unbounded" for end in ends)
    return f"{low} to {high}"


def _about(count: float) -> str:
    """A count rounded up to two digits: it is a guess."""
    step = 10 ** max(math.floor(math.log10(count)) - 1, 0) if count >= 1 else 1
    return f"{math.ceil(count / step) * step:,}"
