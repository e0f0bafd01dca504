"""How positions are measured: the SAE reads less, and what was held back is added after it.

With pos_p the positional vector at position p, spliced in is

    SAE(x − pos_p) + pos_p                          the token part alone,
    SAE(x − pos_p + pos̄) + pos_p − pos̄            the token part at the mean position,

pos̄ the mean of pos_p over the SAE's training context. The passes are this evaluation's own: what
the others splice in, the SAE's reconstruction of x, is not theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from sae_checks.evals.positions import ADDED, HOOK_POINT, MEAN_POSITION, TOKEN_PART, PositionTable
from sae_checks.load.language_model import CleanPass
from sae_checks.load.positions import positional_vectors
from sae_checks.measure import metrics
from sae_checks.measure.calibration import measured_tokens
from sae_checks.measure.dataset import Batch
from sae_checks.measure.evaluation import Measuring
from sae_checks.measure.listener import Listener, Seen
from sae_checks.measure.pieces import spans, tokens_at_once
from sae_checks.measure.splice import reconstruct, replaced
from sae_checks.measure.texts import TextBatch, TextDataset
from sae_checks.records import FloatArray, IntArray, Intervention, SaeRef, Table


class PositionMeasurer:
    """Finds the model's positional vectors; one that listens per part of the texts."""

    def __init__(self, measuring: Measuring) -> None:
        assert isinstance(measuring.dataset, TextDataset), "positions are those of texts"
        self.measuring, self.dataset = measuring, measuring.dataset
        length = int(self.dataset.texts.tokens.shape[1])
        self.vectors = (
            positional_vectors(measuring.model, length) if measuring.interventions else None
        )

    def listen(self, units: IntArray, interventions: Sequence[Intervention]) -> PositionListener:
        """What listens to the passes over one part of the texts."""
        return PositionListener(self, units, interventions)


class PositionListener(Listener):
    """Records the losses of first-layer SAEs that read tokens without their positions."""

    def __init__(
        self, measurer: PositionMeasurer, units: IntArray, interventions: Sequence[Intervention]
    ) -> None:
        self.interventions = interventions
        self._measuring, self._vectors = measurer.measuring, measurer.vectors
        self._texts = measurer.dataset.texts.rows(units)
        self._dataset = measurer.dataset.ref.name
        shape, plan = self._texts.tokens.shape, self._measuring.plan
        self._columns: Mapping[Intervention, dict[str, FloatArray]] = {
            each: {name: np.full(shape, np.nan) for name in plan.in_rows} for each in interventions
        }

    def begin(self, batch: Batch, clean: CleanPass) -> None:
        """Remember the batch."""
        assert isinstance(batch, TextBatch), "positions are those of texts"
        self._batch, self._clean = batch, clean

    def activations(self, seen: Seen, x: Tensor) -> None:
        """Splice in what the SAE makes of less than x, and record what that costs."""
        columns, rows = self._columns[seen.intervention], self._batch.rows
        keep = measured_tokens(self._texts, rows).numpy()
        columns[ADDED][rows] = np.where(keep, float(self._vectors is not None), np.nan)
        if self._vectors is None:
            return
        for name, held_back in held_back_vectors(self._vectors, seen.sae).items():
            if name in columns:
                final = self._spliced(seen.sae, x, held_back)
                self._record(columns[name][rows], final)

    def tables(self) -> list[Table]:
        """One per SAE."""
        measured = measured_tokens(self._texts, slice(None)).numpy()
        labels = {
            "massive": np.zeros_like(measured),
            "document": np.where(measured, self._texts.documents, np.int32(-1)),
        }
        return [
            PositionTable(self._dataset, intervention, columns, dict(labels))
            for intervention, columns in self._columns.items()
        ]

    def _spliced(self, sae: SaeRef, x: Tensor, held_back: Tensor) -> Tensor:
        """Final hidden states (B, T, d_model), with SAE(x − held back) + held back spliced in."""
        loaded = self._measuring.saes.get(sae)
        rest = reconstruct(loaded, x - held_back, self._batch, ())  # (B, T, d)
        replacement = replaced(self._batch, x, rest + held_back)
        return self._measuring.model.resume(self._clean, HOOK_POINT, replacement)

    def _record(self, column: FloatArray, final: Tensor) -> None:
        """Write −ln p(next token) into a column (B, T)."""
        model, keep = self._measuring.model, self._batch.measured.clone()
        keep[:, -1] = False  # nothing follows the last position
        places, targets = keep.nonzero(), self._clean.tokens.roll(-1, dims=1)[keep]
        for piece in spans(len(places), tokens_at_once(model.vocabulary)):
            text, position = places[piece].unbind(-1)
            log_p = metrics.log_probabilities(model.unembed(final[text.to(final.device), position]))
            loss = metrics.cross_entropy(log_p, targets[piece])
            column[text.cpu().numpy(), position.cpu().numpy()] = loss.double().cpu().numpy()


def held_back_vectors(vectors: Tensor, sae: SaeRef) -> dict[str, Tensor]:
    """By column, what an SAE does not get to read: (C, d), of positional vectors (C, d)."""
    trained_on = vectors[1 : sae.training_context]
    return {TOKEN_PART: vectors, MEAN_POSITION: vectors - torch.mean(trained_on, dim=0)}
