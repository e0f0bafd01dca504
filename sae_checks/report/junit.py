"""What the JUnit report says of a test: one property a figure."""

from __future__ import annotations

import math

from sae_checks.judge.check import Check
from sae_checks.judge.verdict import Verdict
from sae_checks.records.place import CellRef
from sae_checks.report.words import limit
from sae_checks.session.result import RunFacts

_NOT_MEASURED = {
    "limit": "",
    "margin": "nan",
    "ci_low": "nan",
    "ci_high": "nan",
    "adjusted_low": "nan",
    "adjusted_high": "nan",
    "detectable": "nan",
    "texts_to_decide": "nan",
    "texts": "0",
    "documents": "0",
    "tokens": "0",
    "verdict": "error",
}


def properties(
    check: Check, cell: CellRef, verdict: Verdict | None, facts: RunFacts
) -> dict[str, str]:
    """By name; what was not measured is "nan", its verdict "error"."""
    # A task's items have no range of positions in common.
    every = {"first_position": "1", "last_position": str(facts.context - 2)}
    place = {
        **dict.fromkeys(facts.property_names, ""),
        **(every if cell.kind.of_positions else {}),
        **cell.place.properties(),
        "metric": check.name,
        "compared": cell.compared,
    }
    unmeasured = {"value": "nan", "family": cell.family, **_NOT_MEASURED}
    return place | unmeasured | ({} if verdict is None else _judged(verdict))


def _judged(verdict: Verdict) -> dict[str, str]:
    estimate = verdict.estimate
    judged = {
        "value": _figure(estimate.value),
        "limit": limit(verdict),
        "margin": _figure(verdict.limit.margin) if limit(verdict) else "nan",
        "ci_low": _figure(estimate.low),
        "ci_high": _figure(estimate.high),
        "adjusted_low": _figure(verdict.adjusted.low),
        "adjusted_high": _figure(verdict.adjusted.high),
        "detectable": _figure(verdict.detectable),
        "texts_to_decide": _figure(verdict.texts_to_decide),
        "texts": str(estimate.texts),
        "documents": str(estimate.units),
        "tokens": str(estimate.tokens),
        "verdict": verdict.status,
    }
    notes = {name: _figure(v) if isinstance(v, float) else str(v) for name, v in estimate.notes}
    return judged | notes


def _figure(value: float) -> str:
    return "nan" if math.isnan(value) else f"{value:.6g}"
