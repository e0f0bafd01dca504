"""What was measured of stacks: tables like those of single SAEs, of several at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from sae_checks.evals.context.table import ContextTable
from sae_checks.evals.tasks.table import TaskTable
from sae_checks.records import SideTable


@dataclass(frozen=True)
class StackTable(ContextTable):
    """A row per text, a figure per token: with the SAEs of a stack spliced in up to one of them.

    That one is `observed`, and the later ones of the stack are not spliced in. Of the last SAE, it
    is the table of the whole stack. `norm` is of what arrives at the SAE, through those before it.
    """

    EVALUATION: ClassVar[str] = "stack"
    SIDE: ClassVar[Mapping[str, type[SideTable]]] = {}


@dataclass(frozen=True)
class StackTaskTable(TaskTable):
    """A row per item of a task: with all SAEs of a stack spliced in."""

    EVALUATION: ClassVar[str] = "stack_tasks"
    SIDE: ClassVar[Mapping[str, type[SideTable]]] = {}
