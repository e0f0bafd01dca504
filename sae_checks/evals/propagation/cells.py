"""What checks on pairs of SAEs are given to look at, and the estimates they can ask for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from sae_checks.errors import UserError
from sae_checks.evals.context.cells import Cell
from sae_checks.evals.context.table import ContextTable
from sae_checks.evals.context.tokens import Tokens, of_texts, tokens_of
from sae_checks.evals.limited import LimitedCell
from sae_checks.evals.propagation.columns import DIRECT_PREFIX, MEASURED_POSITIONS
from sae_checks.evals.propagation.table import PropagationTable
from sae_checks.judge.coverage import FIXED, Coverage
from sae_checks.judge.estimate import WHERE, Estimate, inapplicable, undefined
from sae_checks.judge.statistics import linearised, ratio_of_means
from sae_checks.judge.thresholds import Limit, Thresholds
from sae_checks.records import PositionRange
from sae_checks.records.place import Place

LAST_POSITION = "last_position"
Side = Literal["spliced", "observed"]


@dataclass(frozen=True)
class PropagationCell(LimitedCell):
    """Two SAEs on the same tokens: the later one with the other spliced in, and without."""

    place: Place
    spliced: PropagationTable
    clean: ContextTable  # of the later SAE by itself, on the same texts and positions
    check: str  # whose limit and parameters apply
    thresholds: Thresholds
    coverage: Coverage = FIXED

    @cached_property
    def positions(self) -> PositionRange:
        """1 .. `last_position`, within the training contexts of both SAEs and what was measured.

        Raises:
            UserError: `last_position` is no position that is measured.
        """
        last, measured = self.parameter(LAST_POSITION), self.spliced.context - 1
        if last < 1 or last != int(last):
            raise UserError(
                f"{LAST_POSITION} = {last:g} in [checks.{self.check}] is no position of a mean: "
                f"give a whole number from 1 to {measured}"
            )
        training = self.spliced.training_context or self.clean.context
        wanted = min(int(last), training - 1)
        if wanted > measured and self.spliced.context == MEASURED_POSITIONS:  # of longer texts
            raise UserError(
                f"{LAST_POSITION} = {last:g} in [checks.{self.check}] is beyond what is measured "
                f"of pairs of SAEs, positions 1 to {measured}: give {measured} or less"
            )
        return PositionRange(1, max(1, min(wanted, measured)))

    def change(self, quantity: str, *, massive: bool = True, direct: bool = False) -> Estimate:
        """Mean with the splice / mean without it - 1, at the later SAE, on the same tokens.

        Args:
            quantity: l0, mse or norm.
            massive: whether tokens count that are massive without the splice.
            direct: with what the residual stream alone carries, later blocks being as they were.
        """
        name = f"{DIRECT_PREFIX}{quantity}" if direct else quantity
        # The same tokens on either side: the splice may make others massive, or these not.
        after = self._tokens(self.spliced.massive_as_in(self.clean), name, massive)
        before = self._tokens(self.clean, quantity, massive)
        for tokens in (after, before):
            if tokens.broken:
                return undefined(tokens.broken, tokens.texts, tokens.total)
        if before.total and not before.sums.any():
            return inapplicable(
                f"{quantity} is 0 without the splice: there is nothing to compare with",
                before.texts,
                before.total,
            )
        ratio = ratio_of_means(after.sums, after.counts, before.sums, before.counts, self.coverage)
        return of_texts(ratio.affine(1, -1), after.in_texts).with_notes(
            positions=str(self.positions)
        )

    def direct(self, quantity: str, *, massive: bool = True) -> Estimate:
        """The part of the change that the residual stream carries; beside it what is recomputed.

        The recomputed part is what later attention and MLP layers make of it: the mean with the
        splice less the mean with what the stream alone carries, over the mean without the splice.
        The two add up to the whole change.
        """
        whole = self.change(quantity, massive=massive).value
        direct = self.change(quantity, massive=massive, direct=True)
        recomputed = math.nan
        if math.isfinite(whole) and math.isfinite(direct.value):
            spliced = self.spliced.massive_as_in(self.clean)
            names = (quantity, f"{DIRECT_PREFIX}{quantity}")
            after, carried = (self._tokens(spliced, name, massive).mean for name in names)
            recomputed = (after - carried) / self._tokens(self.clean, quantity, massive).mean
        return direct.with_notes(recomputed=recomputed, whole_change=whole)

    def explained_variance(self) -> Estimate:
        """Of the later SAE with the splice, massive tokens left out; without it beside."""
        with_splice = self._on(self.spliced).explained_variance(massive=False)
        without = self._on(self.clean).explained_variance(massive=False)
        return with_splice.with_notes(without_splice=without.value, positions=str(self.positions))

    @property
    def massive_tokens(self) -> int:
        """How many of the tokens are massive without the splice."""
        return self._on(self.clean).massive_tokens

    def _tokens(self, table: ContextTable, quantity: str, massive: bool) -> Tokens:
        return tokens_of(table, self.positions, quantity, massive)

    def _on(self, table: ContextTable) -> Cell:
        return Cell(self.place, table, self.positions, self.check, self.thresholds, self.coverage)


@dataclass(frozen=True)
class PropagationReleaseCell:
    """All pairs of a release, as a check of the whole release sees them."""

    cells: tuple[PropagationCell, ...]  # on the same texts; at least one

    def limit(self) -> Limit:
        """What the release is held to by its check."""
        first = self.cells[0]
        return first.thresholds.limit(first.check, Place.of_release(first.place["release"]))

    def largest(self, quantity: str, side: Side, *, massive: bool = True) -> Estimate:
        """The largest mean change over the pairs of one SAE, and of which.

        Args:
            quantity: l0, mse or norm.
            side: over all pairs in which it is the one spliced in, or the one observed.
            massive: whether tokens count that are massive without the splice.
        """
        by_sae: dict[str, list[Estimate]] = {}
        for cell in self.cells:
            change = cell.change(quantity, massive=massive)
            if change.inapplicable:
                continue
            if not np.isfinite(change.value):
                return undefined(f"{cell.place['pair']}: {change.reason}")
            by_sae.setdefault(getattr(cell.place["pair"], side), []).append(change)
        if not by_sae:
            return inapplicable(f"{quantity} is 0 without a splice at every later SAE")
        means = {sae: float(np.mean([e.value for e in each])) for sae, each in by_sae.items()}
        sae = max(means, key=lambda each: means[each])
        where = f"after {sae}" if side == "spliced" else f"at {sae}"
        return self._mean(by_sae[sae]).with_notes(**{WHERE: where}, pairs=len(by_sae[sae]))

    def _mean(self, changes: Sequence[Estimate]) -> Estimate:
        """The mean of several changes on the same texts."""
        first = changes[0]
        influences = [each.influence for each in changes if each.influence is not None]
        value = float(np.mean([each.value for each in changes]))
        mean = linearised(
            value, np.mean(influences, axis=0), self.cells[0].coverage, units=first.units
        )
        clusters = first.clusters
        return replace(mean, texts=first.texts, tokens=first.tokens, clusters=clusters)
