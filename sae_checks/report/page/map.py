"""The map of a page: SAE × check, in each field the test that most needs looking at."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from sae_checks.judge.topics import in_order
from sae_checks.report.overview.levels import Level, level, worst
from sae_checks.report.overview.matrix import in_layer_order
from sae_checks.report.page.cells import cell_id
from sae_checks.report.sentence import number
from sae_checks.report.summary import name_of
from sae_checks.session.result import Outcome, RunResult

# Signs beside colours: neither tells anything alone.
MARKS: dict[Level, str] = {
    "not measurable": "!",
    "failed": "✗",
    "insufficient evidence": "?",
    "accepted": "a",
    "undecided": "?",
    "unexpectedly passed": "✓",
    "passed": "✓",
    "reported": "·",
    "not applicable": "–",
}
Fields = dict[tuple[str, str], list[Outcome]]


def check_map(result: RunResult) -> dict[str, Any]:
    """Rows of SAEs; columns of checks, by topic; what is about several SAEs stands apart."""
    fields: Fields = {}
    several: dict[str, list[Outcome]] = {}
    for outcome in result.outcomes:
        sae, check = outcome.cell.sae, name_of(outcome.check)
        if sae is None:
            several.setdefault(check, []).append(outcome)
        else:
            fields.setdefault((sae.sae_id, check), []).append(outcome)
    columns = _columns(result.outcomes)
    rows = [
        {
            "sae": sae.sae_id,
            "fields": [_field(fields.get((sae.sae_id, each["name"]), [])) for each in columns],
        }
        for sae in in_layer_order(result.facts.release.saes)
    ]
    topics = in_order(each["topic"] for each in columns)
    return {
        "columns": columns,
        "topics": [
            {"name": topic, "span": sum(each["topic"] == topic for each in columns)}
            for topic in topics
        ],
        "rows": rows,
        "several": [_of_several(check, outcomes) for check, outcomes in several.items()],
    }


def _columns(outcomes: Iterable[Outcome]) -> list[dict[str, str]]:
    found = {
        name_of(o.check): {
            "name": name_of(o.check),
            "asks": (o.check.compared or o.check).summary,
            "topic": o.check.about,
        }
        for o in outcomes
        if o.cell.sae is not None
    }
    order = in_order(each["topic"] for each in found.values())
    return sorted(found.values(), key=lambda each: order.index(each["topic"]))


def _field(outcomes: list[Outcome]) -> dict[str, Any] | None:
    if not outcomes:
        return None
    one = worst(outcomes)
    value = math.nan if one.verdict is None else one.verdict.estimate.value
    return {
        "id": cell_id(one),
        "level": level(one),
        "mark": MARKS[level(one)],
        "value": number(value) if math.isfinite(value) else "",
        "heat": heat(one),
        "tests": len(outcomes),
    }


def _of_several(check: str, outcomes: list[Outcome]) -> dict[str, Any]:
    one = worst(outcomes)
    field = _field(outcomes)
    assert field is not None, "there are outcomes"
    unit = one.check.unit if one.verdict is None else one.verdict.limit.unit
    where = " ".join(part for part in (one.cell.place.of_saes, one.cell.task or "") if part)
    asks = (one.check.compared or one.check).summary
    return {**field, "check": check, "where": where, "unit": unit, "asks": asks}


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
