"""A measurement without some of its independent units, for statistics of unknown influences.

Texts and items are dealt out to `ITEM_GROUPS` groups; what is not independent, such as the items
of one document, is of one group.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sae_checks.records import (
    AblationTable,
    FeatureTable,
    IntArray,
    Measurement,
    TaskTable,
)


def groups_in(measurement: Measurement, task: str | None) -> IntArray:
    """The groups that have a text (of no task) or an item of a task, in rising order."""
    if task is None:
        of_texts = [table.groups for table in measurement.tables.values()]
        return np.unique(np.concatenate(of_texts)) if of_texts else np.arange(0)
    of_items = [table.groups for table in measurement.tasks.get(task, {}).values()]
    return np.unique(np.concatenate(of_items)) if of_items else np.arange(0)


def without_group(measurement: Measurement, group: int) -> Measurement:
    """The measurement without the texts and items of one group."""
    return replace(
        measurement,
        tables={
            sae_id: table.keep_documents(table.groups != group)
            for sae_id, table in measurement.tables.items()
        },
        tasks={
            task: {sae_id: _without_items(table, group) for sae_id, table in tables.items()}
            for task, tables in measurement.tasks.items()
        },
    )


def _without_items(table: TaskTable, group: int) -> TaskTable:
    """The items of the other groups, with what features do on them as far as it is known apart."""
    kept = table.groups != group
    return replace(
        table.keep(kept),
        features=None if table.features is None else _less(table.features, group),
        ablations=None if table.ablations is None else _on(table.ablations, kept),
    )


def _less(features: FeatureTable, group: int) -> FeatureTable:
    """Counts and scores are stored by group; the sums of Δ ln p stay those of all items."""
    group_items, group_score = features.group_items.copy(), features.group_score.copy()
    items = features.items - group_items[:, group]
    score = features.score - group_score[:, group]
    group_items[:, group] = group_score[:, group] = 0
    return replace(
        features, items=items, score=score, group_items=group_items, group_score=group_score
    )


def _on(ablations: AblationTable, kept: np.ndarray) -> AblationTable:
    """What ablating does on the items that are kept, in their new rows."""
    rows, row_of = kept[ablations.item], np.cumsum(kept) - 1
    return replace(
        ablations,
        feature=ablations.feature[rows],
        best=ablations.best[rows],
        item=row_of[ablations.item[rows]],
        delta_ln_p=ablations.delta_ln_p[rows],
    )
