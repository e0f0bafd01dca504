"""What measuring has to know of an evaluation; each is a folder of `sae_checks/evals/`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from sae_checks.measure.plan import Plan
from sae_checks.records import IntArray, Intervention, SaeRef, Table
from sae_checks.records.column import Column
from sae_checks.records.dataset import DatasetRef, TableRef

if TYPE_CHECKING:
    from sae_checks.load.language_model import LanguageModel
    from sae_checks.measure.dataset import Dataset
    from sae_checks.measure.listener import Listener
    from sae_checks.measure.loaded import SaeSource
    from sae_checks.measure.pass_options import PassOptions
    from sae_checks.measure.progress import Progress

Units = Literal["text", "item"]


@dataclass(frozen=True)
class Measuring:
    """What an evaluation measures with, on one data set.

    Attributes:
        interventions: all that it will listen to, in whatever parts.
        observed: by intervention, the SAEs further down the model that have tables of their own.
    """

    model: LanguageModel
    saes: SaeSource
    dataset: Dataset
    interventions: Sequence[Intervention]
    plan: Plan
    settings: PassOptions
    observed: Mapping[Intervention, Sequence[SaeRef]] = field(default_factory=dict)

    def still_observed(self, intervention: Intervention) -> list[SaeRef]:
        """Those of an intervention's that have not failed to be read meanwhile."""
        failures = self.saes.failures
        return [sae for sae in self.observed[intervention] if sae.sae_id not in failures]


class Measurer(Protocol):
    """The part of an evaluation that knows torch; made once per run and data set."""

    def listen(self, units: IntArray, interventions: Sequence[Intervention]) -> Listener:
        """What listens to the passes over one part of the data set."""


class FollowUp(Protocol):
    """What an evaluation measures of a table that has grown to its end, such as ablations."""

    def missing(self, table: Table, plan: Plan) -> bool:
        """Whether a table lacks it."""

    def measure(
        self, measuring: Measuring, tables: Mapping[str, Table], progress: Progress
    ) -> Mapping[str, Table]:
        """The tables of some interventions, by name, with what was missing."""


def _each_alone(saes: Sequence[SaeRef]) -> list[Intervention]:
    return [Intervention((sae,)) for sae in saes]


def _itself(intervention: Intervention, saes: Sequence[SaeRef]) -> Sequence[SaeRef | None]:
    return (None,)


@dataclass(frozen=True)
class Evaluation:
    """One evaluation.

    Attributes:
        table: what it measures; names the evaluation too.
        columns: all that it can measure.
        reads: of which data sets: texts, or items of tasks.
        each: what a column has a figure of: "token", "item of a task".
        measurer: makes its measurer; imports torch when called, not before.
        interventions: what is spliced in, given a release's SAEs.
        observed: of each intervention, which SAEs have a table of their own: None is the one that
            is spliced in.
        offered: names of the columns that a data set has; None: all.
        follow_up: what is measured in the end, given the run's options, if anything is.
    """

    table: type[Table]
    columns: tuple[Column, ...]
    reads: Units
    each: str
    measurer: Callable[[Measuring], Measurer]
    interventions: Callable[[Sequence[SaeRef]], Sequence[Intervention]] = _each_alone
    observed: Callable[[Intervention, Sequence[SaeRef]], Sequence[SaeRef | None]] = _itself
    follow_up: Callable[[int], FollowUp | None] = lambda ablate: None

    @property
    def name(self) -> str:
        """As in the keys of its tables."""
        return self.table.EVALUATION

    @property
    def names(self) -> frozenset[str]:
        """Of the columns that checks may ask for."""
        return frozenset(column.name for column in self.columns if not column.hidden)

    def table_refs(
        self, dataset: DatasetRef, intervention: Intervention, saes: Sequence[SaeRef]
    ) -> list[TableRef]:
        """The tables that an intervention gives on a data set."""
        observed = self.observed(intervention, saes)
        return [TableRef(self.table, dataset, intervention, sae) for sae in observed]
