"""What a default run would have stopped at, of a release of which everything has been measured.

Measuring stops where verdicts are clear. Where the whole budget has been measured already, the same
looks are taken at the same growing tables, and nothing is measured again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sae_checks.court import Court
from sae_checks.measure.blocks import FIRST_ITEMS, FIRST_TEXTS, Blocks
from sae_checks.records import Measurement, SaeRef, SaeTable, TaskTable
from sae_checks.referee import Adaptive
from sae_checks.selftest.findings import Cells


@dataclass(frozen=True)
class _Measured:
    """An SAE whose tables are at hand."""

    ref: SaeRef


def as_default_run(whole: Measurement, court: Court, cells: Cells) -> Measurement:
    """The part of a whole measurement at which a default run would have stopped.

    What features do on items is not known of a part of them, and left out.

    Args:
        whole: every table of the whole budget.
        court: of an adaptive run.
        cells: of the run.
    """
    referee = Adaptive(court, cells)
    saes = [_Measured(sae) for sae in whole.release.saes]
    texts: dict[str, SaeTable] = {}
    size = max((table.texts for table in whole.tables.values()), default=0)

    def first_texts(some: Sequence[_Measured], rows: slice) -> Mapping[str, SaeTable]:
        return {
            sae.ref.sae_id: _texts(whole.tables[sae.ref.sae_id], rows.stop)
            for sae in some
            if sae.ref.sae_id in whole.tables
        }

    Blocks(
        size=size,
        first=FIRST_TEXTS,
        length=lambda table: table.texts,
        measure=first_texts,
        join=lambda _, longer: longer,
        unsettled=lambda: referee.unsettled(replace(whole, tables=texts, tasks={}), None, size),
        progress=lambda _: None,
    ).grow(texts, [sae for sae in saes if sae.ref.sae_id in whole.tables])
    tasks = {name: _stopped(name, whole, texts, referee, saes) for name in whole.tasks}
    return replace(whole, tables=texts, tasks=tasks)


def _stopped(
    name: str,
    whole: Measurement,
    texts: dict[str, SaeTable],
    referee: Adaptive,
    saes: Sequence[_Measured],
) -> dict[str, TaskTable]:
    """The tables of one task, as far as a default run would have taken them."""
    there = whole.tasks[name]
    found: dict[str, TaskTable] = {}
    size = max((table.items for table in there.values()), default=0)

    def first_items(some: Sequence[_Measured], rows: slice) -> Mapping[str, TaskTable]:
        return {sae.ref.sae_id: _items(there[sae.ref.sae_id], rows.stop) for sae in some}

    Blocks(
        size=size,
        first=FIRST_ITEMS,
        length=lambda table: table.items,
        measure=first_items,
        join=lambda _, longer: longer,
        unsettled=lambda: referee.unsettled(
            replace(whole, tables=texts, tasks={name: found}), name, size
        ),
        progress=lambda _: None,
    ).grow(found, [sae for sae in saes if sae.ref.sae_id in there])
    return found


def _texts(table: SaeTable, stop: int) -> SaeTable:
    if stop >= table.texts:
        return table
    return replace(table.keep(slice(stop)), complete=False)


def _items(table: TaskTable, stop: int) -> TaskTable:
    return table if stop >= table.items else replace(table.keep(slice(stop)), complete=False)
