"""The release beside its baseline: every comparison by how bad it is, in margins."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sae_checks.report.figures.figure import Axis, Data, Figure, Mark, Panel, Trace
from sae_checks.report.summary import name_of
from sae_checks.session.result import Outcome, RunResult

# What stands out first; all else is as good as it was.
_OUTCOMES = ("failed", "undecided", "accepted", "passed")


@dataclass(frozen=True)
class Compared:
    """One comparison, paired on the same texts or items.

    Attributes:
        severity: the difference in margins, in the direction of worse: above 1 is too much.
    """

    outcome: Outcome
    candidate: float
    baseline: float
    severity: float
    low: float
    high: float


def compared(result: RunResult) -> list[Compared]:
    """The comparisons that have a value, the worst first."""
    found = [_compared(o) for o in result.outcomes if o.check.compared is not None]
    each = [one for one in found if one is not None]
    return sorted(each, key=lambda one: -one.severity)


def regression(result: RunResult) -> list[Figure]:
    """One figure; none without a baseline."""
    found = compared(result)
    if not found:
        return []
    found.sort(key=lambda one: _OUTCOMES.index(_kind(one)))
    kinds = np.array([_kind(one) for one in found])
    rank = np.empty(len(found))
    rank[np.argsort([-one.severity for one in found], kind="stable")] = np.arange(len(found))
    columns = {
        "check": np.array([name_of(one.outcome.check) for one in found]),
        "cell": np.array([str(one.outcome.cell) for one in found]),
        "outcome": kinds,
        "candidate": np.array([one.candidate for one in found]),
        "baseline": np.array([one.baseline for one in found]),
        "severity": np.array([one.severity for one in found]),
        "low": np.array([one.low for one in found]),
        "high": np.array([one.high for one in found]),
        "rank": rank,
        "text": np.array([f"{name_of(one.outcome.check)} {one.outcome.cell}" for one in found]),
    }
    traces = []
    for category, kind in enumerate(_OUTCOMES):
        here = np.flatnonzero(kinds == kind)
        if len(here):
            rows = slice(int(here[0]), int(here[-1]) + 1)
            traces.append(
                Trace(
                    *("points", kind, "rank", "severity"),
                    rows=rows,
                    low="low",
                    high="high",
                    text="text",
                    category=(1, 5, 3, 2)[category],
                )
            )
    panel = Panel(
        "By severity",
        Axis("comparisons, the worst first"),
        Axis("difference, in margins"),
        tuple(traces),
        (Mark("limit", "y", 1.0, "margin"), Mark("reference", "y", 0.0, "as the baseline")),
    )
    figure = Figure(
        "regression",
        "regression",
        "Candidate against baseline",
        "Each point is one figure of the candidate less the baseline's, paired on the same texts "
        "or items, in units of the margin that is allowed: above 1 it is worse by too much. Bars "
        "are the intervals of the differences.",
        Data("regression", columns),
        (panel,),
    )
    return [figure]


def _kind(one: Compared) -> str:
    outcome = one.outcome.outcome
    return outcome if outcome in _OUTCOMES else "passed"


def _compared(outcome: Outcome) -> Compared | None:
    verdict = outcome.verdict
    if verdict is None or not math.isfinite(verdict.estimate.value):
        return None
    each, limit, notes = verdict.estimate, verdict.limit, dict(verdict.estimate.notes)
    upwards = limit.max is not None and (limit.min is None or each.value >= 0)
    margin = abs((limit.max if upwards else limit.min) or 0.0) or math.nan
    sign = 1.0 if upwards else -1.0
    ends = sorted(sign * end / margin for end in (each.low, each.high))
    finite = [end if math.isfinite(end) else math.nan for end in ends]
    severity = sign * each.value / margin
    if not math.isfinite(severity):
        severity = math.inf if sign * each.value > 0 else 0.0
    return Compared(
        outcome,
        float(notes.get("candidate_value", math.nan)),
        float(notes.get("baseline_value", math.nan)),
        min(severity, 1e6),
        finite[0],
        finite[1],
    )
