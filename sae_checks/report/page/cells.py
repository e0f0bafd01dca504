"""The judged cells of a run as the page shows them: each with all that its verdict rests on."""

from __future__ import annotations

import math
from typing import Any

from sae_checks.judge.estimate import Estimate
from sae_checks.judge.verdict import Verdict
from sae_checks.records.selectors import POSITIONS
from sae_checks.report.overview.causes import CAUSES, Cause, Failed
from sae_checks.report.overview.levels import excess, level
from sae_checks.report.page.safe import shown
from sae_checks.report.page.tokens import UnitLosses
from sae_checks.report.page.units import heavy_entries
from sae_checks.report.sentence import sentence
from sae_checks.report.summary import name_of, told_of
from sae_checks.session.result import Outcome, RunResult


def cell_id(outcome: Outcome) -> str:
    """What links lead to: the id of the test, as it is shown."""
    return shown(f"check_{outcome.check.name}[{outcome.cell}]")


def cell_entries(result: RunResult, losses: UnitLosses) -> list[dict[str, Any]]:
    """One for each test, in the order in which they ran.

    Args:
        result: of the run.
        losses: takes up the losses of the documents that are named.
    """
    return [_entry(result, outcome, losses) for outcome in result.outcomes]


def check_entries(result: RunResult) -> dict[str, dict[str, Any]]:
    """By title: what a check asks, and what usually makes it fail."""
    entries: dict[str, dict[str, Any]] = {}
    for outcome in result.outcomes:
        if outcome.check.title not in entries:
            cause = _usual_cause(outcome, result)
            entries[outcome.check.title] = {
                "name": name_of(outcome.check),
                "asks": (outcome.check.compared or outcome.check).summary,
                "topic": outcome.check.about,
                **({} if cause is None else {"means": cause.means, "remedy": cause.remedy}),
            }
    return entries


def _usual_cause(outcome: Outcome, result: RunResult) -> Cause | None:
    """The first cause that would explain it, if it failed by itself."""
    if outcome.verdict is None:
        return None
    failed = Failed((outcome,), result)
    return next((cause for cause in CAUSES if cause.recognises(failed)), None)


def _entry(result: RunResult, outcome: Outcome, losses: UnitLosses) -> dict[str, Any]:
    cell, verdict = outcome.cell, outcome.verdict
    entry: dict[str, Any] = {
        "id": cell_id(outcome),
        "check": outcome.check.title,
        "saes": cell.place.of_saes or "whole release",
        "where": ", ".join(str(value) for _, value in cell.place.within_saes),
        "positions": _positions(outcome),
        "task": cell.task or "",
        "family": cell.family,
        "level": level(outcome),
        "unit": outcome.check.unit,
    }
    known = result.known_failure(outcome)
    if known is not None and outcome.outcome == "accepted":
        entry["accepted"] = known.reason
    if verdict is None:
        reasons = {} if result.measurement is None else result.measurement.failures
        said = [reasons[sae.sae_id] for sae in cell.saes if sae.sae_id in reasons]
        told = f"not measured: {said[0]}" if said else "not measured"
        return {**entry, "told": outcome.outcome, "sentence": told}
    heavy = heavy_entries(result, outcome, losses)
    return {
        **entry,
        "told": told_of(outcome.outcome, verdict),
        "sentence": sentence(verdict),
        **_limit(outcome, verdict),
        "notes": [[name, value] for name, value in verdict.estimate.notes],
        **_figures(verdict.estimate),
        "adjusted": [verdict.adjusted.low, verdict.adjusted.high],
        **({"heavy": heavy} if heavy else {}),
    }


def _limit(outcome: Outcome, verdict: Verdict) -> dict[str, Any]:
    limit = verdict.limit
    gates = limit.min is not None or limit.max is not None
    beyond = excess(outcome)
    return {
        "unit": limit.unit or outcome.check.unit,
        "min": limit.min,
        "max": limit.max,
        "margin": limit.margin if gates else None,
        "source": limit.source,
        "excess": beyond if gates and math.isfinite(beyond) else None,
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
