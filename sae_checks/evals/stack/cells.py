"""Stacks on texts, and the estimates that a check can ask them for.

All tables of a cell are of the same texts, so that every difference is taken on the same token.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sae_checks.evals.context.table import ContextTable
from sae_checks.evals.context.tokens import Quantity, Tokens, of_texts, tokens_of
from sae_checks.evals.limited import LimitedCell
from sae_checks.evals.stack.tables import StackTable
from sae_checks.judge.coverage import FIXED, Coverage
from sae_checks.judge.estimate import Estimate, inapplicable, undefined
from sae_checks.judge.statistics import ratio_of_sums
from sae_checks.judge.thresholds import Thresholds
from sae_checks.records import PositionRange
from sae_checks.records.place import Place

_DELTA_CE = ("ce_sae", "ce_clean")


@dataclass(frozen=True)
class StackCell(LimitedCell):
    """A stack × positions, as a check sees it.

    Attributes:
        prefixes: a table per SAE, in the order of the model: of the stack up to that SAE.
        alone: the tables of the same SAEs, each spliced in by itself, where the check needs them.
    """

    place: Place
    check: str  # whose limit and parameters apply
    thresholds: Thresholds
    positions: PositionRange
    prefixes: tuple[StackTable, ...]
    alone: tuple[ContextTable, ...] = ()
    coverage: Coverage = FIXED

    def mean(self, quantity: Quantity) -> Estimate:
        """Mean over tokens with the whole stack spliced in; of a pair, that of first - second."""
        return self._of(self._tokens(self.prefixes[-1], quantity))

    def mean_difference(self, first: str, second: str) -> Estimate:
        """Mean of first - second with the whole stack spliced in, paired on the same token."""
        return self.mean((first, second))

    def superadditivity(self) -> Estimate:
        """ΔCE of the whole stack / Σ over its SAEs of the ΔCE of each by itself.

        1: the losses add up. Above 1, SAEs do worse on what the ones before them left; below 1,
        they lose in part the same. Undefined where the sum is not above 0 beyond doubt.
        """
        whole = self._tokens(self.prefixes[-1], _DELTA_CE)
        parts = [self._tokens(table, _DELTA_CE) for table in self.alone]
        for tokens in (whole, *parts):
            if tokens.broken:
                return undefined(tokens.broken, tokens.texts, tokens.total)
        if any(not np.array_equal(tokens.counts, whole.counts) for tokens in parts):
            return undefined("the stack and its SAEs were not measured on the same tokens")
        sums = np.sum([tokens.sums for tokens in parts], axis=0)
        summed = ratio_of_sums(sums, whole.counts, whole.counts, self.coverage)
        if whole.total and not summed.low > 0:
            return inapplicable(
                "the ΔCE of its SAEs by themselves do not add up to more than 0 beyond doubt: "
                "there is nothing to compare with",
                whole.texts,
                whole.total,
            )
        ratio = ratio_of_sums(whole.sums, sums, whole.counts, self.coverage)
        joint = whole.sums.sum() / max(whole.total, 1)
        # Where one has to be surer, there may be nothing to compare with.
        ratio = replace(ratio, spread=None)
        return of_texts(ratio, whole.in_texts).with_notes(joint=joint, sum_alone=summed.value)

    def _of(self, tokens: Tokens) -> Estimate:
        if tokens.broken:
            return undefined(tokens.broken, tokens.texts, tokens.total)
        mean = ratio_of_sums(tokens.sums, tokens.counts, tokens.counts, self.coverage)
        return of_texts(mean, tokens.in_texts)

    def _tokens(self, table: ContextTable, quantity: Quantity) -> Tokens:
        return tokens_of(table, self.positions, quantity)


@dataclass(frozen=True)
class StackedSaeCell(StackCell):
    """One SAE of a stack: the prefixes before it and up to it, and by itself.

    Attributes:
        index: which of the stack's SAEs.
    """

    index: int = 0

    def contribution(self) -> Estimate:
        """What splicing this SAE in too adds to ΔCE: up to it - up to the one before it.

        Over the SAEs of a stack the contributions add up to the ΔCE of the whole.
        """
        here = self._tokens(self.prefixes[self.index], _DELTA_CE)
        before = self._before()
        if here.broken or before.broken:
            return undefined(here.broken or before.broken, here.texts, here.total)
        sums = here.sums - before.sums
        added = ratio_of_sums(sums, here.counts, here.counts, self.coverage)
        joint = self.mean(_DELTA_CE).value
        found = of_texts(added, here.in_texts)
        return found.with_notes(share_of_stack=added.value / joint) if joint > 0 else found

    def _before(self) -> Tokens:
        if self.index:
            return self._tokens(self.prefixes[self.index - 1], _DELTA_CE)
        return self._tokens(self.prefixes[0], ("ce_clean", "ce_clean"))  # no loss at all
