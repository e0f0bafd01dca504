"""What a run is to measure: which SAEs, on texts and on tasks, and what of each."""

from __future__ import annotations

from dataclasses import dataclass

from sae_checks.load.tasks.task import Task
from sae_checks.options import Options
from sae_checks.records import Release, SaeRef, TaskRef
from sae_checks.store import Provenance, Store


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
    """

    release: Release
    provenance: Provenance
    store: Store
    options: Options
    needs: frozenset[str]
    text_saes: tuple[SaeRef, ...]
    task_saes: tuple[SaeRef, ...]
    tasks: tuple[tuple[Task, TaskRef], ...]
