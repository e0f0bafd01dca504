"""What a run is to measure: which SAEs, on texts and on tasks, and what of each."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Protocol

from sae_checks.evals.context.table import ContextTable
from sae_checks.evals.tasks.table import TaskTable
from sae_checks.load.tasks.task import Task
from sae_checks.options import Options
from sae_checks.records import Measurement, Release, SaeRef, TaskRef
from sae_checks.store import Provenance, Store


class StoppingRule(Protocol):
    """Says, while measuring goes on, which SAEs it has to go on for."""

    def unsettled(self, so_far: Measurement, task: str | None, budget: int) -> Set[str]:
        """Ids of the SAEs of which more has to be measured, on texts (None) or on a task.

        Args:
            so_far: what has been measured; SAEs without a table are unsettled.
            task: which phase of the measuring it is.
            budget: how many texts or items there are at most.
        """


class WholeBudget:
    """The stopping rule of a run whose sample was fixed before: all is measured."""

    def unsettled(self, so_far: Measurement, task: str | None, budget: int) -> Set[str]:
        """All SAEs."""
        return {sae.sae_id for sae in so_far.release.saes}


@dataclass(frozen=True)
class Request:
    """What the collected checks need of a release, in one setting.

    Attributes:
        needs: what the checks say they need, of texts and of items alike.
        text_saes: the SAEs to measure on texts; empty where no check asks about texts.
        task_saes: the SAEs to measure on tasks.
        tasks: which ones.
        store: where stored tables are found, and what is measured is kept.
        options: device, precision, batches, how many features to ablate.
        stopping: the rule that is asked after every block of texts or items who needs more.
    """

    release: Release
    provenance: Provenance
    store: Store
    options: Options
    needs: frozenset[str]
    text_saes: tuple[SaeRef, ...]
    task_saes: tuple[SaeRef, ...]
    tasks: tuple[tuple[Task, TaskRef], ...]
    stopping: StoppingRule

    @property
    def adaptive(self) -> bool:
        """Whether measuring may stop before the budget is spent."""
        return not isinstance(self.stopping, WholeBudget)

    def so_far(
        self,
        texts: Mapping[str, ContextTable],
        tasks: Mapping[str, Mapping[str, TaskTable]],
    ) -> Measurement:
        """What has been measured, as the stopping rule is shown it."""
        of_tasks = {name: dict(tables) for name, tables in tasks.items()}
        return Measurement(self.release, self.provenance.context, dict(texts), tasks=of_tasks)
