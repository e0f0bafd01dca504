"""How much of the budget a run's verdicts took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sae_checks.records import Measurement
    from sae_checks.session import Session


def budget_lines(session: Session) -> list[str]:
    """One line on the budget of an adaptive run; none where the whole of it was asked for."""
    measurement = session.gate.measurement
    if measurement is None or not session.gate.adaptive:
        return []
    spent, budget = passes(measurement)
    if not budget:
        return []
    return [
        f"decided with {spent / budget:.0%} of the budget: {spent:,} of {budget:,} passes of an "
        "SAE over a text or an item (--sae-fixed measures all)"
    ]


def passes(measurement: Measurement) -> tuple[int, int]:
    """How often an SAE was measured on a text or an item, and how often at the whole budget."""
    manifest: Mapping[str, Any] = measurement.manifest
    spent = budget = 0
    texts = [table.texts for table in measurement.tables.values()]
    spent, budget = _add(spent, budget, texts, manifest.get("texts", {}).get("texts"))
    for task in manifest.get("tasks", []):
        tables = measurement.tasks.get(task["ref"]["name"], {}).values()
        counts = [table.items for table in tables]
        spent, budget = _add(spent, budget, counts, task["description"].get("items"))
    return spent, budget


def _add(spent: int, budget: int, counts: Sequence[int], whole: int | None) -> tuple[int, int]:
    most = max([*counts, whole or 0], default=0)
    return spent + sum(counts), budget + len(counts) * most
