"""What active features write, held against the error: per token, within the training context.

With d_i the decoder row of feature i and f_i its activation, of a token

    v = Σ f_i d_i                     is what its features write,
    u = Σ over f_i ≠ 0 of d_i/‖d_i‖   the sum of the directions that they write along,

and its strength Σ f_i ‖d_i‖. No rescaling of a feature with its decoder row changes any of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sae_checks.evals.context.table import WRITTEN
from sae_checks.load.sae import LoadedSae
from sae_checks.records import SaeRef


class WrittenRecorder:
    """Adds up what features write while a batch goes by, and multiplies it out in the end.

    Args:
        ref: the SAE.
        loaded: gives it, while it is in use.
        context: of the texts, in tokens; what lies past the SAE's training context is left out.
    """

    def __init__(self, ref: SaeRef, loaded: Callable[[], LoadedSae], context: int) -> None:
        self._loaded = loaded
        self._inside = min(ref.training_context or context, context)
        self._written = self._directions = self._strength = torch.zeros(0)
        self._scale: Tensor | None = None

    def begin(self, x: Tensor) -> None:
        """A batch of activations (B, T, d_out) goes by."""
        shape = (x.shape[0], self._inside, x.shape[-1])
        self._written, self._directions = (torch.zeros(shape, device=x.device) for _ in range(2))
        self._strength = torch.zeros(shape[:-1], device=x.device)
        self._scale = self._loaded().output_scale(x[:, : self._inside])

    def features(self, piece: tuple[Any, Any], features: Tensor) -> None:
        """Feature activations (b, t, d_sae) of a piece of the batch, by its index pair."""
        texts, positions = piece
        first = positions.start or 0
        last = min(first + features.shape[1], self._inside)
        if last <= first:
            return
        here = (texts, slice(first, last))
        written, directions, strength = self._loaded().written(features[:, : last - first])
        self._written[here], self._directions[here] = written, directions
        self._strength[here] = strength

    def columns(self, x: Tensor, reconstruction: Tensor) -> dict[str, Tensor]:
        """The columns (B, T) of the batch, NaN past the training context.

        Args:
            x: (B, T, d_out), what stands where the SAE writes.
            reconstruction: (B, T, d_out).
        """
        inside = slice(self._inside)
        error = (x[:, inside].float() - reconstruction[:, inside].float()).double()
        written, directions = self._written.double(), self._directions.double()
        strength = self._strength.double()
        if self._scale is not None:  # of each activation, which the SAE multiplies by in the end
            written, directions = written * self._scale, directions * self._scale
        figures = (
            strength,
            torch.linalg.vecdot(written, written),
            torch.linalg.vecdot(written, error),
            torch.linalg.vecdot(directions, written),
            torch.linalg.vecdot(directions, error),
        )
        rest = (0, x.shape[1] - self._inside)
        return {
            # As tables keep them, so that what is read again is judged alike.
            name: torch.nn.functional.pad(values.float(), rest, value=torch.nan)
            for name, values in zip(WRITTEN, figures, strict=True)
        }
