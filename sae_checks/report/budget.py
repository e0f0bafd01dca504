"""How much of the budget a run's verdicts took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sae_checks.evals.context.table import ContextTable
from sae_checks.evals.tasks.table import TaskTable

if TYPE_CHECKING:
    from sae_checks.records import Measurement
    from sae_checks.session.session import Session


@dataclass(frozen=True)
class Passes:
    """How often SAEs were measured on a text, or on an item of a task.

    Attributes:
        spent: so often.
        budget: so often at the whole budget.
        size: texts or items of the whole budget.
    """

    spent: int
    budget: int
    size: int


def budget_lines(session: Session) -> list[str]:
    """One line on the budget of an adaptive run; none where the whole of it was asked for."""
    measurement = session.gate.measurement
    if measurement is None or not session.gate.adaptive:
        return []
    spent, budget = total(passes(measurement))
    if not budget:
        return []
    return [
        f"decided with {spent / budget:.0%} of the budget: {spent:,} of {budget:,} passes of an "
        "SAE over a text or an item (--sae-fixed measures all)"
    ]


def total(by_phase: Mapping[str, Passes]) -> tuple[int, int]:
    """Passes spent and passes of the whole budget, over all phases."""
    return sum(p.spent for p in by_phase.values()), sum(p.budget for p in by_phase.values())


def passes(measurement: Measurement) -> dict[str, Passes]:
    """By phase: "" for texts, else the task."""
    manifest = measurement.manifest
    texts = [table.rows for table in measurement.of(ContextTable).values()]
    found = {"": _passes(texts, manifest.texts.get("texts"))} if texts else {}
    for task in manifest.tasks:
        name = task.ref.name
        counts = [table.rows for table in measurement.of(TaskTable, name).values()]
        if counts:
            found[name] = _passes(counts, task.description.get("items"))
    return found


def _passes(counts: Sequence[int], whole: int | None) -> Passes:
    size = max([*counts, whole or 0])
    return Passes(sum(counts), len(counts) * size, size)
