"""Which cells a check is asked about: one test each, before anything is measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sae_checks.checking import CellRef, Check
from sae_checks.evals.context.cells import Regime
from sae_checks.evals.tasks import EVALUATION as TASKS
from sae_checks.evals.tasks.table import ABLATIONS
from sae_checks.records import PositionRange, Release, SaeRef, TaskRef
from sae_checks.records.ranges import PositionRanges, in_context_range, past_context_range

# Checks of a whole release ask how a quantity goes with the layer; two layers have no trend.
LAYERS_OF_A_TREND = 3
# Checks of what lies past the training context are asked where at least half as much again was
# measured: how far an SAE is usable cannot be told from less.
BEYOND_TRAINING = 1.5


@dataclass(frozen=True)
class CellCollector:
    """All that cells are made of.

    Attributes:
        context: measured, in tokens.
        ranges: the position ranges of each SAE.
        tasks: those that are measured.
        ablated: names of those on which features are ablated.
    """

    release: Release
    context: int
    ranges: Mapping[str, PositionRanges]
    tasks: tuple[TaskRef, ...]
    ablated: frozenset[str]

    def cells(self, check: Check) -> list[CellRef]:
        """The cells of a check, in the order of the release's SAEs."""
        name, saes = self.release.name, self.release.saes
        if check.cells == "in_context" or check.cells == "past_context":
            return [ref for sae in saes for ref in self._with_ranges(check.cells, name, sae)]
        if check.beyond_training:
            saes = tuple(s for s in saes if self.context >= BEYOND_TRAINING * s.training_context)
        if check.cells == "sae":
            return [CellRef("sae", name, sae, None) for sae in saes]
        if check.cells == "task":
            tasks = self._tasks_with(check)
            return [CellRef("task", name, sae, None, task.name) for sae in saes for task in tasks]
        if not _have_a_trend(saes):
            return []
        if check.cells == "release":
            return [CellRef("release", name, None, None)]
        return [
            CellRef("task_release", name, None, None, task.name) for task in self._tasks_with(check)
        ]

    def _with_ranges(self, regime: Regime, release: str, sae: SaeRef) -> list[CellRef]:
        """The claim over a whole regime, then the ranges of positions within it."""
        cut = in_context_range if regime == "in_context" else past_context_range
        whole = cut(sae.training_context, self.context)
        if whole is None:
            return []
        ranges: tuple[PositionRange, ...] = getattr(self.ranges[sae.sae_id], regime)
        return [CellRef(regime, release, sae, whole)] + [
            CellRef(regime, release, sae, each, family="range") for each in ranges if each != whole
        ]

    def _tasks_with(self, check: Check) -> list[TaskRef]:
        """The tasks that have what a check needs: candidates, for one, or ablated features."""
        needs = check.needs & TASKS.names
        return [task for task in self.tasks if needs <= self._offered(task)]

    def _offered(self, task: TaskRef) -> frozenset[str]:
        return task.columns | ({ABLATIONS} if task.name in self.ablated else set())


def _have_a_trend(saes: tuple[SaeRef, ...]) -> bool:
    return len({sae.layer for sae in saes}) >= LAYERS_OF_A_TREND
