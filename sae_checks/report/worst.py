"""Where a claim goes wrong: its worst ranges of positions, and the texts or items that weigh most.

An item or document weighs by its influence: how far the value moves with it, to first order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from sae_checks.evals.context.table import ContextTable
from sae_checks.evals.tasks.table import TaskTable
from sae_checks.judge.statistics import Estimate
from sae_checks.judge.thresholds import Limit
from sae_checks.judge.verdict import Verdict
from sae_checks.records import IntArray, Measurement
from sae_checks.report.sentence import with_unit
from sae_checks.wording import printable

SHOWN_RANGES, SHOWN_UNITS = 3, 5


def excess(estimate: Estimate, limit: Limit) -> float:
    """How far the value lies beyond the end of its limit that it is nearest to; negative within."""
    over = -np.inf if limit.max is None else estimate.value - limit.max
    under = -np.inf if limit.min is None else limit.min - estimate.value
    return float(max(over, under))


def worst_ranges(verdicts: Iterable[tuple[str, Verdict]]) -> str:
    """The ranges whose values lie furthest beyond their limits, or nearest to them; "" for none."""
    known = [(where, v) for where, v in verdicts if np.isfinite(v.estimate.value)]
    known.sort(key=lambda each: -excess(each[1].estimate, each[1].limit))
    shown = [
        f"{where} ({with_unit(verdict.estimate.value, verdict.limit.unit)})"
        for where, verdict in known[:SHOWN_RANGES]
    ]
    return f"worst ranges: {', '.join(shown)}" if shown else ""


def worst_units(verdict: Verdict) -> list[int]:
    """The independent units that move the value furthest towards its limit's wrong side.

    None where the estimate is not made of influences.
    """
    influence, limit = verdict.estimate.influence, verdict.limit
    if influence is None or not len(influence):
        return []
    upwards = limit.max is not None and (
        limit.min is None or verdict.estimate.value - limit.max > limit.min - verdict.estimate.value
    )
    towards = influence if upwards else -influence
    order = np.argsort(-towards, kind="stable")[:SHOWN_UNITS]
    return [int(unit) for unit in order if towards[unit] > 0]


def document_lines(
    measurement: Measurement, table: ContextTable, units: Sequence[int]
) -> list[str]:
    """Documents by number, with their first words as far as they are known."""
    openings: Mapping[str, str] = measurement.manifest.texts.get("openings", {})
    numbers = document_numbers(table)
    return [
        f"  document {numbers[unit]}: {_quoted(openings.get(str(numbers[unit]), ''))}".rstrip(": ")
        for unit in units
    ]


def item_lines(measurement: Measurement, table: TaskTable, units: Sequence[int]) -> list[str]:
    """Items by their source, with the last words of their prompts as far as they are known."""
    described = [t for t in measurement.manifest.tasks if t.ref.name == table.dataset]
    endings: Sequence[str] = described[0].description.get("endings", ()) if described else ()
    rows = item_rows(table)
    lines = []
    for unit in units:
        row = int(rows[unit])
        said = _quoted(endings[row]) if row < len(endings) else ""
        lines.append(f"  item {row} ({printable(table.sources[row])}): {said}".rstrip(": "))
    return lines


def document_numbers(table: ContextTable) -> IntArray:
    """(units,) the number of each unit's document."""
    if table.documents is None:
        return np.arange(table.texts)
    if table.units.index is None:
        return np.asarray(table.documents.max(axis=1), dtype=np.int64)
    return np.unique(table.documents[table.documents >= 0]).astype(np.int64)


def item_rows(table: TaskTable) -> IntArray:
    """(units,) the first item of each unit: items that share a document are one."""
    if table.clusters is None:
        return np.arange(table.items)
    return np.unique(table.clusters, return_index=True)[1].astype(np.int64)


def _quoted(text: str) -> str:
    return f"“{printable(text)} …”" if text else ""
