"""How stacks are measured on texts: a figure per token, after each SAE that is spliced in."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sae_checks.evals.context.recorder import Recorder
from sae_checks.evals.stack.tables import StackTable
from sae_checks.load.language_model import CleanPass
from sae_checks.measure import metrics
from sae_checks.measure.calibration import calibrate
from sae_checks.measure.dataset import Batch
from sae_checks.measure.engine import HELD_PASSES
from sae_checks.measure.evaluation import Measuring
from sae_checks.measure.listener import Listener, Seen
from sae_checks.measure.pieces import spans, tokens_at_once
from sae_checks.measure.texts import TextDataset
from sae_checks.records import TEXTS, IntArray, Intervention, Table


class StackMeasurer:
    """One that listens per part of the texts."""

    def __init__(self, measuring: Measuring) -> None:
        assert isinstance(measuring.dataset, TextDataset), "stacks of texts read texts"
        self.measuring, self.dataset = measuring, measuring.dataset
        hook_points = sorted({sae.writes for i in measuring.interventions for sae in i.saes})
        batch_texts = self.dataset.batch_texts(measuring.model, measuring.settings)
        self.calibrations = calibrate(measuring.model, self.dataset.texts, hook_points, batch_texts)

    def listen(self, units: IntArray, interventions: Sequence[Intervention]) -> StackListener:
        """What listens to the passes over one part of the texts."""
        return StackListener(self, units, interventions)


class StackListener(Listener):
    """Records what the model loses with each further SAE of a stack."""

    encodes = splices = prefixes = True

    def __init__(
        self, measurer: StackMeasurer, units: IntArray, interventions: Sequence[Intervention]
    ) -> None:
        self.interventions = interventions
        self._model, self._plan = measurer.measuring.model, measurer.measuring.plan
        texts = measurer.dataset.texts.rows(units)
        self._recorders = {
            Seen(each, sae): Recorder(sae, texts, self._plan, measurer.calibrations[sae.writes])
            for each in interventions
            for sae in each.saes
        }
        self._finals: dict[Seen, Tensor] = {}

    def begin(self, batch: Batch, clean: CleanPass) -> None:
        """Remember the batch."""
        self._batch, self._clean = batch, clean

    def activations(self, seen: Seen, x: Tensor) -> None:
        """Record what arrives at an SAE."""
        self._recorders[seen].activations(self._batch.rows, x)

    def prefix(self, seen: Seen, final: Tensor) -> None:
        """Keep the final states, but of no more prefixes than the loop does of interventions."""
        self._finals[seen] = final
        if len(self._finals) == HELD_PASSES:
            self._unembed()

    def unembed(self, interventions: Sequence[Intervention]) -> None:
        """Unembed what is left."""
        self._unembed()

    @torch.inference_mode()
    def _unembed(self) -> None:
        """Unembed clean and spliced final hidden states together, piece by piece."""
        finals, self._finals = self._finals, {}
        if not finals:
            return
        clean, rows = self._clean, self._batch.rows
        keep = self._batch.measured.clone()
        keep[:, -1] = False  # nothing follows the last position
        places = keep.nonzero()  # (N, 2): text of the batch, position
        targets = clean.tokens.roll(-1, dims=1)[keep]  # (N,)
        for piece in spans(len(places), tokens_at_once(self._model.vocabulary)):
            text, position = places[piece].unbind(-1)
            baseline = metrics.LossBaseline.of(self._log_p(clean.final, text, position))
            target, log_p = targets[piece], baseline.log_probabilities
            columns = {"ce_clean": metrics.cross_entropy(log_p, target)}
            for seen, final in finals.items():
                log_p = self._log_p(final, text, position)  # (n, V)
                columns["ce_sae"] = metrics.cross_entropy(log_p, target)
                if "kl" in self._plan:
                    columns["kl"] = metrics.kl_divergence(baseline, log_p)
                self._recorders[seen].losses(rows, text, position, columns)

    def _log_p(self, final: Tensor, text: Tensor, position: Tensor) -> Tensor:
        return metrics.log_probabilities(self._model.unembed(final[text, position]))

    def tables(self) -> list[Table]:
        """One per prefix of each stack."""
        return [
            StackTable(TEXTS, seen.intervention, of.columns, of.labels, observed=seen.sae)
            for seen, recorder in self._recorders.items()
            for of in [recorder.table()]
        ]
