"""Feature scores, summed up batch by batch: no item × feature matrix outlives its batch."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sae_checks.evals.tasks.table import FeatureTable
from sae_checks.records import GROUPS


class FeatureTally:
    """What each feature of one SAE goes with, over the items of one task.

    Holds 2 sums in float64, 2 counts per group of items in int32 and a few more numbers per
    feature: 5 MB for 24,576 features, whatever the number of items.
    """

    def __init__(self, features: int, device: torch.device) -> None:
        # Sums of: Δ ln p where active, strength, strength · Δ ln p, strength · (±1). On a device
        # without float64 the sums are kept on the CPU.
        home = torch.device("cpu") if device.type == "mps" else device
        self._sums = torch.zeros(4, features, dtype=torch.float64, device=home)
        self._items = torch.zeros(GROUPS, features, dtype=torch.int32, device=home)
        self._score = torch.zeros(GROUPS, features, dtype=torch.int32, device=home)

    def add(self, groups: Tensor, strength: Tensor, delta_ln_p: Tensor) -> None:
        """Count some items.

        Args:
            groups: (B,) int64, each item's group.
            strength: (B, d_sae), the mean of |f| over the item's last prompt tokens.
            delta_ln_p: (B,) float64; what is not finite poisons the sums, as it should.
        """
        home = self._sums.device
        groups, strength, delta = groups.to(home), strength.to(home), delta_ln_p.to(home)
        sign = torch.where(delta >= 0, 1, -1)  # (B,)
        active = strength > 0  # (B, d_sae)
        present = active.int()
        self._items.index_add_(0, groups, present)
        self._score.index_add_(0, groups, present * sign.int().unsqueeze(-1))
        wide = strength.double()
        self._sums[0] += delta @ active.double()
        self._sums[1] += wide.sum(dim=0)
        self._sums[2:] += torch.stack([delta, sign.double()]) @ wide

    def table(self) -> FeatureTable:
        """The features that were active on an item."""
        items = self._items.sum(dim=0, dtype=torch.int64)
        feature = items.nonzero().squeeze(-1)  # (n,)

        def of_active(values: Tensor) -> np.ndarray:
            return values[..., feature].cpu().numpy()

        delta, strength, weighted_delta, weighted_score = of_active(self._sums)
        return FeatureTable(
            feature=feature.cpu().numpy(),
            items=of_active(items),
            delta_ln_p=delta,
            score=of_active(self._score.sum(dim=0, dtype=torch.int64)),
            strength=strength,
            weighted_delta_ln_p=weighted_delta,
            weighted_score=weighted_score,
            group_items=of_active(self._items).T.astype(np.int64),
            group_score=of_active(self._score).T.astype(np.int64),
        )
