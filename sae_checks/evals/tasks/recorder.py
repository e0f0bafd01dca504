"""Gathers one SAE's measurements on a task, batch by batch, into its table."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from sae_checks.evals.tasks.table import TaskTable
from sae_checks.evals.tasks.tally import FeatureTally
from sae_checks.load.tasks.items import Items
from sae_checks.measure.plan import ABLATIONS, FEATURES, ItemPlan
from sae_checks.records import GROUPS, IntArray, SaeRef, TaskRef


class ItemRecorder:
    """The columns of one SAE on one task under way: (items,) each, NaN where not yet measured."""

    def __init__(
        self, sae: SaeRef, task: TaskRef, items: Items, plan: ItemPlan, device: torch.device
    ) -> None:
        self._sae, self._task, self._items = sae, task, items
        columns = plan.columns - {FEATURES, ABLATIONS}
        self._columns = {name: np.full(len(items.items), np.nan) for name in sorted(columns)}
        self.tally = FeatureTally(sae.d_sae, device) if plan.features else None
        self._clusters = _clusters(items)

    def record(self, rows: IntArray, columns: Mapping[str, Tensor]) -> None:
        """Write columns (B,) of some items; those that nobody asked for are passed over."""
        for name, values in columns.items():
            if name in self._columns:
                self._columns[name][rows] = values.cpu().numpy()

    def features(self, rows: IntArray, strength: Tensor, delta_ln_p: Tensor) -> None:
        """Score the features that are active on some items; strength (B, d_sae), Δ ln p (B,)."""
        if self.tally is not None:
            numbers = rows + len(self._items.earlier)
            clusters = numbers if self._clusters is None else self._clusters[rows]
            groups = torch.from_numpy(np.asarray(clusters) % GROUPS)
            self.tally.add(groups, strength, delta_ln_p)

    def table(self) -> TaskTable:
        """All that was recorded."""
        items = self._items.items
        return TaskTable(
            sae=self._sae,
            task=self._task,
            columns=self._columns,
            prompt_tokens=np.array([len(item.prompt) for item in items]),
            sources=tuple(item.source for item in items),
            features=self.tally.table() if self.tally is not None else None,
            clusters=self._clusters,
        )


def _clusters(items: Items) -> IntArray | None:
    """(items,) the number of each item's cluster, in order of appearance; None if all differ.

    The items before these are counted too, so that a cluster keeps its number.
    """
    numbers: dict[str | int, int] = {}
    labels = (item.cluster or row for row, item in enumerate((*items.earlier, *items.items)))
    clusters = np.array([numbers.setdefault(label, len(numbers)) for label in labels])
    return clusters[len(items.earlier) :] if len(numbers) < len(clusters) else None
