"""The one loop over texts: a clean pass per batch for all SAEs; each resumes from its own tap.

Per batch and SAE: encode and decode in pieces that fit the cache, then the blocks from the tap on.
Final hidden states are kept, not logits: the unembedding runs piece by piece for the clean model
and all SAEs together, so that a KL divergence costs one dot product more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sae_checks.errors import ModelError
from sae_checks.evals.context.recorder import Recorder
from sae_checks.evals.context.table import ContextTable
from sae_checks.load.language_model import CleanPass, LanguageModel
from sae_checks.load.sae import LoadedSae
from sae_checks.load.texts import Texts
from sae_checks.measure import metrics
from sae_checks.measure.calibration import (
    Calibration,
    calibrate,
    measured_tokens,
    with_directions,
)
from sae_checks.measure.floors import Floor, prepare_floors
from sae_checks.measure.pieces import batch_tokens, spans, tokens_at_once
from sae_checks.measure.plan import Plan
from sae_checks.records.octaves import OFFSET_PROJECTION


@dataclass(frozen=True)
class Settings:
    """How to measure, as far as it changes figures.

    Attributes:
        replace_special: whether BOS and its like are replaced by their reconstruction too (the
            study did so) or left alone (as sae_lens's evals do). They are in no mean either way.
        batch_tokens: tokens per forward pass; changes no figure beyond rounding.
    """

    replace_special: bool = False
    batch_tokens: int | None = None


def bind_saes(model: LanguageModel, saes: Sequence[LoadedSae]) -> dict[str, str]:
    """Bind every SAE's hook point; returns, by SAE id, why an SAE does not fit the model."""
    failures: dict[str, str] = {}
    for sae in saes:
        try:
            width = model.bind(sae.ref.hook_point)
        except ModelError as error:
            failures[sae.ref.sae_id] = f"SAE {sae.ref.sae_id!r}: {error}"
            continue
        if width != sae.ref.d_in:
            failures[sae.ref.sae_id] = (
                f"SAE {sae.ref.sae_id!r} takes activations of width {sae.ref.d_in}, but "
                f"{sae.ref.hook_point!r} of the model is {width} wide; is it the right model "
                "(--sae-model)?"
            )
    return failures


@dataclass(frozen=True)
class Prepared:
    """What is learnt of the hook points before SAEs are measured there."""

    calibrations: Mapping[str, Calibration]
    floors: Mapping[str, Sequence[Floor]]


def prepare(
    model: LanguageModel, saes: Sequence[LoadedSae], texts: Texts, plan: Plan, settings: Settings
) -> Prepared:
    """Learn of the SAEs' hook points what measuring them on the texts, or parts of them, takes."""
    hook_points = sorted({sae.ref.hook_point for sae in saes})
    batch_texts = _batch_texts(model, texts, settings)
    calibrations = calibrate(model, texts, hook_points, batch_texts)
    if OFFSET_PROJECTION in plan.columns:
        calibrations = with_directions(model, texts, calibrations, batch_texts)
    return Prepared(calibrations, prepare_floors(model, calibrations, plan, texts))


def _batch_texts(model: LanguageModel, texts: Texts, settings: Settings) -> int:
    at_once = settings.batch_tokens or batch_tokens(model.device, model.width)
    return max(1, at_once // int(texts.tokens.shape[1]))


def measure(
    model: LanguageModel,
    saes: Sequence[LoadedSae],
    texts: Texts,
    plan: Plan,
    settings: Settings = Settings(),
    progress: Callable[[int], None] = lambda texts_done: None,
    prepared: Prepared | None = None,
) -> dict[str, ContextTable]:
    """Measure SAEs on texts.

    Args:
        model: with the hook points of all SAEs bound.
        saes: the SAEs of one release, all at hook points of this model.
        texts: tokens (texts, C); position 0 and special tokens are in no figure.
        plan: which columns are needed; nothing else is computed.
        settings: what is replaced, and in which batches.
        progress: told after every SAE how many texts it has seen more.
        prepared: of all texts, where these are a part of them; of these without it.

    Returns:
        A table per SAE id.
    """
    prepared = prepared or prepare(model, saes, texts, plan, settings)
    batch_texts = _batch_texts(model, texts, settings)
    hook_points = sorted({sae.ref.hook_point for sae in saes})
    recorders = {
        sae.ref.sae_id: Recorder(sae.ref, texts, plan, prepared.calibrations[sae.ref.hook_point])
        for sae in saes
    }
    for start in range(0, len(texts.tokens), batch_texts):
        rows = slice(start, start + batch_texts)
        tokens = torch.from_numpy(texts.tokens[rows]).to(model.device)  # (B, T)
        batch = _Batch(model, model.clean(tokens, hook_points), texts, rows, plan, settings)
        finals = {}
        for sae in saes:
            finals[sae.ref.sae_id] = batch.activations(sae, recorders[sae.ref.sae_id])
            progress(len(tokens))
        if plan.losses:
            batch.losses(saes, finals, {at: prepared.floors[at] for at in hook_points}, recorders)
    return {sae_id: recorder.table() for sae_id, recorder in recorders.items()}


@dataclass(frozen=True)
class _Batch:
    """One batch of texts on its way through the loop."""

    model: LanguageModel
    clean: CleanPass
    texts: Texts
    rows: slice
    plan: Plan
    settings: Settings

    @torch.inference_mode()
    def activations(self, sae: LoadedSae, recorder: Recorder) -> Tensor | None:
        """Record what is seen at the tap; the spliced model's final hidden states, if needed."""
        x = self.clean.taps[sae.ref.hook_point]  # (B, T, d)
        recorder.activations(self.rows, x)
        if not self.plan.encodes:
            return None
        reconstruction = torch.empty_like(x)
        for piece in _pieces(x, sae.ref.d_sae, sae.sequence_aware):
            features, decoded = sae.reconstruct(x[piece])  # (b, t, d_sae), (b, t, d)
            reconstruction[piece] = decoded.to(x.dtype)
            recorder.features(self.rows, piece, features)
        recorder.reconstruction(self.rows, x, reconstruction)
        if not self.plan.splices:
            return None
        if not self.settings.replace_special:
            special = torch.from_numpy(self.texts.special[self.rows]).to(x.device)  # (B, T)
            reconstruction = torch.where(special.unsqueeze(-1), x, reconstruction)
        return self.model.resume(self.clean, sae.ref.hook_point, reconstruction)

    @torch.inference_mode()
    def losses(
        self,
        saes: Sequence[LoadedSae],
        finals: Mapping[str, Tensor | None],
        floors: Mapping[str, Sequence[Floor]],
        recorders: Mapping[str, Recorder],
    ) -> None:
        """Unembed clean, spliced and ablated final hidden states together, piece by piece."""
        keep = measured_tokens(self.texts, self.rows).to(self.clean.final.device)
        keep[:, -1] = False  # nothing follows the last position
        places = keep.nonzero()  # (N, 2): text of the batch, position
        targets = self.clean.tokens.roll(-1, dims=1)[keep]  # (N,)
        ablated = {
            hook_point: [(floor, floor.final(self.clean)) for floor in of_hook_point]
            for hook_point, of_hook_point in floors.items()
        }
        for piece in spans(len(places), tokens_at_once(self.model.vocabulary)):
            text, position = places[piece].unbind(-1)
            target = targets[piece]
            clean = metrics.LossBaseline.of(self._log_p(self.clean.final, text, position))
            columns = {"ce_clean": metrics.cross_entropy(clean.log_probabilities, target)}
            floor_columns = {
                hook_point: {
                    f.column: f.cross_entropy(final, text, position, target)
                    for f, final in of_hook_point
                }
                for hook_point, of_hook_point in ablated.items()
            }
            for sae in saes:
                spliced = self._spliced(finals[sae.ref.sae_id], text, position, target, clean)
                recorders[sae.ref.sae_id].losses(
                    self.rows,
                    text,
                    position,
                    columns | floor_columns.get(sae.ref.hook_point, {}) | spliced,
                )

    def _spliced(
        self,
        final: Tensor | None,
        text: Tensor,
        position: Tensor,
        target: Tensor,
        clean: metrics.LossBaseline,
    ) -> dict[str, Tensor]:
        if final is None:
            return {}
        log_p = self._log_p(final, text, position)  # (N, V)
        columns = {"ce_sae": metrics.cross_entropy(log_p, target)}
        if "kl" in self.plan.columns:
            columns["kl"] = metrics.kl_divergence(clean, log_p)
        return columns

    def _log_p(self, final: Tensor, text: Tensor, position: Tensor) -> Tensor:
        return metrics.log_probabilities(self.model.unembed(final[text, position]))


def _pieces(x: Tensor, d_sae: int, sequence_aware: bool) -> Iterator[tuple[slice, slice]]:
    """Index pairs (texts, positions) that cut (B, T, d) into pieces to encode at a time."""
    texts, positions = x.shape[:2]
    tokens = tokens_at_once(d_sae)
    if sequence_aware or positions <= tokens:
        for some in spans(texts, max(1, tokens // positions)):
            yield some, slice(None)
        return
    for text in range(texts):
        for stretch in spans(positions, tokens):
            yield slice(text, text + 1), stretch


__all__ = ["Calibration", "Prepared", "Settings", "bind_saes", "measure", "prepare"]
