"""The items of a task, and one quantity on each of them.

Every column is defined on every item, so a figure that is NaN or infinite is a finding about the
SAE, not a gap: it is counted, and the estimate made of it is undefined.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sae_checks.errors import UserError
from sae_checks.evals.context.tokens import Quantity, columns_of
from sae_checks.evals.tasks.table import ITEM_CLASSES, AblationTable, FeatureTable, TaskTable
from sae_checks.records import BoolArray, FloatArray
from sae_checks.wording import counted


@dataclass(frozen=True)
class ItemValues:
    """Quantities on each item, in the order in which they were asked for."""

    values: tuple[FloatArray, ...]  # (items,) each
    broken: str = ""  # "" or "sae_ln_p is not finite on 3 items"


def item_column(table: TaskTable, name: str) -> FloatArray:
    """(items,), float64."""
    if name not in table.columns:
        raise _not_measured(table, name)
    return np.asarray(table.columns[name], dtype=np.float64)


def items_of(table: TaskTable, *quantities: Quantity) -> ItemValues:
    """Quantities on each item, and whether all of them are finite throughout."""
    names = [name for quantity in quantities for name in columns_of(quantity)]
    columns = {name: item_column(table, name) for name in names}
    for name, values in columns.items():
        broken = int((~np.isfinite(values)).sum())
        if broken:
            return ItemValues((), f"{name} is not finite on {counted(broken, 'item')}")
    parts = [[columns[name] for name in columns_of(quantity)] for quantity in quantities]
    made = tuple(each[0] if len(each) == 1 else each[0] - each[1] for each in parts)
    return ItemValues(made, "" if table.items else "no items were measured")


def by_cluster(table: TaskTable, values: FloatArray) -> FloatArray:
    """(clusters,) sums over the items of each cluster; items without one are one of their own."""
    if table.clusters is None:
        return values
    which = np.unique(table.clusters, return_inverse=True)[1]
    return np.asarray(np.bincount(which, weights=values), dtype=np.float64)


def answers_of(table: TaskTable, *, candidates: bool = False) -> ItemValues:
    """Whether the answer is right, clean and spliced: 1 or 0.

    Right is an answer that is the arg-max of all tokens, or of the item's candidates.
    """
    if candidates:
        return items_of(table, "clean_candidate_right", "sae_candidate_right")
    items = items_of(table, "clean_rank", "sae_rank")
    return ItemValues(
        tuple((ranks == 1).astype(np.float64) for ranks in items.values), items.broken
    )


def classes_of(clean: FloatArray, spliced: FloatArray) -> dict[str, BoolArray]:
    """(items,) which of them fall into each class, by who answers right."""
    return {
        name: (clean == by_clean) & (spliced == by_sae)
        for name, (by_clean, by_sae) in ITEM_CLASSES.items()
    }


def features_of(table: TaskTable) -> FeatureTable:
    """The features that are active on the task."""
    if table.features is None:
        raise _not_measured(table, "features")
    return table.features


def ablations_of(table: TaskTable) -> AblationTable:
    """What ablating single features does."""
    if table.ablations is None:
        raise _not_measured(table, "ablations")
    return table.ablations


def _not_measured(table: TaskTable, name: str) -> UserError:
    tables = {"features": table.features, "ablations": table.ablations}
    measured = [*sorted(table.columns), *(key for key, value in tables.items() if value)]
    return UserError(
        f"{name} was not measured for {table.intervention.name} on {table.dataset}: name it in the "
        f"check's needs; measured were {', '.join(measured)}"
    )
