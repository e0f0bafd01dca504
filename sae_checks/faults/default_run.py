"""What a default run would have stopped at, of a release of which everything has been measured.

Measuring stops where verdicts are clear. Where the whole budget has been measured already, the same
looks are taken at the same growing tables, and nothing is measured again.
"""

from __future__ import annotations

from dataclasses import replace

from sae_checks.faults.findings import Cells
from sae_checks.measure.blocks import FIRST_ITEMS, FIRST_TEXTS, schedule
from sae_checks.records import TEXTS, Measurement, Table, TableKey
from sae_checks.session.decision import DecisionRule
from sae_checks.session.stopping import Adaptive


def as_default_run(whole: Measurement, rule: DecisionRule, cells: Cells) -> Measurement:
    """The part of a whole measurement at which a default run would have stopped.

    What features do on items is not known of a part of them, and left out.

    Args:
        whole: every table of the whole budget.
        rule: of an adaptive run.
        cells: of the run.
    """
    stopping = Adaptive(rule, cells)
    shown: dict[TableKey, Table] = {}
    for dataset in dict.fromkeys(key.dataset for key in whole.tables):
        there = {key: table for key, table in whole.tables.items() if key.dataset == dataset}
        budget = max(table.rows for table in there.values())
        for stop in schedule(budget, FIRST_TEXTS if dataset == TEXTS else FIRST_ITEMS):
            so_far = replace(whole, tables=dict(shown))
            unsettled = stopping.unsettled(so_far, dataset, budget)
            for key, table in there.items():
                if any(sae.sae_id in unsettled for sae in table.intervention.saes):
                    shown[key] = _first(table, stop)
    return replace(whole, tables=shown)


def _first(table: Table, stop: int) -> Table:
    """The first units of a table, as of a run that stopped there; all of fewer."""
    if stop >= table.rows:
        return table
    return replace(table.keep(slice(stop)), complete=False)
