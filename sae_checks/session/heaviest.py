"""The documents or items that weigh most in a value.

One weighs by its influence: how far the value moves with it, to first order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sae_checks.evals.context.table import ContextTable
from sae_checks.evals.tasks.table import TaskTable
from sae_checks.judge.verdict import Verdict
from sae_checks.records import SHIFT, IntArray, Measurement, SaeRef
from sae_checks.records.place import CellRef
from sae_checks.session.result import HeavyUnit

SHOWN_UNITS = 5


def heaviest_units(
    measurement: Measurement, cell: CellRef, verdict: Verdict
) -> tuple[HeavyUnit, ...]:
    """Those that move a cell's value furthest towards its limit's wrong side, worst first.

    None of a cell of several SAEs, or where the estimate is not made of influences.
    """
    units = worst_units(verdict)
    if not units or cell.sae is None or len(cell.saes) != 1:
        return ()
    if cell.task is None:
        return _documents(measurement, cell, cell.sae, units)
    return _items(measurement, measurement.of(TaskTable, cell.task)[cell.sae.sae_id], units)


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


def _documents(
    measurement: Measurement, cell: CellRef, sae: SaeRef, units: Sequence[int]
) -> tuple[HeavyUnit, ...]:
    """Documents by number, with their first words as far as they are known.

    Of a cell of several corpora, the units of one come after those of the other.
    """
    manifest, every = measurement.manifest, list[HeavyUnit]()
    for dataset in cell.datasets:
        described = manifest.shift if dataset == SHIFT else manifest.texts
        openings: Mapping[str, str] = described.get("openings", {})
        corpus = manifest.shift_corpus if dataset == SHIFT else ""
        numbers = document_numbers(measurement.of(ContextTable, dataset)[sae.sae_id])
        every += [
            HeavyUnit(int(each), None, openings.get(str(each), ""), corpus) for each in numbers
        ]
    return tuple(every[unit] for unit in units)


def _items(
    measurement: Measurement, table: TaskTable, units: Sequence[int]
) -> tuple[HeavyUnit, ...]:
    """Items by their source, with the last words of their prompts as far as they are known."""
    described = [t for t in measurement.manifest.tasks if t.ref.name == table.dataset]
    endings: Sequence[str] = described[0].description.get("endings", ()) if described else ()
    rows = [int(each) for each in item_rows(table)[list(units)]]
    return tuple(
        HeavyUnit(row, str(table.sources[row]), endings[row] if row < len(endings) else "")
        for row in rows
    )


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
