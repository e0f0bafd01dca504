"""How the tasks evaluation measures: what becomes of answers, of every SAE by itself.

The unembedding runs where an answer is scored, and over whole prompts only where their losses are
asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from sae_checks.evals.tasks.columns import PROMPT_LOSSES
from sae_checks.evals.tasks.recorder import ItemRecorder
from sae_checks.evals.tasks.scores import mean_per_item, prompt_losses, score_answers
from sae_checks.evals.tasks.table import FEATURES, TaskTable
from sae_checks.load.language_model import CleanPass, LanguageModel
from sae_checks.load.sae import LoadedSae
from sae_checks.load.tasks.items import Items
from sae_checks.measure import metrics
from sae_checks.measure.dataset import Batch
from sae_checks.measure.evaluation import Measuring
from sae_checks.measure.items import ItemBatch, ItemDataset
from sae_checks.measure.listener import Listener, Seen
from sae_checks.measure.loaded import SaeSource
from sae_checks.measure.once import measure_once
from sae_checks.measure.pass_options import PassOptions
from sae_checks.measure.plan import Plan
from sae_checks.records import IntArray, Intervention, Table, TaskRef
from sae_checks.records.dataset import DatasetRef


@dataclass(frozen=True)
class _Scores:
    of_items: dict[str, Tensor]  # (B,) each
    losses: Tensor  # (n,) of tokens


class TaskMeasurer:
    """One that listens per part of a task's items."""

    def __init__(self, measuring: Measuring) -> None:
        assert isinstance(measuring.dataset, ItemDataset), "the tasks evaluation reads items"
        self._measuring, self._dataset = measuring, measuring.dataset

    def listen(self, units: IntArray, interventions: Sequence[Intervention]) -> TaskListener:
        """What listens to the passes over some items."""
        measuring = self._measuring
        return TaskListener(
            measuring.model, measuring.plan, self._dataset, units, list(interventions)
        )


