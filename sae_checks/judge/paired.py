"""A candidate against a baseline on the same texts: the paired difference of any estimate.

Texts (or items) are dealt out to groups, and every cell's value is taken again without each group.
Where two measurements rest on the same texts, so do their groups, and the difference of the two
values without a group is a value of the difference: the delete-a-group jackknife of `resampling.py`
gives its interval. What both share, such as how hard a text is, cancels in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from sae_checks.judge.coverage import Coverage
from sae_checks.judge.resampling import jackknife
from sae_checks.judge.statistics import Estimate, undefined
from sae_checks.judge.thresholds import Limit, Margin
from sae_checks.judge.verdict import Verdict
from sae_checks.records import FloatArray


@dataclass(frozen=True)
class Replicated:
    """A cell's value, and how it moves where a group of texts is left out."""

    value: float  # NaN where undefined
    moves: FloatArray  # (groups,) the value without the group - the value
    texts: int
    tokens: int
    unit_name: str = "text"
    reason: str = ""


@dataclass(frozen=True)
class RegressionCell:
    """A cell of a release beside the same cell of a baseline, as the comparison sees it."""

    candidate: Replicated | None
    baseline: Replicated | None
    margin: Margin
    unit: str
    coverage: Coverage

    def limit(self) -> Limit:
        """By how much the difference may go in the direction of worse."""
        value = math.nan if self.baseline is None else self.baseline.value
        allowed = 0.0 if math.isnan(value) else self.margin.allowed(value)
        parts = []
        if self.margin.by:
            parts.append(f"{self.margin.by:g} {self.unit}".rstrip())
        if self.margin.share:
            parts.append(f"{self.margin.share:.0%} of the baseline's {value:.4g}")
        return Limit(
            self.unit,
            min=None if self.margin.worse == "higher" else -allowed,
            max=None if self.margin.worse == "lower" else allowed,
            source="no worse than the baseline by more than " + (" + ".join(parts) or "nothing"),
        )

    def difference(self) -> Estimate:
        """Candidate - baseline, paired."""
        ours, theirs = self.candidate, self.baseline
        if ours is None or theirs is None:
            which = "baseline" if theirs is None else "candidate"
            return undefined(f"the {which} has no such cell, so that nothing can be compared")
        for name, one in (("candidate", ours), ("baseline", theirs)):
            if math.isnan(one.value):
                return undefined(f"of the {name}: {one.reason or 'the value is not a number'}")
        if (ours.texts, len(ours.moves)) != (theirs.texts, len(theirs.moves)):
            return undefined(
                f"the candidate has {ours.texts:,} {ours.unit_name}s here and the baseline "
                f"{theirs.texts:,}: they cannot be paired",
                ours.texts,
                ours.tokens,
            )
        difference = ours.value - theirs.value
        moves = np.asarray(ours.moves) - np.asarray(theirs.moves)
        estimate = jackknife(difference, difference + moves, self.coverage, units=ours.texts)
        return replace(
            estimate, texts=ours.texts, tokens=ours.tokens, unit_name=ours.unit_name
        ).with_notes(candidate_value=ours.value, baseline_value=theirs.value)


def improved(verdict: Verdict) -> bool:
    """Whether a comparison is better by more than its margin, with all cells of the run in view.

    Where either direction is worse, none is better.
    """
    limit, adjusted = verdict.limit, verdict.adjusted
    if limit.min is None and limit.max is not None:
        return adjusted.high < -limit.max
    return limit.max is None and limit.min is not None and adjusted.low > -limit.min
