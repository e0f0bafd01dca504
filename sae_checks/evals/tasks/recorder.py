"""Gathers one SAE's measurements on a task, batch by batch, into its table."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from sae_checks.evals.tasks.losses import LOSSES, LossTable
from sae_checks.evals.tasks.table import FEATURES, TaskTable
from sae_checks.evals.tasks.tally import FeatureTally
from sae_checks.measure.items import ItemDataset
from sae_checks.measure.plan import Plan
from sae_checks.records import FloatArray, IntArray, SaeRef, dealt_out


class ItemRecorder:
    """The columns of one SAE on some items under way: (items,) each, NaN where not yet measured.

    Args:
        sae: which one.
        dataset: the task's items.
        units: (items,) which of them are measured, in the order in which they are read.
        plan: which columns are needed.
        device: where sums are kept.
    """

    def __init__(
        self, sae: SaeRef, dataset: ItemDataset, units: IntArray, plan: Plan, device: torch.device
    ) -> None:
        self._sae, self._dataset, self._units = sae, dataset, units
        self._columns = {name: np.full(len(units), np.nan) for name in plan.in_rows}
        self.tally = FeatureTally(sae.d_sae, device) if FEATURES in plan else None
        self._keeps_losses = LOSSES in plan
        self._losses: list[tuple[IntArray, IntArray, FloatArray]] = []  # of each batch

    def record(self, rows: slice, columns: Mapping[str, Tensor]) -> None:
        """Write columns (B,) of some items; those that nobody asked for are passed over."""
        for name, values in columns.items():
            if name in self._columns:
                self._columns[name][rows] = values.cpu().numpy()

    def features(self, rows: slice, strength: Tensor, delta_ln_p: Tensor) -> None:
        """Score the features that are active on some items; strength (B, d_sae), Δ ln p (B,)."""
        if self.tally is not None:
            groups = dealt_out(self._dataset.clusters[self._units[rows]])
            self.tally.add(torch.from_numpy(groups), strength, delta_ln_p)

    def losses(self, rows: slice, places: Tensor, delta_ce: Tensor) -> None:
        """Keep what tokens lost.

        Args:
            rows: of the items of a batch.
            places: (n, 2) item of the batch, and position from which a token is predicted.
            delta_ce: (n,) nats.
        """
        if self._keeps_losses:
            item, position = places.cpu().numpy().astype(np.int64).T
            delta = delta_ce.double().cpu().numpy()
            self._losses.append((self._units[rows][item], position + 1, delta))

    def table(self) -> TaskTable:
        """All that was recorded."""
        items = [self._dataset.items.items[unit] for unit in self._units]
        return TaskTable.of(
            self._sae,
            self._dataset.ref.name,
            self._columns,
            np.array([len(item.prompt) for item in items], dtype=np.int64),
            [item.source for item in items],
            self.tally.table() if self.tally is not None else None,
            losses=self._loss_table(),
            clusters=self._dataset.clusters[self._units],
        )

    def _loss_table(self) -> LossTable | None:
        if not self._losses:
            return None
        item, position, delta_ce = (
            np.concatenate(each) for each in zip(*self._losses, strict=True)
        )
        return LossTable.of(item, position, delta_ce)
