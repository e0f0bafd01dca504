"""From an estimate and a limit to a verdict: a pure function.

A verdict takes two intervals. To *pass*, a cell's own interval must lie within limit and margin:
that no excess which would matter is left is shown, not presumed. To *fail*, a wider interval must
lie beyond the limit: one that all cells of a release hold at once, since a single failing cell
blocks it, and one of hundreds is always beyond its limit by chance. Anything between is undecided,
which is no pass.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from sae_checks.judge.estimate import Estimate
from sae_checks.judge.thresholds import Limit
from sae_checks.records.place import CellFamily

Status = Literal["pass", "fail", "undecided", "undefined", "not_applicable", "reported"]

# Fewer independent units decide nothing: Student's t then rests on a handful of numbers.
FEWEST_UNITS = 8
# While a sample still grows, fewer decide nothing either: damage to one text in twenty is then
# missed in at most 4% of samples (0.95^64).
FEWEST_UNITS_TO_STOP = 64
# A normal deviate is below this 8 times in 10.
_POWER = 0.8416


@dataclass(frozen=True)
class Verdict:
    """What an estimate means under a limit.

    Attributes:
        holds: whether the run may succeed with it.
        estimate: with the interval of this cell alone.
        adjusted: the same with the interval that all cells of the release share.
        fewest: independent units below which nothing is decided.
    """

    status: Status
    holds: bool
    estimate: Estimate
    limit: Limit
    adjusted: Estimate
    fewest: int = FEWEST_UNITS
    family: CellFamily = "claim"

    @property
    def detectable(self) -> float:
        """The smallest excess over the limit that this sample would have failed 8 times in 10.

        From the value to the end of the adjusted interval that would have to be beyond the limit
        (the farther one where there are two limits), and 0.84 standard errors; NaN where the
        interval comes from no standard error, or there is no limit.
        """
        if self.status in ("reported", "undefined", "not_applicable"):
            return math.nan
        each = self.adjusted
        reaches = []
        if self.limit.max is not None:
            reaches.append(each.value - each.low)
        if self.limit.min is not None:
            reaches.append(each.high - each.value)
        return detectable(max(reaches), each.standard_error)

    @property
    def texts_to_decide(self) -> float:
        """How many texts (items) would decide an undecided verdict if the value stays as it is.

        Intervals narrow as 1/√n: either until the cell's own lies within limit and margin, or until
        the adjusted one lies beyond the limit. NaN where nothing is undecided or no width is known.
        """
        each = self.estimate
        if self.status != "undecided" or not math.isfinite(each.standard_error):
            return math.nan
        texts = each.texts * min(self._growth_to_pass(), self._growth_to_fail())
        return max(texts, self.fewest * each.texts / max(each.units, 1))

    @property
    def beyond_limit(self) -> bool:
        """Whether the value itself is beyond its limit, whatever is shown of it."""
        return not self.limit.allows(self.estimate.value)

    def _growth_to_pass(self) -> float:
        """By which factor the sample would have to grow to show the cell within its margin."""
        each, limit, wanted = self.estimate, self.limit, 0.0
        for distance, width in (
            (_up_to(limit.max, limit.margin) - each.value, each.high - each.value),
            (each.value + _up_to(_negative(limit.min), limit.margin), each.value - each.low),
        ):
            if distance <= 0:
                return math.inf
            wanted = max(wanted, (width / distance) ** 2)
        return wanted

    def _growth_to_fail(self) -> float:
        """By which factor the sample would have to grow to show the cell beyond its limit."""
        each, limit = self.adjusted, self.limit
        if limit.max is not None and each.value > limit.max:
            return ((each.value - each.low) / (each.value - limit.max)) ** 2
        if limit.min is not None and each.value < limit.min:
            return ((each.high - each.value) / (limit.min - each.value)) ** 2
        return math.inf


def detectable(reach: float, standard_error: float) -> float:
    """The excess that an interval of this half-width shows 8 times in 10."""
    return reach + _POWER * standard_error


def judge(
    estimate: Estimate,
    limit: Limit,
    adjusted: Estimate | None = None,
    *,
    fewest: int = FEWEST_UNITS,
    family: CellFamily = "claim",
    undecided_holds: bool = False,
) -> Verdict:
    """Fail when all of the adjusted interval is beyond the limit; pass when all of the own interval
    is within limit and margin; undecided otherwise, and below `fewest` independent units.

    What is shown to lie beyond its limit fails, even if it is shown to lie within the margin too.
    What is undefined never holds; what the clean model gives no ground for blocks nothing.

    Args:
        estimate: with an interval each end of which is as sure as a pass has to be.
        limit: with its margin.
        adjusted: with the interval that all cells of its family share; the same where absent.
        fewest: independent units below which nothing is decided.
        family: whether the cell is a claim or says where.
        undecided_holds: whether the run may succeed with an undecided verdict.
    """
    adjusted = estimate if adjusted is None else adjusted

    def verdict(status: Status, holds: bool) -> Verdict:
        return Verdict(status, holds, estimate, limit, adjusted, fewest, family)

    if estimate.inapplicable:
        return verdict("not_applicable", True)
    if not math.isfinite(estimate.value) or math.isnan(estimate.low) or math.isnan(estimate.high):
        return verdict("undefined", False)
    if limit.report_only:
        return verdict("reported", True)
    if limit.min is None and limit.max is None:
        raise ValueError("a limit needs a min or a max, or must be report-only")
    if estimate.units >= fewest:
        if limit.below(adjusted.high) or limit.above(adjusted.low):
            return verdict("fail", False)
        if limit.allows(estimate.low, limit.margin) and limit.allows(estimate.high, limit.margin):
            return verdict("pass", True)
    return verdict("undecided", undecided_holds)


def _up_to(end: float | None, margin: float) -> float:
    return math.inf if end is None else end + margin


def _negative(end: float | None) -> float | None:
    return None if end is None else -end
