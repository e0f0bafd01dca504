"""How stacks are measured on items: what becomes of answers with all their SAEs spliced in."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from sae_checks.evals.stack.tables import StackTaskTable
from sae_checks.evals.tasks.recorder import ItemRecorder
from sae_checks.evals.tasks.scores import score_answers
from sae_checks.load.language_model import CleanPass
from sae_checks.measure.dataset import Batch
from sae_checks.measure.evaluation import Measuring
from sae_checks.measure.items import ItemBatch, ItemDataset
from sae_checks.measure.listener import Listener
from sae_checks.records import IntArray, Intervention, Table


class TaskStackMeasurer:
    """One that listens per part of a task's items."""

    def __init__(self, measuring: Measuring) -> None:
        assert isinstance(measuring.dataset, ItemDataset), "stacks on tasks read items"
        self.measuring, self.dataset = measuring, measuring.dataset

    def listen(self, units: IntArray, interventions: Sequence[Intervention]) -> TaskStackListener:
        """What listens to the passes over some items."""
        return TaskStackListener(self, units, interventions)


class TaskStackListener(Listener):
    """Scores answers of the clean model, and of the one with a whole stack spliced in."""

    encodes = splices = True

    def __init__(
        self, measurer: TaskStackMeasurer, units: IntArray, interventions: Sequence[Intervention]
    ) -> None:
        self.interventions, self._dataset = interventions, measurer.dataset
        self._model, plan = measurer.measuring.model, measurer.measuring.plan
        self._recorders = {
            each: ItemRecorder(each.saes[0], self._dataset, units, plan, self._model.device)
            for each in interventions
        }

    def begin(self, batch: Batch, clean: CleanPass) -> None:
        """Score the clean model's answers."""
        assert isinstance(batch, ItemBatch), "stacks on tasks read items"
        self._batch = batch
        scores = self._scores("clean", clean.final)
        for recorder in self._recorders.values():
            recorder.record(batch.rows, scores)

    def resumed(self, intervention: Intervention, final: Tensor) -> None:
        """Score the spliced model's answers."""
        self._recorders[intervention].record(self._batch.rows, self._scores("sae", final))

    def _scores(self, side: str, final: Tensor) -> dict[str, Tensor]:
        scores = score_answers(self._model, final, self._batch).of_items
        return {f"{side}_{name}": values for name, values in scores.items()}

    def tables(self) -> list[Table]:
        """One per stack."""
        return [
            StackTaskTable(self._dataset.ref.name, intervention, of.columns, of.labels)
            for intervention, recorder in self._recorders.items()
            for of in [recorder.table()]
        ]
