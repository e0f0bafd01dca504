"""What a default run would have stopped at, of a release of which everything has been measured.

Measuring stops where verdicts are clear. Where the whole budget has been measured already, the same
looks are taken at the same growing tables, and nothing is measured again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from sae_checks.evals.context.table import ContextTable
from sae_checks.evals.tasks.table import TaskTable
from sae_checks.faults.findings import Cells
from sae_checks.measure.blocks import FIRST_ITEMS, FIRST_TEXTS, Blocks
from sae_checks.records import Measurement, SaeRef
from sae_checks.session.decision import DecisionRule
from sae_checks.session.stopping import Adaptive

Table = TypeVar("Table", ContextTable, TaskTable)


@dataclass(frozen=True)
class _Measured:
    """An SAE whose tables are at hand."""

    ref: SaeRef


def as_default_run(whole: Measurement, rule: DecisionRule, cells: Cells) -> Measurement:
    """The part of a whole measurement at which a default run would have stopped.

    What features do on items is not known of a part of them, and left out.

    Args:
        whole: every table of the whole budget.
        rule: of an adaptive run.
        cells: of the run.
    """
    stopping = Adaptive(rule, cells)

    def of_texts(shown: dict[str, ContextTable], budget: int) -> Set[str]:
        return stopping.unsettled(replace(whole, tables=shown, tasks={}), None, budget)

    texts = _grown(whole.tables, FIRST_TEXTS, lambda table: table.texts, of_texts)

    def of_task(name: str, shown: dict[str, TaskTable], budget: int) -> Set[str]:
        so_far = replace(whole, tables=texts, tasks={name: shown})
        return stopping.unsettled(so_far, name, budget)

    tasks = {
        name: _grown(
            tables,
            FIRST_ITEMS,
            lambda table: table.items,
            partial(of_task, name),
        )
        for name, tables in whole.tasks.items()
    }
    return replace(whole, tables=texts, tasks=tasks)


def _grown(
    there: Mapping[str, Table],
    first: int,
    length: Callable[[Table], int],
    unsettled: Callable[[dict[str, Table], int], Set[str]],
) -> dict[str, Table]:
    """As much of each table as the blocks of a run would have taken, by SAE id."""
    shown: dict[str, Table] = {}
    budget = max(map(length, there.values()), default=0)

    def part(some: Sequence[_Measured], rows: slice) -> Mapping[str, Table]:
        return {sae.ref.sae_id: _first(there[sae.ref.sae_id], rows.stop, length) for sae in some}

    Blocks(
        size=budget,
        first=first,
        length=length,
        measure=part,
        join=lambda _, longer: longer,
        unsettled=lambda: unsettled(shown, budget),
        progress=lambda _: None,
    ).grow(shown, [_Measured(table.sae) for table in there.values()])
    return shown


def _first(table: Table, stop: int, length: Callable[[Table], int]) -> Table:
    """The first texts or items of a table, as of a run that stopped there; all of fewer."""
    if stop >= length(table):
        return table
    return replace(table.keep(slice(stop)), complete=False)
