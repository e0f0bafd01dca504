"""A candidate against a baseline on the same texts: the paired difference of any estimate.

Two measurements that rest on the same independent units (texts, documents, items) can be paired
unit by unit: the influence of a unit on the difference of their values is the difference of its
influences, from which the interval follows as that of any estimate (`estimate.py`). What both
share, such as how hard a text is, cancels in it.

A statistic of which no influences are known is taken again without each of a few groups of units.
With θ_(g) the value without group g of G, a group's influence is

    (mean θ_(g) - θ_(g)) · (G - 1)/G,

so that the standard error is that of the delete-a-group jackknife (`resampling.py`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sae_checks.baseline.parts import changed, renumbered
from sae_checks.judge.coverage import Coverage
from sae_checks.judge.estimate import Estimate, inapplicable, undefined
from sae_checks.judge.statistics import linearised
from sae_checks.judge.thresholds import Limit, Margin
from sae_checks.judge.verdict import Verdict
from sae_checks.records import FloatArray, IntArray

_LARGEST = 32_767  # of a whole number of 16 bits
# How the reason begins of a value that the clean model gives no ground for: a file keeps reasons.
NOT_APPLICABLE = "not applicable: "
_RENUMBERED = (
    "as often active as the baseline's, under other numbers: features may have been renumbered"
)
_NOTHING = 2.0**-900  # below this, influences are 0

_SIDES = ("candidate", "baseline")


@dataclass(frozen=True)
class Influences:
    """How much a value moves with each unit, as whole numbers of 16 bits: steps · 2^exponent.

    As a baseline's file has them. Both sides of a comparison are rounded alike, so that equal ones
    stay equal. The largest has 15 bits or more: what rounding adds to a standard error is less
    than a thousandth of what a single unit contributes.
    """

    steps: NDArray[np.int16]  # (units of the data set,), or (groups,)
    exponent: int = 0

    @classmethod
    def of(cls, values: ArrayLike) -> Influences:
        """Rounded; none of what is not finite, from which no interval could be made."""
        each = np.asarray(values, dtype=np.float64)
        if not np.isfinite(each).all():
            return NO_INFLUENCES
        largest = float(np.abs(each).max(initial=0.0))
        if largest < _NOTHING:
            return cls(np.zeros(len(each), dtype=np.int16))
        mantissa, exponent = math.frexp(largest / _LARGEST)  # 2^(exponent - 1) <= it < 2^exponent
        exponent -= mantissa == 0.5
        return cls(np.rint(np.ldexp(each, -exponent)).astype(np.int16), exponent)

    @property
    def values(self) -> FloatArray:
        """In the unit of the value."""
        return np.ldexp(self.steps.astype(np.float64), self.exponent)


NO_INFLUENCES = Influences(np.zeros(0, dtype=np.int16))


@dataclass(frozen=True)
class Terms:
    """What a check's figures depend on beside what was measured."""

    definition: int = 1
    parameters: tuple[tuple[str, float], ...] = ()  # sorted by name


@dataclass(frozen=True)
class CellValue:
    """A cell's value, and what comparing it on the same texts takes."""

    value: float  # NaN where undefined: then `reason` says why
    influences: Influences  # none where there is no interval
    texts: int
    tokens: int
    units: int  # how many independent ones have data here
    unit_name: str = "text"  # what `texts` counts
    grouped: bool = False  # whether influences are those of groups
    reason: str = ""
    terms: Terms = Terms()
    # How much one unit that changes would move it, of what changes seldom. It follows from the
    # units, which both sides share: a file does not keep it.
    unseen: float = 0.0
    # (parts,) on how many units each part was seen, 65,535 at most, where parts are compared.
    seen: IntArray | None = field(default=None, compare=False, repr=False)

    @property
    def inapplicable(self) -> bool:
        """Whether it is the clean model that gives no ground for a value."""
        return math.isnan(self.value) and self.reason.startswith(NOT_APPLICABLE)


