"""An SAE on two corpora, as a check sees it: differences and ratios of independent samples."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sae_checks.evals.context.cells import Cell
from sae_checks.evals.context.tokens import Quantity
from sae_checks.evals.limited import LimitedCell
from sae_checks.judge.coverage import FIXED, Coverage
from sae_checks.judge.estimate import Estimate
from sae_checks.judge.thresholds import Thresholds
from sae_checks.judge.two_samples import difference_of_samples, ratio_of_samples
from sae_checks.records.place import Place


@dataclass(frozen=True)
class ShiftCell(LimitedCell):
    """One SAE in one range of positions, on the run's corpus and on a second one.

    The two are taken to have no document in common, so that nothing is paired: a figure is taken on
    each, and their squared standard errors add up (`judge/two_samples.py`).

    Attributes:
        first: on the run's own corpus.
        second: on the second one.
    """

    place: Place
    check: str
    thresholds: Thresholds
    first: Cell
    second: Cell
    coverage: Coverage = FIXED

    def mean_change(self, quantity: Quantity) -> Estimate:
        """Mean on the second corpus - mean on the first."""
        return self._difference(self.first.mean(quantity), self.second.mean(quantity))

    def mean_ratio(self, quantity: Quantity) -> Estimate:
        """Mean on the second corpus / mean on the first."""
        first, second = self.first.mean(quantity), self.second.mean(quantity)
        return _told(ratio_of_samples(first, second, self.coverage), first, second)

    def explained_variance_change(self, *, massive: bool = True) -> Estimate:
        """Explained variance on the second corpus - that on the first, each of its own mean."""
        first = self.first.explained_variance(massive=massive)
        return self._difference(first, self.second.explained_variance(massive=massive))

    def _difference(self, first: Estimate, second: Estimate) -> Estimate:
        return _told(difference_of_samples(first, second, self.coverage), first, second)


def _told(estimate: Estimate, first: Estimate, second: Estimate) -> Estimate:
    """With both figures, and the texts that each is of, for the report."""
    return replace(estimate, notes=()).with_notes(
        first_corpus=first.value,
        first_texts=first.texts,
        second_corpus=second.value,
        second_texts=second.texts,
    )
