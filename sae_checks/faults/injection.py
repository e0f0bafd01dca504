"""Measures a release once, and damaged SAEs of it again, on the same texts and items."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor

from sae_checks.errors import UserError
from sae_checks.evals.context.table import ContextTable
from sae_checks.faults import Sample, sample_of
from sae_checks.faults.findings import that_can_fail
from sae_checks.judge.check import Check
from sae_checks.judge.thresholds import Thresholds
from sae_checks.load.language_model import LanguageModel
from sae_checks.load.sae import LoadedSae
from sae_checks.load.texts import Texts
from sae_checks.measure.calibration import measured_tokens
from sae_checks.measure.dataset import Dataset
from sae_checks.measure.evaluation import Evaluation, Measurer, Measuring
from sae_checks.measure.loaded import LoadedModels, SaeSource, bind_saes, load_models
from sae_checks.measure.once import measure_together
from sae_checks.measure.plan import Plan
from sae_checks.measure.progress import Progress
from sae_checks.measure.request import WantedDataset
from sae_checks.measure.texts import TextDataset
from sae_checks.options import Options
from sae_checks.records import SHIFT, TEXTS, Intervention, Measurement, SaeRef, Table
from sae_checks.records.place import CellRef
from sae_checks.session.gate import Gate

SAMPLE_TEXTS = 16  # whose activations tell what planting a fault has to know


class Injection:
    """A release, measured whole, and all that is needed to measure damaged SAEs beside it.

    Args:
        options: of a run; the whole budget is measured.
        progress: told what goes on.

    Raises:
        UserError: the release, its model or its corpus cannot be had.
    """

    def __init__(self, options: Options, progress: Progress) -> None:
        self._progress = progress
        self.gate = Gate(replace(options, fixed=True))
        self.thresholds: Thresholds = self.gate.read_thresholds(())
        self.checks = that_can_fail(self.thresholds)
        cells = [(check, ref) for check in self.checks for ref in self.gate.cells(check)]
        self.cells: list[tuple[Check, CellRef]] = cells
        self.gate.measure(cells, self.thresholds, progress)
        assert self.gate.measurement is not None, "it was measured"
        self.measurement: Measurement = self.gate.measurement
        self._request = self.gate.request(cells, self.thresholds)

    @property
    def saes(self) -> tuple[SaeRef, ...]:
        """The SAEs that could be measured."""
        return tuple(
            s for s in self.gate.release.saes if s.sae_id in self.measurement.of(ContextTable)
        )

    def loaded(self, ref: SaeRef) -> LoadedSae:
        """A good SAE."""
        return self._loaded.saes.get(ref)

    def sample(self, sae: LoadedSae) -> Sample:
        """Activations at an SAE's hook point, and on the second corpus if there is one."""
        taps, position = self._seen(self._text_datasets[TEXTS], sae.ref)
        written = taps[sae.ref.writes] if sae.ref.is_transcoder else None
        elsewhere = None
        if SHIFT in self._text_datasets:
            there, at = self._seen(self._text_datasets[SHIFT], sae.ref)
            elsewhere = there[sae.ref.hook_point], at
        return sample_of(sae, taps[sae.ref.hook_point], position, written, elsewhere)

    def _seen(self, texts: Texts, ref: SaeRef) -> tuple[dict[str, Tensor], Tensor]:
        """By hook point of an SAE, the activations (N, d) of a few texts; their positions (N,)."""
        some = texts.rows(slice(SAMPLE_TEXTS))
        keep = measured_tokens(some, slice(None))  # (B, T)
        tokens = torch.from_numpy(some.tokens).to(self.model.device)
        taps = self.model.clean(tokens, sorted({ref.hook_point, ref.writes})).taps
        position = torch.arange(keep.shape[1]).expand_as(keep)[keep]
        return {at: x[keep].float() for at, x in taps.items()}, position

    @property
    def model(self) -> LanguageModel:
        """As the release wants it."""
        assert self._loaded.model is not None, "an SAE was measured with it"
        return self._loaded.model

    def otherwise_processed(self, saes: Sequence[LoadedSae]) -> LanguageModel:
        """The model with centred weights where they were not, or the reverse.

        Raises:
            UserError: nothing of this model is centred.
        """
        model = LanguageModel(
            self.model.hf, self.model.tokenizer, center_writing_weights=not self.model.centered
        )
        if model.centered == self.model.centered or bind_saes(model, [sae.ref for sae in saes]):
            raise UserError("the model has no LayerNorm, so that nothing is centred")
        return model

    def otherwise_placed(self, factor: float, saes: Sequence[LoadedSae]) -> LanguageModel:
        """The model with learned positional vectors past the SAEs' context times a factor.

        Raises:
            UserError: it has none, or no SAE says where its training context ends.
        """
        contexts = [sae.ref.training_context or 0 for sae in saes]
        table = getattr(self.model.hf.base_model, "wpe", None)
        measured = 0 if table is None else min(len(table.weight), self.measurement.context)
        if table is None or not 0 < max(contexts) < measured:
            raise UserError("no learned positional vector past a training context is measured")
        hf = copy.deepcopy(self.model.hf)
        with torch.no_grad():
            hf.base_model.wpe.weight[max(contexts) :] *= factor
        model = LanguageModel(hf, self.model.tokenizer, center_writing_weights=self.model.centered)
        bind_saes(model, [sae.ref for sae in saes])
        return model

    def remeasure(
        self, saes: Sequence[LoadedSae], model: LanguageModel | None = None
    ) -> list[Table]:
        """Measure some SAEs, damaged perhaps, on everything that the release was measured on.

        Measured are all tables that are about one of them, with the others of the release as they
        are.
        """
        model, changed = model or self.model, {sae.ref.sae_id: sae for sae in saes}
        source, tables = SaeSource.of(self._beside(changed)), list[Table]()
        for wanted, dataset in self._datasets:
            listening: list[tuple[Measuring, Measurer]] = []
            for evaluation in wanted.evaluations:
                # What is measured in the end, as ablations are, tells nothing that gates.
                plan = Plan.of(evaluation.columns, self._request.needs, wanted.offered)
                observed = _about(evaluation, self.saes, changed.keys())
                measuring = Measuring(
                    model, source, dataset, list(observed), plan, self._loaded.settings, observed
                )
                if observed:
                    listening.append((measuring, evaluation.measurer(measuring)))
            if listening:
                tables += measure_together(listening)
        return tables

    def _beside(self, changed: Mapping[str, LoadedSae]) -> list[LoadedSae]:
        """The release's SAEs, with some of them changed."""
        return [changed.get(ref.sae_id) or self.loaded(ref) for ref in self.saes]

    def with_tables(self, damaged: Sequence[Table]) -> Measurement:
        """The release with some of its SAEs' tables exchanged."""
        return self.measurement.with_tables(*damaged)

    @cached_property
    def _loaded(self) -> LoadedModels:
        refs = self.saes
        loaded = load_models(self._request, refs, self._progress)
        self._progress.close()
        return loaded

    @cached_property
    def _datasets(self) -> list[tuple[WantedDataset, Dataset]]:
        """Those that could be measured on, read."""
        failed = self.measurement.dataset_failures
        return [(w, w.load(self.model)) for w in self._request.datasets if w.ref.name not in failed]

    @property
    def _text_datasets(self) -> dict[str, Texts]:
        """The texts of the run's corpus and of the second one, by the names of the data sets."""
        return {
            wanted.ref.name: dataset.texts
            for wanted, dataset in self._datasets
            if isinstance(dataset, TextDataset)
        }


def _about(
    evaluation: Evaluation, saes: Sequence[SaeRef], ids: Set[str]
) -> dict[Intervention, list[SaeRef]]:
    """By intervention, whom else to observe: of each table that is about one of some SAEs."""
    found: dict[Intervention, list[SaeRef]] = {}
    for intervention in evaluation.interventions(saes):
        spliced = any(sae.sae_id in ids for sae in intervention.saes)
        observed = evaluation.observed(intervention, saes)
        some = [sae for sae in observed if spliced or (sae is not None and sae.sae_id in ids)]
        if some:
            found[intervention] = [sae for sae in some if sae is not None]
    return found
