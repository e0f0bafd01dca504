"""How much of the budget a run's verdicts took."""

from __future__ import annotations

from collections.abc import Sequence

from sae_checks.evals.context.table import ContextTable
from sae_checks.evals.tasks.table import TaskTable
from sae_checks.records import SHIFT, Measurement
from sae_checks.session.result import Passes


def passes(measurement: Measurement) -> dict[str, Passes]:
    """By phase: "" for texts, `SHIFT` for those of a second corpus, else the task."""
    manifest = measurement.manifest
    texts = [table.rows for table in measurement.of(ContextTable).values()]
    found = {"": _passes(texts, manifest.texts.get("texts"))} if texts else {}
    shifted = [table.rows for table in measurement.of(ContextTable, SHIFT).values()]
    if shifted:
        found[SHIFT] = _passes(shifted, manifest.shift.get("texts"))
    for task in manifest.tasks:
        name = task.ref.name
        counts = [table.rows for table in measurement.of(TaskTable, name).values()]
        if counts:
            found[name] = _passes(counts, task.description.get("items"))
    return found


def _passes(counts: Sequence[int], whole: int | None) -> Passes:
    size = max([*counts, whole or 0])
    return Passes(sum(counts), len(counts) * size, size)
