"""Measures a release once, and damaged SAEs of it again, on the same texts and items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch

from sae_checks.evals.tasks.engine import measure_items
from sae_checks.faults import Sample, sample_of
from sae_checks.judge.check import Check
from sae_checks.judge.thresholds import Thresholds
from sae_checks.load.documents import CorpusRequest
from sae_checks.load.language_model import LanguageModel
from sae_checks.load.sae import LoadedSae
from sae_checks.load.tasks.items import Items, load_items
from sae_checks.load.texts import Texts, load_texts
from sae_checks.measure.calibration import measured_tokens
from sae_checks.measure.engine import bind_saes, measure, prepare
from sae_checks.measure.loaded import LoadedModels, load_models
from sae_checks.measure.plan import ABLATIONS, ItemPlan, Plan
from sae_checks.measure.progress import Progress
from sae_checks.options import Options
from sae_checks.records import Measurement, SaeRef, SaeTable, TaskRef, TaskTable
from sae_checks.records.place import CellRef
from sae_checks.session.gate import Gate
from sae_checks.session.suite import bundled_checks

SAMPLE_TEXTS = 16  # whose activations tell what planting a fault has to know


@dataclass(frozen=True)
class Remeasured:
    """Tables of some SAEs, by SAE id."""

    texts: dict[str, SaeTable]
    tasks: dict[str, dict[str, TaskTable]]  # by task first


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
        self.checks = tuple(bundled_checks().values())
        self.thresholds: Thresholds = self.gate.read_thresholds(())
        cells = [(check, ref) for check in self.checks for ref in self.gate.cells(check)]
        self.cells: list[tuple[Check, CellRef]] = cells
        self.gate.measure(cells, self.thresholds, progress)
        assert self.gate.measurement is not None, "it was measured"
        self.measurement: Measurement = self.gate.measurement
        self._request = self.gate.request(cells, self.thresholds)

    @property
    def saes(self) -> tuple[SaeRef, ...]:
        """The SAEs that could be measured."""
        return tuple(s for s in self.gate.release.saes if s.sae_id in self.measurement.tables)

    def loaded(self, ref: SaeRef) -> LoadedSae:
        """A good SAE."""
        return self._loaded.saes[ref.sae_id]

    def sample(self, sae: LoadedSae) -> Sample:
        """Activations at an SAE's hook point."""
        texts = self._texts.part(slice(SAMPLE_TEXTS))
        keep = measured_tokens(texts, slice(None))  # (B, T)
        tokens = torch.from_numpy(texts.tokens).to(self.model.device)
        x = self.model.clean(tokens, [sae.ref.hook_point]).taps[sae.ref.hook_point]
        position = torch.arange(keep.shape[1]).expand_as(keep)[keep]
        return sample_of(sae, x[keep].float(), position)

    @property
    def model(self) -> LanguageModel:
        """As the release wants it."""
        assert self._loaded.model is not None, "an SAE was measured with it"
        return self._loaded.model

    def otherwise_processed(self, saes: Sequence[LoadedSae]) -> LanguageModel | None:
        """The model with centred weights where they were not, or the reverse; None if the same."""
        model = LanguageModel(
            self.model.hf, self.model.tokenizer, center_writing_weights=not self.model.centered
        )
        if model.centered == self.model.centered:
            return None
        return model if not bind_saes(model, saes) else None

    def remeasure(
        self, saes: Sequence[LoadedSae], model: LanguageModel | None = None
    ) -> Remeasured:
        """Measure some SAEs, damaged perhaps, on everything that the release was measured on."""
        model, settings = model or self.model, self._loaded.settings
        plan = Plan.of(self._request.needs)
        prepared = prepare(model, saes, self._texts, plan, settings)
        texts = measure(model, saes, self._texts, plan, settings, prepared=prepared)
        tasks = {
            ref.name: measure_items(model, saes, ref, items, item_plan, settings)
            for ref, items, item_plan in self._tasks
        }
        return Remeasured(texts, tasks)

    def with_tables(self, damaged: Remeasured) -> Measurement:
        """The release with some of its SAEs' tables exchanged."""
        whole = self.measurement
        return replace(
            whole,
            tables={**whole.tables, **damaged.texts},
            tasks={
                task: {**tables, **damaged.tasks.get(task, {})}
                for task, tables in whole.tasks.items()
            },
        )

    @cached_property
    def _loaded(self) -> LoadedModels:
        refs = self.saes
        loaded = load_models(self._request, refs, self._progress)
        self._progress.close()
        return loaded

    @cached_property
    def _texts(self) -> Texts:
        request, loading = self._request, self.gate.release.loading
        corpus = CorpusRequest.of(request.provenance)
        return load_texts(corpus, self.model.tokenizer, prepend_bos=loading.prepend_bos)

    @cached_property
    def _tasks(self) -> list[tuple[TaskRef, Items, ItemPlan]]:
        found = []
        for task, ref in self._request.tasks:
            if ref.name not in self.measurement.task_failures:
                items = load_items(
                    task,
                    ref,
                    self.model.tokenizer,
                    revision=ref.version if task.hub else None,
                    context=self.model.context,
                    prepend_bos=self.gate.release.loading.prepend_bos,
                )
                plan = ItemPlan.of(self._request.needs, ref.columns - {ABLATIONS})
                found.append((ref, items, plan))
        return found