@dataclass(frozen=True)
class PairedCell:
    """A cell of a release beside the same cell of a baseline, as the comparison sees it."""

    candidate: CellValue | None
    baseline: CellValue | None
    margin: Margin
    unit: str
    coverage: Coverage

    def limit(self) -> Limit:
        """By how much the difference may go in the direction of worse, or either way."""
        value = math.nan if self.baseline is None else self.baseline.value
        allowed = 0.0 if math.isnan(value) else self.margin.allowed(value)
        parts = []
        if self.margin.by:
            parts.append(f"{self.margin.by:g} {self.unit}".rstrip())
        if self.margin.share:
            parts.append(f"{self.margin.share:.0%} of the baseline's {value:.4g}")
        either = self.margin.worse == "either"
        said = (
            "further from the baseline than" if either else "worse than the baseline by more than"
        )
        return Limit(
            self.unit,
            min=None if self.margin.worse == "higher" else -allowed,
            max=None if self.margin.worse == "lower" else allowed,
            source=f"no {said} {' + '.join(parts) or 'nothing'}",
        )

    def difference(self) -> Estimate:
        """Candidate - baseline, paired."""
        ours, theirs = self.candidate, self.baseline
        if ours is None or theirs is None:
            which = "baseline" if theirs is None else "candidate"
            return undefined(f"the {which} has no such cell, so that nothing can be compared")
        if ours.inapplicable and theirs.inapplicable:
            return inapplicable(ours.reason.removeprefix(NOT_APPLICABLE), ours.texts, ours.tokens)
        for name, one in (("candidate", ours), ("baseline", theirs)):
            if math.isnan(one.value):
                return undefined(f"of the {name}: {one.reason or 'the value is not a number'}")
        if why := _unpaired(ours, theirs):
            return undefined(why, ours.texts, ours.tokens)
        if self.margin.worse == "either" and ours.seen is not None and theirs.seen is not None:
            return self._part_by_part(ours, theirs, ours.seen, theirs.seen)
        difference, influence = ours.value - theirs.value, _influence(ours, theirs)
        units = len(influence) if ours.grouped or not len(influence) else ours.units
        unseen = max(ours.unseen, theirs.unseen)
        estimate = linearised(difference, influence, self.coverage, units=units, unseen=unseen)
        return replace(
            estimate,
            texts=ours.texts,
            tokens=ours.tokens,
            unit_name=ours.unit_name,
            clusters=None if ours.units == ours.texts else ours.units,
            influence=None if ours.grouped else estimate.influence,
        ).with_notes(candidate_value=ours.value, baseline_value=theirs.value)

    def _part_by_part(
        self, ours: CellValue, theirs: CellValue, here: IntArray, there: IntArray
    ) -> Estimate:
        """The share of parts that are seen on one side only; for certain, at its low end.

        Those of the sample are all that can be told: the high end is the value.
        """
        if len(here) != len(there):
            counted = f"{len(here):,} parts and the baseline {len(there):,}"
            return undefined(f"the candidate has {counted}: they cannot be compared one by one")
        found = changed(here, there, (1 - self.coverage.confidence) / 2)
        estimate = Estimate(
            found.share,
            found.sure_share,
            found.share,
            math.nan,
            ours.texts,
            ours.tokens,
            unit_name=ours.unit_name,
            clusters=None if ours.units == ours.texts else ours.units,
        )
        estimate = estimate.with_notes(
            candidate_value=ours.value,
            baseline_value=theirs.value,
            silent_here_alone=found.lost,
            silent_there_alone=found.gained,
            surely_changed=found.surely,
            silence_would_be_noticed_of=found.noticed,
        )
        return estimate.with_notes(order=_RENUMBERED) if renumbered(here, there) else estimate


def influences_of_groups(without: ArrayLike) -> Influences:
    """Of a statistic that was taken without each of some groups; none where one leaves nothing."""
    each = np.asarray(without, dtype=np.float64)
    if len(each) < 2 or not np.isfinite(each).all():
        return NO_INFLUENCES
    return Influences.of((each.mean() - each) * (len(each) - 1) / len(each))


def as_in_a_file(seen: IntArray | None) -> IntArray | None:
    """On how many units each part was seen, as far as a file tells: up to 65,535."""
    return None if seen is None else np.minimum(seen, 2**16 - 1)


def _unpaired(ours: CellValue, theirs: CellValue) -> str:
    """Why two cells do not rest on the same units, or ""."""
    if ours.texts != theirs.texts:
        counted = f"{ours.texts:,} {ours.unit_name}s", f"{theirs.texts:,}"
    elif ours.units != theirs.units:
        counted = f"{ours.units:,} independent {ours.unit_name}s", f"{theirs.units:,}"
    else:
        of_ours, of_theirs = (len(each.influences.steps) for each in (ours, theirs))
        kinds = ["groups" if each.grouped else "units" for each in (ours, theirs)]
        # One of the two may have no interval, and then the difference has none.
        if 0 in (of_ours, of_theirs) or (of_ours, kinds[0]) == (of_theirs, kinds[1]):
            return ""
        counted = f"influences of {of_ours:,} {kinds[0]}", f"{of_theirs:,} {kinds[1]}"
    return (
        f"the candidate has {counted[0]} here and the baseline {counted[1]}: they cannot be paired"
    )


def _influence(ours: CellValue, theirs: CellValue) -> FloatArray:
    """(units,) or (groups,) of the difference; none where either side has none."""
    if not len(ours.influences.steps) or not len(theirs.influences.steps):
        return np.zeros(0)
    return ours.influences.values - theirs.influences.values


def improved(verdict: Verdict, best: float | None = None) -> bool:
    """Whether a comparison is better by more than its margin, with all cells of the run in view.

    Where either direction is worse, none is better.

    Args:
        verdict: of the comparison.
        best: the value at which the figure is best, if there is one: only what comes nearer to it
            is better.
    """
    limit, adjusted = verdict.limit, verdict.adjusted
    if limit.min is None and limit.max is not None:
        better = adjusted.high < -limit.max
    else:
        better = limit.max is None and limit.min is not None and adjusted.low > -limit.min
    if not better or best is None:
        return better
    notes = dict(verdict.estimate.notes)  # which a difference that is undefined does not have
    ours, theirs = (abs(float(notes[f"{of}_value"]) - best) for of in _SIDES)
    return ours < theirs
