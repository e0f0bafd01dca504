"""How the context evaluation measures: a figure per token, of every SAE spliced in by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from sae_checks.evals.context.columns import FLOORS, KL_FLOORS
from sae_checks.evals.context.error_direction import error_directions
from sae_checks.evals.context.recorder import Recorder
from sae_checks.evals.context.table import ERROR_PROJECTION, WRITTEN, ContextTable
from sae_checks.evals.context.written import WrittenRecorder
from sae_checks.load.language_model import CleanPass, LanguageModel
from sae_checks.load.sae import LoadedSae
from sae_checks.load.texts import Texts
from sae_checks.measure import metrics
from sae_checks.measure.calibration import Calibration, calibrate, with_directions
from sae_checks.measure.dataset import Batch
from sae_checks.measure.evaluation import Measuring
from sae_checks.measure.floors import Floor, prepare_floors
from sae_checks.measure.listener import Listener, Seen
from sae_checks.measure.loaded import SaeSource
from sae_checks.measure.once import measure_once
from sae_checks.measure.pass_options import PassOptions
from sae_checks.measure.pieces import spans, tokens_at_once
from sae_checks.measure.plan import Plan
from sae_checks.measure.texts import TextBatch, TextDataset
from sae_checks.records import TEXTS, IntArray, Intervention, SaeRef, Table
from sae_checks.records.octaves import OFFSET_PROJECTION


@dataclass(frozen=True)
class Prepared:
    """What is learnt of the hook points before SAEs are measured there."""

    calibrations: Mapping[str, Calibration]
    floors: Mapping[str, Sequence[Floor]]
    error_directions: Mapping[str, Tensor]  # (d,) by SAE id, where the plan asks
    saes: SaeSource  # gives the one that is in use


class ContextMeasurer:
    """Learns of hook points what measuring there takes; one that listens per part of the texts."""

    def __init__(self, measuring: Measuring) -> None:
        assert isinstance(measuring.dataset, TextDataset), "the context evaluation reads texts"
        self._measuring, self._dataset = measuring, measuring.dataset
        self._prepared = self._prepare()

    def listen(self, units: IntArray, interventions: Sequence[Intervention]) -> ContextListener:
        """What listens to the passes over one part of the texts."""
        model, plan = self._measuring.model, self._measuring.plan
        texts, name = self._dataset.texts.rows(units), self._dataset.ref.name
        return ContextListener(model, plan, self._prepared, texts, list(interventions), name)

    def _prepare(self) -> Prepared:
        model, plan, texts = self._measuring.model, self._measuring.plan, self._dataset.texts
        saes = [i.saes[0] for i in self._measuring.interventions]
        written = {sae.writes for sae in saes}
        hook_points = sorted(written | {sae.hook_point for sae in saes})
        batch_texts = self._dataset.batch_texts(model, self._measuring.settings)
        calibrations = calibrate(model, texts, hook_points, batch_texts)
        if OFFSET_PROJECTION in plan:
            calibrations = with_directions(model, texts, calibrations, batch_texts)
        floors = [name for name in FLOORS if name in plan or KL_FLOORS[name] in plan]
        tokens = torch.from_numpy(texts.tokens[:1])
        of_written = {at: each for at, each in calibrations.items() if at in written}
        prepared = prepare_floors(model, of_written, floors, tokens)
        asked = ERROR_PROJECTION in plan
        directions = error_directions(self._measuring, calibrations) if asked else {}
        return Prepared(calibrations, prepared, directions, self._measuring.saes)


@dataclass
class ContextListener(Listener):
    """Records what is seen at taps, and unembeds clean, spliced and ablated states together."""

    model: LanguageModel
    plan: Plan
    prepared: Prepared
    texts: Texts
    interventions: list[Intervention]
    dataset: str = TEXTS
    _recorders: dict[Intervention, Recorder] = field(init=False)
    _batch: TextBatch = field(init=False)
    _clean: CleanPass = field(init=False)
    _finals: dict[Intervention, Tensor] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.encodes, self.splices = self.plan.encodes, self.plan.splices
        self._recorders = {i: self._recorder(i.saes[0]) for i in self.interventions}

    def _recorder(self, sae: SaeRef) -> Recorder:
        calibrations = self.prepared.calibrations
        read = calibrations[sae.hook_point] if sae.is_transcoder else None
        direction = self.prepared.error_directions.get(sae.sae_id)
        written = None
        if any(name in self.plan for name in WRITTEN):
            loaded = partial(self.prepared.saes.get, sae)
            written = WrittenRecorder(sae, loaded, int(self.texts.tokens.shape[1]))
        of_output = calibrations[sae.writes]
        return Recorder(sae, self.texts, self.plan, of_output, read, direction, written)

    def begin(self, batch: Batch, clean: CleanPass) -> None:
        """Remember the batch."""
        assert isinstance(batch, TextBatch), "the context evaluation reads texts"
        self._batch, self._clean = batch, clean

    def inputs(self, seen: Seen, x: Tensor) -> None:
        """Record what a transcoder reads."""
        self._recorders[seen.intervention].inputs(self._batch.rows, x)

    def activations(self, seen: Seen, x: Tensor) -> None:
        """Record what the activations are like, SAE aside."""
        self._recorders[seen.intervention].activations(self._batch.rows, x)

    def features(self, seen: Seen, piece: tuple[Any, Any], features: Tensor) -> None:
        """Record sparsity."""
        self._recorders[seen.intervention].features(self._batch.rows, piece, features)

    def reconstruction(self, seen: Seen, x: Tensor, reconstruction: Tensor) -> None:
        """Record the error."""
        self._recorders[seen.intervention].reconstruction(self._batch.rows, x, reconstruction)

    def resumed(self, intervention: Intervention, final: Tensor) -> None:
        """Keep the final states until they are unembedded with the others."""
        self._finals[intervention] = final

    def tables(self) -> list[Table]:
        """One per intervention."""
        recorded = (recorder.table() for recorder in self._recorders.values())
        return [replace(table, dataset=self.dataset) for table in recorded]

    @torch.inference_mode()
    def unembed(self, interventions: Sequence[Intervention]) -> None:
        """Unembed clean, spliced and ablated final hidden states together, piece by piece."""
        finals, self._finals = self._finals, {}
        if not self.plan.unembeds or not interventions:
            return
        clean = self._clean
        keep = self._batch.measured.clone()
        keep[:, -1] = False  # nothing follows the last position
        places = keep.nonzero()  # (N, 2): text of the batch, position
        targets = clean.tokens.roll(-1, dims=1)[keep]  # (N,)
        hook_points = sorted({i.saes[0].writes for i in interventions})
        ablated = {
            hook_point: [(f, f.final(clean)) for f in self.prepared.floors[hook_point]]
            for hook_point in hook_points
        }
        for piece in spans(len(places), tokens_at_once(self.model.vocabulary)):
            text, position = places[piece].unbind(-1)
            target = targets[piece]
            baseline = metrics.LossBaseline.of(self._log_p(clean.final, text, position))
            columns = {"ce_clean": metrics.cross_entropy(baseline.log_probabilities, target)}
            floors: dict[str, dict[str, Tensor]] = {hook_point: {} for hook_point in ablated}
            for hook_point, of_hook_point in ablated.items():
                for floor, final in of_hook_point:
                    kl_from = baseline if KL_FLOORS[floor.column] in self.plan else None
                    loss, kl = floor.losses(final, text, position, target, kl_from)
                    floors[hook_point][floor.column] = loss
                    if kl is not None:
                        floors[hook_point][KL_FLOORS[floor.column]] = kl
            for intervention in interventions:
                final = finals.get(intervention)
                spliced = self._spliced(final, text, position, target, baseline)
                every = columns | floors[intervention.saes[0].writes] | spliced
                recorder = self._recorders[intervention]
                recorder.losses(self._batch.rows, text, position, every)

    def _spliced(
        self,
        final: Tensor | None,
        text: Tensor,
        position: Tensor,
        target: Tensor,
        baseline: metrics.LossBaseline,
    ) -> dict[str, Tensor]:
        if final is None:
            return {}
        log_p = self._log_p(final, text, position)  # (N, V)
        columns = {"ce_sae": metrics.cross_entropy(log_p, target)}
        if "kl" in self.plan:
            columns["kl"] = metrics.kl_divergence(baseline, log_p)
        return columns

    def _log_p(self, final: Tensor, text: Tensor, position: Tensor) -> Tensor:
        return metrics.log_probabilities(self.model.unembed(final[text, position]))


def measure_texts(
    model: LanguageModel,
    saes: Sequence[LoadedSae],
    texts: Texts,
    plan: Plan,
    settings: PassOptions = PassOptions(),
    units: IntArray | None = None,
) -> dict[str, ContextTable]:
    """Measure SAEs on texts, all at once and with nothing stored.

    Args:
        model: with the hook points of all SAEs bound.
        saes: the SAEs of one release, all at hook points of this model.
        texts: tokens (texts, C); position 0 and special tokens are in no figure.
        plan: which columns are needed; nothing else is computed.
        settings: what is replaced, and in which batches.
        units: which of the texts, all of which tell what the activations are like; all without it.

    Returns:
        A table per SAE id.
    """
    measuring = _measuring(model, saes, texts, plan, settings)
    tables = measure_once(measuring, ContextMeasurer(measuring), units)
    return {table.sae.sae_id: table for table in tables if isinstance(table, ContextTable)}


def _measuring(
    model: LanguageModel,
    saes: Sequence[LoadedSae],
    texts: Texts,
    plan: Plan,
    settings: PassOptions,
) -> Measuring:
    interventions = [Intervention((sae.ref,)) for sae in saes]
    source = SaeSource.of(saes)
    return Measuring(model, source, TextDataset(texts), interventions, plan, settings)
