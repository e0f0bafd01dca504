"""The judged cells of a run as the page shows them: each with all that its verdict rests on."""

from __future__ import annotations

import math
from typing import Any

from sae_checks.judge.estimate import Estimate
from sae_checks.records.selectors import POSITIONS
from sae_checks.report.sentence import sentence
from sae_checks.report.summary import excess, told_of
from sae_checks.session.result import Outcome, RunResult


def cell_id(outcome: Outcome) -> str:
    """What links lead to: the id of the test."""
    return f"check_{outcome.check.name}[{outcome.cell}]"


def cell_entries(result: RunResult) -> list[dict[str, Any]]:
    """One for each test, in the order in which they ran."""
    return [_entry(result, outcome) for outcome in result.outcomes]


def _entry(result: RunResult, outcome: Outcome) -> dict[str, Any]:
    cell, verdict = outcome.cell, outcome.verdict
    entry: dict[str, Any] = {
        "id": cell_id(outcome),
        "check": outcome.check.title,
        "saes": cell.place.of_saes,
        "where": ", ".join(str(value) for _, value in cell.place.within_saes),
        "positions": _positions(outcome),
        "task": cell.task or "",
        "family": cell.family,
        "outcome": outcome.outcome,
        "told": outcome.outcome,
        "unit": outcome.check.unit,
    }
    known = result.known_failure(outcome)
    if known is not None and outcome.outcome == "accepted":
        entry["accepted"] = known.reason
    if verdict is None:
        reasons = {} if result.measurement is None else result.measurement.failures
        said = [reasons[sae.sae_id] for sae in cell.saes if sae.sae_id in reasons]
        return {**entry, "sentence": f"not measured: {said[0]}" if said else "not measured"}
    limit = verdict.limit
    return {
        **entry,
        "told": told_of(outcome.outcome, verdict),
        "sentence": sentence(verdict),
        "unit": limit.unit or outcome.check.unit,
        "min": limit.min,
        "max": limit.max,
        "margin": limit.margin if limit.min is not None or limit.max is not None else None,
        "source": limit.source,
        "excess": _finite(excess(outcome)) if not limit.report_only else None,
        "notes": [[name, value] for name, value in verdict.estimate.notes],
        **_figures(verdict.estimate),
        "adjusted": [verdict.adjusted.low, verdict.adjusted.high],
    }


def _figures(estimate: Estimate) -> dict[str, Any]:
    return {
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "texts": estimate.texts,
        "units": estimate.units,
        "tokens": estimate.tokens,
        "unit_name": estimate.unit_name,
    }


def _positions(outcome: Outcome) -> list[int] | None:
    positions = outcome.cell.place.get(POSITIONS.name)
    return None if positions is None else [positions.first, positions.last]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
