"""What the tasks evaluation measures in the end: what single features cause.

Without torch until something is to be measured: that nothing is, a run has to find out as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from sae_checks.evals.tasks.table import ABLATIONS, AblationTable, TaskTable
from sae_checks.measure.evaluation import Measuring
from sae_checks.measure.plan import Plan
from sae_checks.measure.progress import Progress
from sae_checks.records import Table
from sae_checks.wording import counted


@dataclass(frozen=True)
class Ablations:
    """The ablations of the best and worst features of tables that have grown to their ends.

    Attributes:
        asked: how many of the best, and how many of the worst.
    """

    asked: int

    def missing(self, table: Table, plan: Plan) -> bool:
        """Whether a table lacks so many."""
        there = table.side.get(ABLATIONS)
        return ABLATIONS in plan and not (
            isinstance(there, AblationTable) and there.asked == self.asked
        )

    def measure(
        self, measuring: Measuring, tables: Mapping[str, Table], progress: Progress
    ) -> dict[str, Table]:
        """The tables of SAEs, by id, with their ablations; SAEs of as many items share batches."""
        from sae_checks.evals.tasks.ablation import ablate, choose
        from sae_checks.measure.items import ItemDataset

        dataset = measuring.dataset
        assert isinstance(dataset, ItemDataset), "features are ablated on items"
        own = {name: each for name, each in tables.items() if isinstance(each, TaskTable)}
        chosen = {name: choose(table, self.asked) for name, table in own.items()}
        said = f"ablating features of {counted(len(own), 'SAE')} on {dataset.ref.name}"
        total = sum(table.items for table in own.values())
        progress.start(said, total, dataset.ref.name, "ablating")
        done: dict[str, Table] = {}
        for length in sorted({table.items for table in own.values()}):
            found = ablate(
                measuring.model,
                measuring.saes,
                [table.sae for table in own.values() if table.items == length],
                dataset,
                np.arange(length),
                chosen,
                measuring.settings,
                progress.advance,
            )
            for name, ablations in found.items():
                done[name] = own[name].with_ablations(replace(ablations, asked=self.asked))
        return done
