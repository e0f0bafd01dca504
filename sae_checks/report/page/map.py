"""The map of a page: SAE × check, in each field the test that most needs looking at."""

from __future__ import annotations

import math
from typing import Any

from sae_checks.report.page.cells import cell_id
from sae_checks.report.sentence import number
from sae_checks.report.summary import name_of, worst
from sae_checks.session.result import Outcome, RunResult

# Signs beside colours: neither tells anything alone.
MARKS = {
    "passed": "✓",
    "reported": "·",
    "failed": "✗",
    "accepted": "a",
    "unexpectedly passed": "✓",
    "undecided": "?",
    "not applicable": "–",
    "error": "!",
}


def check_map(result: RunResult) -> dict[str, Any]:
    """Rows of SAEs and columns of checks; what is about several SAEs is a row for each place."""
    by_field: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in result.outcomes:
        if outcome.cell.sae is not None:
            key = (outcome.cell.sae.sae_id, name_of(outcome.check))
            by_field.setdefault(key, []).append(outcome)
    columns = list(dict.fromkeys(check for _, check in by_field))
    asks = {name_of(o.check): o.check.summary for o in result.outcomes}
    rows = [
        {
            "sae": sae.sae_id,
            "fields": [_field(by_field.get((sae.sae_id, check), [])) for check in columns],
        }
        for sae in result.facts.release.saes
    ]
    return {"columns": [{"name": name, "asks": asks[name]} for name in columns], "rows": rows}


def _field(outcomes: list[Outcome]) -> dict[str, Any] | None:
    if not outcomes:
        return None
    one = worst(outcomes)
    value = math.nan if one.verdict is None else one.verdict.estimate.value
    outcome = shown_outcome(one)
    return {
        "id": cell_id(one),
        "outcome": outcome,
        "mark": MARKS[outcome],
        "value": number(value) if math.isfinite(value) else "",
        "heat": heat(one),
        "tests": len(outcomes),
    }


def shown_outcome(outcome: Outcome) -> str:
    """What became of a test; "reported" where it has no limit, so that nothing could fail."""
    reported = outcome.verdict is not None and outcome.verdict.status == "reported"
    return "reported" if reported and outcome.outcome == "passed" else outcome.outcome


def heat(outcome: Outcome) -> int:
    """0 to 4: how near to its limit a value lies, or how far beyond it, in margins.

    The margin of a limit is the smallest excess that would matter.
    """
    verdict = outcome.verdict
    if verdict is None or verdict.limit.report_only or math.isnan(verdict.estimate.value):
        return 0
    value, limit = verdict.estimate.value, verdict.limit
    room = min(
        math.inf if limit.max is None else limit.max - value,
        math.inf if limit.min is None else value - limit.min,
    )
    margins = room / limit.margin if limit.margin else math.copysign(math.inf, room)
    steps = (4, 2, 1, 0) if margins > 0 else (-1, -3, -10, -100)
    return sum(margins < step for step in steps)
