"""What each token of a task's items lost, which reports show beside what is judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sae_checks.records import FloatArray, IntArray, SideTable

LOSSES = "losses"
MOST = 1_000.0  # nats: infinite losses are shown as so many


@dataclass(frozen=True)
class LossTable(SideTable):
    """ΔCE of each token that is predicted: of prompts where their losses are measured, of answers.

    A row per token, by item and position. Nothing is judged by it: reports show it.
    """

    item: NDArray[np.int32]  # (n,) number of the item in its data set
    position: NDArray[np.int32]  # (n,) of the token that is predicted, in the prompt and its answer
    delta_ce: NDArray[np.int32]  # (n,) −ln p spliced less −ln p clean, in thousandths of a nat

    @classmethod
    def of(cls, item: IntArray, position: IntArray, delta_ce: FloatArray) -> LossTable:
        """By item and position.

        Args:
            item: (n,) number of the item in its data set.
            position: (n,) of the token in it.
            delta_ce: (n,) nats; what is undefined is left out, and beyond ±`MOST` is that.
        """
        known = ~np.isnan(delta_ce)
        rounded = np.rint(np.clip(delta_ce[known], -MOST, MOST) * 1_000)
        return cls._in_order(item[known], position[known], rounded)

    @classmethod
    def _in_order(
        cls, item: NDArray[Any], position: NDArray[Any], delta: NDArray[Any]
    ) -> LossTable:
        order = np.lexsort((position, item))
        return cls(*(each[order].astype(np.int32) for each in (item, position, delta)))

    def join(self, later: LossTable) -> LossTable:
        """The tokens of both."""
        ours, theirs = self.arrays(), later.arrays()
        return LossTable._in_order(*(np.concatenate([ours[name], theirs[name]]) for name in ours))

    def kept(self) -> LossTable:
        """All of it: items are known by their numbers."""
        return self

    def of_item(self, item: int) -> dict[int, float]:
        """By position, in nats."""
        rows = slice(*np.searchsorted(self.item, (item, item + 1)))
        nats = (self.delta_ce[rows] / 1_000).tolist()
        return dict(zip(self.position[rows].tolist(), nats, strict=True))
