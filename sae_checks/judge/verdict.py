"""From an estimate and a limit to a verdict: a pure function."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from sae_checks.judge.statistics import Estimate
from sae_checks.judge.thresholds import Limit, UndecidedPolicy
from sae_checks.wording import counted

Status = Literal["pass", "fail", "undecided", "undefined", "reported"]


@dataclass(frozen=True)
class Verdict:
    """What an estimate means under a limit."""

    status: Status
    holds: bool  # the outcome for the gate, after the policy for undecided verdicts
    estimate: Estimate
    limit: Limit

    @property
    def sentence(self) -> str:
        """The verdict for a human: value, limit, interval, texts and tokens."""
        if self.status == "undefined":
            return f"undefined: {self.estimate.reason or 'the value is not a number'}"
        value = _with_unit(self.estimate.value, self.limit.unit)
        return f"{value} {self._relation()} ({self._evidence()})"

    def _relation(self) -> str:
        if self.status == "reported":
            return "is reported without a limit"
        limit = self._limit_at_stake()
        if self.status == "undecided":
            side = "within" if _within(self.estimate.value, self.limit) else "beyond"
            outcome = "passes" if self.holds else "fails"
            return f"is {side} {limit} but its interval crosses it: undecided, which {outcome} here"
        if self.status == "pass":
            return f"is within {limit}"
        return f"is {'below' if _below(self.estimate.value, self.limit) else 'above'} {limit}"

    def _limit_at_stake(self) -> str:
        low, high, unit = self.limit.min, self.limit.max, self.limit.unit
        if low is not None and high is not None and self.status != "fail":
            return f"the limits {_number(low)} to {_with_unit(high, unit)}"
        if low is not None and (high is None or self.estimate.value < low):
            return f"the minimum of {_with_unit(low, unit)}"
        assert high is not None, "a gated limit has a min or a max"
        return f"the maximum of {_with_unit(high, unit)}"

    def _evidence(self) -> str:
        each = self.estimate
        of_items = each.unit_name == "item"
        tokens = f"{each.tokens:,} {'prompt ' * of_items}tokens"
        counts = f"{counted(each.texts, each.unit_name)}, {tokens}"
        if each.low == -math.inf and each.high == math.inf:
            return f"no interval from {counts}"
        low = _number(each.low) if math.isfinite(each.low) else "unbounded"
        high = _number(each.high) if math.isfinite(each.high) else "unbounded"
        return f"interval {low} to {high}, {counts}"


def judge(estimate: Estimate, limit: Limit, undecided: UndecidedPolicy) -> Verdict:
    """Pass when the whole interval is within the limit, fail when all of it is beyond.

    Anything between is undecided, which the policy turns into an outcome: judged by the point
    estimate, or always failing, or always passing. What is undefined never holds.
    """
    if not math.isfinite(estimate.value) or math.isnan(estimate.low) or math.isnan(estimate.high):
        return Verdict("undefined", False, estimate, limit)
    if limit.report_only:
        return Verdict("reported", True, estimate, limit)
    if limit.min is None and limit.max is None:
        raise ValueError("a limit needs a min or a max, or must be report-only")
    if _within(estimate.low, limit) and _within(estimate.high, limit):
        return Verdict("pass", True, estimate, limit)
    if _below(estimate.high, limit) or _above(estimate.low, limit):
        return Verdict("fail", False, estimate, limit)
    holds = undecided == "pass" or (
        undecided == "point_estimate" and _within(estimate.value, limit)
    )
    return Verdict("undecided", holds, estimate, limit)


def _below(value: float, limit: Limit) -> bool:
    return limit.min is not None and value < limit.min


def _above(value: float, limit: Limit) -> bool:
    return limit.max is not None and value > limit.max


def _within(value: float, limit: Limit) -> bool:
    return not _below(value, limit) and not _above(value, limit)


def _number(value: float) -> str:
    """Four significant digits, without an exponent unless it is needed."""
    if value == 0 or 1e-4 <= abs(value) < 1e6:
        digits = 3 - math.floor(math.log10(abs(value))) if value else 0
        text = f"{value:,.{max(digits, 0)}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:.3e}"


def _with_unit(value: float, unit: str) -> str:
    return f"{_number(value)} {unit}".rstrip()
