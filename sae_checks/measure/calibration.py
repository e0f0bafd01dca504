"""What is learnt of each hook point before measuring: its mean activation and its usual norm.

Both come from a small set of texts that is chosen by content, so that neither the batch size nor
the order of the texts changes a measured figure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from sae_checks.load.language_model import LanguageModel
from sae_checks.load.texts import Texts
from sae_checks.measure import metrics
from sae_checks.records.octaves import octaves

CALIBRATION_TEXTS = 8
# A token is massive where its norm is this many times the median. Ordinary norms stay within a
# factor of three; massive activations lie two orders above (Sun et al. 2024, "Massive Activations
# in Large Language Models").
MASSIVE_FACTOR = 10.0


@dataclass(frozen=True)
class Calibration:
    """One hook point's usual activation."""

    mean: Tensor  # (d,) float32: the centre c, and the value of mean ablation
    massive_norm: float  # tokens with a larger norm are massive
    # (octaves, d) unit vectors from the mean towards the mean activation of each octave of
    # positions; 0 where it is the mean. None where no plan asks.
    directions: Tensor | None = None

    def along_offset(self, x: Tensor) -> Tensor:
        """(B, T) how far activations (B, T, d) lie along their octaves' directions, from the mean.

        Raises:
            ValueError: the directions were not learnt.
        """
        if self.directions is None:
            raise ValueError("the directions of octaves were not learnt: see `with_directions`")
        octave = torch.from_numpy(octaves(x.shape[1])).to(x.device)
        along: Tensor = torch.linalg.vecdot(x.float() - self.mean, self.directions[octave])
        return along

    def ablation(self, column: str) -> Tensor:
        """The constant (d,) that replaces every activation for ce_zero or ce_mean."""
        return self.mean if column == "ce_mean" else torch.zeros_like(self.mean)


def calibrate(
    model: LanguageModel, texts: Texts, hook_points: Sequence[str], batch_texts: int
) -> dict[str, Calibration]:
    """Mean activation and massive-norm limit of each hook point, over the measured tokens."""
    chosen = calibration_texts(texts)
    sums: dict[str, Tensor] = {}
    norms: dict[str, list[Tensor]] = {hook_point: [] for hook_point in hook_points}
    count = 0
    for start in range(0, len(chosen), batch_texts):
        rows = chosen[start : start + batch_texts]
        clean = model.clean(torch.from_numpy(texts.tokens[rows]).to(model.device), hook_points)
        keep = measured_tokens(texts, rows).to(model.device)  # (B, T)
        count += int(keep.sum())
        for hook_point, tap in clean.taps.items():
            x = tap[keep]  # (n, d)
            sums[hook_point] = (
                sums.get(hook_point, torch.zeros((), dtype=torch.float64)) + x.double().sum(0).cpu()
            )
            norms[hook_point].append(metrics.norm(x).cpu())
    return {
        hook_point: Calibration(
            mean=(sums[hook_point] / max(count, 1)).float().to(model.device),
            massive_norm=MASSIVE_FACTOR * float(torch.cat(norms[hook_point]).median()),
        )
        for hook_point in hook_points
    }


def with_directions(
    model: LanguageModel, texts: Texts, calibrations: Mapping[str, Calibration], batch_texts: int
) -> dict[str, Calibration]:
    """Learn the octaves' directions too, on the same texts' tokens that are not massive."""
    chosen, octave = calibration_texts(texts), torch.from_numpy(octaves(texts.tokens.shape[1]))
    sums = {at: torch.zeros(int(octave[-1]) + 1, len(c.mean)) for at, c in calibrations.items()}
    for start in range(0, len(chosen), batch_texts):
        rows = chosen[start : start + batch_texts]
        tokens = torch.from_numpy(texts.tokens[rows]).to(model.device)
        taps = model.clean(tokens, list(calibrations)).taps
        for hook_point, found in calibrations.items():
            x = taps[hook_point]
            ordinary = metrics.norm(x).cpu() <= found.massive_norm
            keep = measured_tokens(texts, rows) & ordinary  # (B, T)
            offsets = torch.where(keep.unsqueeze(-1), (x.float() - found.mean).cpu(), 0.0)
            sums[hook_point].index_add_(0, octave, offsets.sum(dim=0))
    return {
        hook_point: replace(
            found, directions=torch.nn.functional.normalize(sums[hook_point], dim=-1).to(found.mean)
        )
        for hook_point, found in calibrations.items()
    }


def measured_tokens(texts: Texts, rows: np.ndarray | slice) -> Tensor:
    """Which tokens (B, T) are measured: all but position 0 and special tokens."""
    keep = ~texts.special[rows]
    keep[:, 0] = False
    return torch.from_numpy(keep)


def calibration_texts(texts: Texts) -> np.ndarray:
    """Rows of the texts whose hashes are smallest: the same texts in whatever order they come."""
    digests = [hashlib.sha256(row.tobytes()).digest() for row in texts.tokens]
    return np.array(sorted(range(len(digests)), key=lambda row: digests[row])[:CALIBRATION_TEXTS])
