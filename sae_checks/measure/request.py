"""What a run is to measure: which evaluations, on which data sets, of which SAEs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from sae_checks.measure.evaluation import Evaluation
from sae_checks.options import Options
from sae_checks.records import Measurement, Release, SaeRef, Table, by_key
from sae_checks.records.dataset import DatasetRef
from sae_checks.store import Provenance, Store

if TYPE_CHECKING:
    from sae_checks.load.language_model import LanguageModel
    from sae_checks.measure.dataset import Dataset


class StoppingRule(Protocol):
    """Says, while measuring goes on, which SAEs it has to go on for."""

    def unsettled(self, so_far: Measurement, dataset: str, budget: int) -> Set[str]:
        """Ids of the SAEs of which more has to be measured on a data set.

        Args:
            so_far: what has been measured; SAEs without a table are unsettled.
            dataset: its name.
            budget: how many units there are at most.
        """


class WholeBudget:
    """The stopping rule of a run whose sample was fixed before: all is measured."""

    def unsettled(self, so_far: Measurement, dataset: str, budget: int) -> Set[str]:
        """All SAEs."""
        return {sae.sae_id for sae in so_far.release.saes}


@dataclass(frozen=True)
class WantedDataset:
    """A data set that is measured on.

    Attributes:
        ref: which one.
        title: for whoever watches.
        budget: how many units it has at most.
        first: how many are measured before anything is looked at.
        offered: names of the columns that can be measured on it; None: all.
        saes: those to measure.
        evaluations: those that asked.
        load: reads it, given the language model; raises `TaskError` where it has no units.
    """

    ref: DatasetRef
    title: str
    budget: int
    first: int
    offered: frozenset[str] | None
    saes: tuple[SaeRef, ...]
    evaluations: tuple[Evaluation, ...]
    load: Callable[[LanguageModel], Dataset]


@dataclass(frozen=True)
class Request:
    """What the collected checks need of a release.

    Attributes:
        needs: the columns that checks say they need, of all evaluations alike.
        datasets: in the order in which they are measured.
        store: where stored tables are found, and what is measured is kept.
        options: device, precision, batches, how many features to ablate.
        stopping: the rule that is asked after every block who needs more.
    """

    release: Release
    provenance: Provenance
    store: Store
    options: Options
    needs: frozenset[str]
    datasets: tuple[WantedDataset, ...]
    stopping: StoppingRule

    @property
    def adaptive(self) -> bool:
        """Whether measuring may stop before the budget is spent."""
        return not isinstance(self.stopping, WholeBudget)

    def so_far(self, tables: Iterable[Table]) -> Measurement:
        """What has been measured, as the stopping rule is shown it."""
        return Measurement(self.release, self.provenance.context, by_key(list(tables)))
