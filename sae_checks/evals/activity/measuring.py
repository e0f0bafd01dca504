"""How activity is measured: features are counted on their way from the encoder to the decoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sae_checks.evals.activity.directions import near_duplicates
from sae_checks.evals.activity.table import (
    ACTIVE_FEATURES,
    DUPLICATES,
    ActivityTable,
    Duplicates,
)
from sae_checks.evals.activity.tally import ActivityTally
from sae_checks.load.language_model import CleanPass
from sae_checks.measure.calibration import measured_tokens
from sae_checks.measure.dataset import Batch
from sae_checks.measure.evaluation import Measuring
from sae_checks.measure.listener import Listener, Seen
from sae_checks.measure.texts import TextDataset
from sae_checks.records import IntArray, Intervention, SaeRef, SideTable, Table
from sae_checks.records.ranges import in_context_range


class ActivityMeasurer:
    """One that listens per part of the texts; decoders are compared once per SAE."""

    def __init__(self, measuring: Measuring) -> None:
        assert isinstance(measuring.dataset, TextDataset), "the activity evaluation reads texts"
        self.measuring, self.dataset = measuring, measuring.dataset
        self._duplicates: dict[str, Duplicates] = {}

    def listen(self, units: IntArray, interventions: Sequence[Intervention]) -> ActivityListener:
        """What listens to the passes over one part of the texts."""
        return ActivityListener(self, units, interventions)

    def duplicates(self, sae: SaeRef) -> Duplicates:
        """The features that share a direction; looked for while the SAE is loaded."""
        if sae.sae_id not in self._duplicates:
            decoder = self.measuring.saes.get(sae).sae.W_dec
            self._duplicates[sae.sae_id] = near_duplicates(decoder)
        return self._duplicates[sae.sae_id]


class ActivityListener(Listener):
    """Counts, of each SAE, the tokens within its training context."""

    encodes = True

    def __init__(
        self, measurer: ActivityMeasurer, units: IntArray, interventions: Sequence[Intervention]
    ) -> None:
        self.interventions = interventions
        self._measurer, self._units = measurer, units
        self._plan = measurer.measuring.plan
        self._texts = measurer.dataset.texts.rows(units)
        self._measured = measured_tokens(self._texts, slice(None))  # (texts, C)
        shape = self._texts.tokens.shape
        self._counted = {each: np.full(shape, np.nan) for each in interventions}
        self._tallies = {
            each: ActivityTally(units, self._texts.documents, each.saes[0].d_sae)
            for each in interventions
        }

    def begin(self, batch: Batch, clean: CleanPass) -> None:
        """Remember which rows these are."""
        self._rows = batch.rows

    def features(self, seen: Seen, piece: tuple[Any, Any], features: Tensor) -> None:
        """Count a piece of the batch, as far as it lies within the training context."""
        if ACTIVE_FEATURES not in self._plan:
            return
        texts, positions = piece
        rows = np.arange(self._rows.start, self._rows.stop)[texts]
        here = np.arange(self._texts.tokens.shape[1])[positions]
        inside = int((here < self._end(seen.sae)).sum())
        if not inside:
            return
        some, at = slice(rows[0], rows[-1] + 1), slice(here[0], here[0] + inside)
        counts = self._measured[some, at]
        self._tallies[seen.intervention].add(some, at, features[:, :inside], counts)

    def reconstruction(self, seen: Seen, x: Tensor, reconstruction: Tensor) -> None:
        """Mark the tokens that count, and those of them whose features are not finite."""
        finite = reconstruction.isfinite().all(dim=-1).cpu()  # (B, T)
        counts = self._measured[self._rows].clone()
        counts[:, self._end(seen.sae) :] = False
        marks = torch.where(finite, 1.0, torch.inf).where(counts, torch.nan)
        self._counted[seen.intervention][self._rows] = marks.numpy()
        if DUPLICATES in self._plan:
            self._measurer.duplicates(seen.sae)

    def _end(self, sae: SaeRef) -> int:
        """The first position that does not count any more."""
        return in_context_range(sae.training_context, self._texts.tokens.shape[1]).last + 1

    def tables(self) -> list[Table]:
        """One per intervention."""
        return [self._table(each) for each in self.interventions]

    def _table(self, intervention: Intervention) -> ActivityTable:
        sae, side = intervention.saes[0], dict[str, SideTable]()
        if ACTIVE_FEATURES in self._plan:
            side[ACTIVE_FEATURES] = self._tallies[intervention].table()
        if DUPLICATES in self._plan:
            side[DUPLICATES] = self._measurer.duplicates(sae)
        counted, documents = self._counted[intervention], self._texts.documents
        return ActivityTable.of(sae, counted, documents, self._units, side)
