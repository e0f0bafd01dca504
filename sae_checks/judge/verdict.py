"""From an estimate and a limit to a verdict: a pure function.

A verdict takes two intervals. To *pass*, a cell's own interval must lie within the limit. To
*fail*, a wider one must lie beyond it: the one that all gating cells of the run hold at once, since
a single failing cell blocks a release, and one of hundreds is always beyond its limit by chance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from sae_checks.judge.statistics import Estimate
from sae_checks.judge.thresholds import Limit, UndecidedPolicy
from sae_checks.wording import counted

Status = Literal["pass", "fail", "undecided", "undefined", "reported"]

# Fewer independent texts or items decide nothing: Student's t then rests on a handful of numbers.
FEWEST_UNITS = 8
# A normal deviate is below this 8 times in 10.
_POWER = 0.8416


@dataclass(frozen=True)
class Verdict:
    """What an estimate means under a limit.

    Attributes:
        holds: the outcome for the gate, after the policy for undecided verdicts.
        estimate: with the interval of this cell alone.
        adjusted: the same with the interval that all gating cells of the run share.
    """

    status: Status
    holds: bool
    estimate: Estimate
    limit: Limit
    adjusted: Estimate

    @property
    def detectable(self) -> float:
        """The smallest excess over the limit that this sample would have failed 8 times in 10.

        Half the width of the adjusted interval and 0.84 standard errors; NaN where the interval
        comes from no standard error, or there is no limit.
        """
        if self.status in ("reported", "undefined"):
            return math.nan
        each = self.adjusted
        reach = each.value - each.low if self.limit.max is not None else each.high - each.value
        return detectable(reach, each.standard_error)

    @property
    def texts_to_decide(self) -> float:
        """How many texts (items) would decide an undecided verdict if the value stays as it is.

        Intervals narrow as 1/√n. NaN where nothing is undecided or no width is known.
        """
        return self.texts_to_decide_at_best(0.0)

    def texts_to_decide_at_best(self, errors: float) -> float:
        """The same if the value lay so many standard errors further from the limit."""
        each = self.estimate if _within(self.estimate.value, self.limit) else self.adjusted
        if self.status != "undecided" or not math.isfinite(each.standard_error):
            return math.nan
        ends = [end for end in (self.limit.min, self.limit.max) if end is not None]
        distance = min(abs(each.value - end) for end in ends) + errors * each.standard_error
        width = max(each.high - each.value, each.value - each.low)
        fewest = FEWEST_UNITS * each.texts / max(each.units, 1)
        return max(each.texts * (width / distance) ** 2, fewest) if distance else math.inf

    @property
    def sentence(self) -> str:
        """The verdict for a human: value, limit, intervals, texts and tokens."""
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
            return f"is {side} {limit} but {self._doubt()}: undecided, which {outcome} here"
        if self.status == "pass":
            return f"is within {limit}"
        return f"is {'below' if _below(self.estimate.value, self.limit) else 'above'} {limit}"

    def _doubt(self) -> str:
        """Why a verdict is undecided."""
        each = self.estimate
        if each.units < FEWEST_UNITS:
            what = each.unit_name if each.clusters is None else "document"
            return f"rests on {counted(each.units, what)} where {FEWEST_UNITS} are the least"
        return "its interval crosses it"

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
        documents = "" if each.clusters is None else f" of {counted(each.clusters, 'document')}"
        counts = f"{counted(each.texts, each.unit_name)}{documents}, {tokens}"
        if each.low == -math.inf and each.high == math.inf:
            return f"no interval from {counts}"
        told = [f"interval {_interval(each)}"]
        if self.status not in ("reported", "pass") and self.adjusted != each:
            told.append(f"{_interval(self.adjusted)} with all cells of the run in view")
        told.append(counts)
        if math.isfinite(self.texts_to_decide):
            told.append(f"some {_about(self.texts_to_decide)} {each.unit_name}s would decide it")
        return ", ".join(told)


def detectable(reach: float, standard_error: float) -> float:
    """The excess that an interval of this half-width shows 8 times in 10."""
    return reach + _POWER * standard_error


def judge(
    estimate: Estimate,
    limit: Limit,
    undecided: UndecidedPolicy,
    adjusted: Estimate | None = None,
) -> Verdict:
    """Pass when the whole interval is within the limit, fail when all of the adjusted is beyond.

    Anything between is undecided, and so is everything below `FEWEST_UNITS` independent units. The
    policy turns that into an outcome: passing, failing, or judged by the point estimate. Too few
    units for an interval do not pass for want of proof: there the point estimate decides, unless
    the policy is to fail. What is undefined never holds.
    """
    adjusted = estimate if adjusted is None else adjusted

    def verdict(status: Status, holds: bool) -> Verdict:
        return Verdict(status, holds, estimate, limit, adjusted)

    if not math.isfinite(estimate.value) or math.isnan(estimate.low) or math.isnan(estimate.high):
        return verdict("undefined", False)
    if limit.report_only:
        return verdict("reported", True)
    if limit.min is None and limit.max is None:
        raise ValueError("a limit needs a min or a max, or must be report-only")
    few = estimate.units < FEWEST_UNITS
    if not few and _within(estimate.low, limit) and _within(estimate.high, limit):
        return verdict("pass", True)
    if not few and (_below(adjusted.high, limit) or _above(adjusted.low, limit)):
        return verdict("fail", False)
    by_value = undecided == "point_estimate" or (undecided == "pass" and few)
    holds = _within(estimate.value, limit) if by_value else undecided == "pass"
    return verdict("undecided", holds)


def _below(value: float, limit: Limit) -> bool:
    return limit.min is not None and value < limit.min


def _above(value: float, limit: Limit) -> bool:
    return limit.max is not None and value > limit.max


def _within(value: float, limit: Limit) -> bool:
    return not _below(value, limit) and not _above(value, limit)


def _interval(estimate: Estimate) -> str:
    ends = (estimate.low, estimate.high)
    low, high = (_number(end) if math.isfinite(end) else "unbounded" for end in ends)
    return f"{low} to {high}"


def _number(value: float) -> str:
    """Four significant digits, without an exponent unless it is needed."""
    if value == 0 or 1e-4 <= abs(value) < 1e6:
        digits = 3 - math.floor(math.log10(abs(value))) if value else 0
        text = f"{value:,.{max(digits, 0)}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:.3e}"


def _about(count: float) -> str:
    """A count rounded up to two digits: it is a guess."""
    step = 10 ** max(math.floor(math.log10(count)) - 1, 0)
    return f"{math.ceil(count / step) * step:,}"


def _with_unit(value: float, unit: str) -> str:
    return f"{_number(value)} {unit}".rstrip()