@dataclass
class TaskListener(Listener):
    """Scores answers of the clean and the spliced model, and the features that go with them."""

    model: LanguageModel
    plan: Plan
    dataset: ItemDataset
    units: IntArray
    interventions: list[Intervention]
    encodes: bool = True
    splices: bool = True
    _recorders: dict[Intervention, ItemRecorder] = field(init=False)
    _batch: ItemBatch = field(init=False)
    _clean: _Scores = field(init=False)
    # Of the SAE at hand: (B, T) each, and where features are scored (B, d_sae).
    _sparsity: Mapping[str, Tensor] = field(init=False)
    _strength: Tensor | None = field(init=False, default=None)
    _window: Tensor = field(init=False)  # (B, T) each token's part in its item's mean

    def __post_init__(self) -> None:
        self._recorders = {
            i: ItemRecorder(i.saes[0], self.dataset, self.units, self.plan, self.model.device)
            for i in self.interventions
        }

    def begin(self, batch: Batch, clean: CleanPass) -> None:
        """Score the clean model's answers."""
        assert isinstance(batch, ItemBatch), "the tasks evaluation reads items"
        self._batch = batch
        self._clean = self._scores(clean.final)
        self._window = batch.window.float() / batch.window.sum(dim=-1, keepdim=True).clamp(min=1)
        for recorder in self._recorders.values():
            recorder.record(batch.rows, _named("clean", self._clean.of_items))

    def activations(self, seen: Seen, x: Tensor) -> None:
        """Make ready for the features that come."""
        shape = x.shape[:2]
        self._sparsity = {name: torch.zeros(shape, device=x.device) for name in ("l0", "l1")}
        wanted = FEATURES in self.plan
        size = (self._batch.count, seen.sae.d_sae)
        self._strength = torch.zeros(size, device=x.device) if wanted else None

    def features(self, seen: Seen, piece: tuple[Any, Any], features: Tensor) -> None:
        """Sparsity, and how strong each feature is on each item."""
        self._sparsity["l0"][piece] = metrics.l0(features).float()
        self._sparsity["l1"][piece] = metrics.l1(features).float()
        if self._strength is not None:
            # Summed over each item's tokens as one product of matrices: (b, n) @ (n, d_sae), b
            # being the few items, one after the other, that the piece is of.
            item = piece[0]
            here = slice(int(item[0]), int(item[-1]) + 1)
            weights = _one_hot(item, here) * self._window[piece]
            self._strength[here] += weights @ features.float().abs_()

    def reconstruction(self, seen: Seen, x: Tensor, reconstruction: Tensor) -> None:
        """Means over the prompt's measured tokens."""
        item, position = self._batch.measured.nonzero().unbind(-1)
        per_token = {
            "prompt_l0": self._sparsity["l0"][item, position],
            "prompt_l1": self._sparsity["l1"][item, position],
            "prompt_mse": metrics.squared_distance(
                x[item, position], reconstruction[item, position]
            ),
            "prompt_norm": metrics.norm(x[item, position]),
        }
        means = {
            name: mean_per_item(values, item, self._batch.count)
            for name, values in per_token.items()
        }
        self._recorders[seen.intervention].record(self._batch.rows, means)

    def resumed(self, intervention: Intervention, final: Tensor) -> None:
        """Score the spliced model's answers."""
        recorder, scores = self._recorders[intervention], self._scores(final)
        rows = self._batch.rows
        recorder.record(rows, _named("sae", scores.of_items))
        recorder.losses(rows, self._places, scores.losses - self._clean.losses)
        if self._strength is not None:
            delta = scores.of_items["ln_p"] - self._clean.of_items["ln_p"]
            recorder.features(rows, self._strength, delta)

    def tables(self) -> list[Table]:
        """One per intervention."""
        return [recorder.table() for recorder in self._recorders.values()]

    def _scores(self, final: Tensor) -> _Scores:
        batch, answers = self._batch, score_answers(self.model, final, self._batch)
        if not self._reads_prompts:
            return _Scores(answers.of_items, answers.losses)
        item, _ = batch.prompt_places()[0].unbind(-1)
        losses = prompt_losses(self.model, final, batch)
        means = {"ce": mean_per_item(losses, item, batch.count)}
        return _Scores(answers.of_items | means, torch.cat([losses, answers.losses]))

    @property
    def _places(self) -> Tensor:
        """(n, 2) item of the batch and position that each loss is predicted from."""
        batch = self._batch
        if not self._reads_prompts:
            return batch.answer_places
        return torch.cat([batch.prompt_places()[0], batch.answer_places])

    @property
    def _reads_prompts(self) -> bool:
        return any(column.name in self.plan for column in PROMPT_LOSSES)


def _named(side: str, scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The scores under the names of their columns: clean_ln_p, ..., but prompt_ce_clean."""
    return {
        f"prompt_ce_{side}" if name == "ce" else f"{side}_{name}": values
        for name, values in scores.items()
    }


def _one_hot(item: Tensor, items: slice) -> Tensor:
    """(b, n): which of some items each token is of."""
    rows = torch.arange(items.start, items.stop, device=item.device)
    return (item == rows.unsqueeze(-1)).float()


def measure_items(
    model: LanguageModel,
    saes: Sequence[LoadedSae],
    task: TaskRef,
    items: Items,
    plan: Plan,
    settings: PassOptions = PassOptions(),
    units: IntArray | None = None,
) -> dict[str, TaskTable]:
    """Measure SAEs on the items of a task, all at once and with nothing stored.

    Args:
        model: with the hook points of all SAEs bound.
        saes: the SAEs of one release, all at hook points of this model.
        task: which the items are of.
        items: what every SAE is asked.
        plan: which columns are needed; nothing else is computed.
        settings: what is replaced, and in which batches.
        units: which of the items, in any order; all without it.

    Returns:
        A table per SAE id, in the order of the items.
    """
    dataset = ItemDataset(items, DatasetRef(task.name), task.feature_window)
    interventions = [Intervention((sae.ref,)) for sae in saes]
    order = None if units is None else dataset.by_length(units)
    measuring = Measuring(model, SaeSource.of(saes), dataset, interventions, plan, settings)
    tables = measure_once(measuring, TaskMeasurer(measuring), order)
    return {table.sae.sae_id: table for table in tables if isinstance(table, TaskTable)}
