"""Cells: what a check is given to look at, and the estimates it can ask for.

A cell is one SAE in one range of positions; a release cell is all SAEs of a release. Which tokens
a cell holds, and what becomes of figures that are not finite, is told in `tokens.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from sae_checks.evals.context.decoder_scale import DecoderScaled
from sae_checks.evals.context.evenness import unevenness
from sae_checks.evals.context.reconstruction import Reconstructed
from sae_checks.evals.context.recovered import Recovered
from sae_checks.evals.context.table import ContextTable
from sae_checks.evals.context.tokens import (
    Quantity,
    of_texts,
    span,
    texts_with,
    token_mask,
    tokens_of,
    undefined_on,
)
from sae_checks.evals.context.variance import variance_by_document
from sae_checks.evals.limited import LimitedCell
from sae_checks.judge.coverage import FIXED, Coverage
from sae_checks.judge.estimate import Estimate, inapplicable, undefined
from sae_checks.judge.statistics import rank_correlation, ratio_of_means, ratio_of_sums
from sae_checks.judge.thresholds import Limit, Thresholds
from sae_checks.records import BoolArray, FloatArray, PositionRange
from sae_checks.records.place import Place
from sae_checks.records.ranges import in_context_range, past_context_range
from sae_checks.wording import SAY_TRAINING_CONTEXT

Regime = Literal["in_context", "past_context"]


@dataclass(frozen=True)
class Cell(Reconstructed, DecoderScaled, Recovered, LimitedCell):
    """One SAE × position range, as a check sees it."""

    place: Place  # names positions where the cell is of a range: overrides for ranges ask
    table: ContextTable
    positions: PositionRange  # those of its place, or all that were measured
    check: str  # whose limit and parameters apply
    thresholds: Thresholds
    coverage: Coverage = FIXED

    @property
    def in_context(self) -> PositionRange:
        """1 .. T-1 for training context T, cut by the measured one; all of that without a T."""
        return in_context_range(self.table.sae.training_context, self.table.context)

    @property
    def past_context(self) -> PositionRange | None:
        """T .. C-2 for measured context C; None without a T, or where none was measured."""
        return past_context_range(self.table.sae.training_context, self.table.context)

    @property
    def massive_tokens(self) -> int:
        """How many of the cell's tokens are massive."""
        return int(self._massive().sum())

    def over(self, positions: PositionRange) -> Cell:
        """The same SAE in another range."""
        return replace(self, positions=positions)

    def mean(self, quantity: Quantity, *, massive: bool = True) -> Estimate:
        """Σ quantity / number of tokens: every token weighs the same, whatever its text."""
        tokens = tokens_of(self.table, self.positions, quantity, massive)
        if tokens.broken:
            return undefined_on(tokens)
        mean = ratio_of_sums(tokens.sums, tokens.counts, tokens.counts, self.coverage)
        return of_texts(mean, tokens.in_texts)

    def mean_difference(self, first: str, second: str) -> Estimate:
        """Mean of first - second, paired on the same token."""
        return self.mean((first, second))

    def ratio(
        self, numerator: Quantity, denominator: Quantity, *, massive: bool = True
    ) -> Estimate:
        """Σ numerator / Σ denominator over the cell's tokens."""
        above = tokens_of(self.table, self.positions, numerator, massive)
        below = tokens_of(self.table, self.positions, denominator, massive)
        for tokens in (above, below):
            if tokens.broken:
                return undefined_on(tokens)
        ratio = ratio_of_sums(above.sums, below.sums, below.counts, self.coverage)
        return of_texts(ratio, below.in_texts)

    def growth(self, quantity: Quantity, *, floor: float = 0.0, massive: bool = True) -> Estimate:
        """Mean in this cell / mean in the same SAE's whole training context, on the same texts.

        The divisor is max(in-context mean, floor). A mean below the floor cannot be told from 0,
        and the ratio to it would be noise; the floor, in the quantity's unit, caps that.
        """
        here = tokens_of(self.table, self.positions, quantity, massive)
        base = tokens_of(self.table, self.in_context, quantity, massive)
        for tokens in (here, base):
            if tokens.broken:
                return undefined_on(tokens)
        growth = ratio_of_means(
            here.sums, here.counts, base.sums, base.counts, self.coverage, floor
        )
        return of_texts(growth, here.in_texts)

    def share_massive(self) -> Estimate:
        """Massive tokens / tokens."""
        units, here = self.table.units, span(self.positions)
        every = token_mask(self.table, self.positions)
        counts = units.sums(every, here)
        share = ratio_of_sums(units.sums(self._massive(), here), counts, counts, self.coverage)
        return of_texts(share.within(0.0, 1.0), texts_with(every))

    def explained_variance(self, *, massive: bool = True) -> Estimate:
        """1 - Σ‖x - x̂‖² / Σ‖x - μ‖², μ the mean activation of the cell's own tokens.

        Stored are ‖x - c‖² per token and Σ(x - c) per position. With n tokens and m = Σ(x - c)/n,
        Σ‖x - μ‖² = Σ‖x - c‖² - n‖m‖² exactly. How that is split over documents for the standard
        error, `variance.py` tells.
        """
        error = tokens_of(self.table, self.positions, "mse", massive)
        spread = tokens_of(self.table, self.positions, "squared_distance", massive)
        for tokens in (error, spread):
            if tokens.broken:
                return undefined_on(tokens)
        variance, parts = variance_by_document(self.table, self.positions, massive, spread)
        # What is left of two nearly equal sums is rounding, not variance.
        if spread.total and variance.sum() <= 1e-9 * spread.sums.sum():
            return inapplicable("the activations do not vary", spread.texts, spread.total)
        value = ratio_of_sums(error.sums, variance, spread.counts, self.coverage).value
        unexplained = ratio_of_sums(error.sums, parts, spread.counts, self.coverage)
        explained = replace(unexplained.affine(-1, 1), value=1 - value)
        return of_texts(explained, spread.in_texts)

    def with_error_shared_by(self, estimates: int) -> Cell:
        """The cell as one of several that are to be as sure together as one (Bonferroni)."""
        return replace(self, coverage=self.coverage.shared_by(estimates))

    def usable_context(self, delta_ce_max: float | None, window: int) -> Estimate:
        """How far ΔCE holds its limit, in training contexts: (last position + 1)/T.

        ΔCE is averaged in consecutive windows, laid from T both ways so that none straddles it;
        `window` is their length, or T/4 where that is less. The last position is the one before
        the first window whose mean is above the limit. The interval's low end asks the same of the
        windows' upper ends, its high end of their lower ends, all windows at once. Where no window
        is above the limit the value is C/T and the high end infinite: how much further it holds was
        not measured.
        """
        training = self.table.sae.training_context
        if delta_ce_max is None:
            return undefined("delta_ce has no max here, which the usable context is measured by")
        if training is None:
            return undefined(f"its training context is not declared; {SAY_TRAINING_CONTEXT}")
        whole = self.over(PositionRange(1, self.table.context - 2))
        every = whole.mean_difference("ce_sae", "ce_clean")
        if math.isnan(every.value):
            return every
        windows = self._windows(training, min(window, training // 4))
        # Of many windows one lies above by chance: together they are to be as sure as one cell.
        shared = self.with_error_shared_by(len(windows))
        means = [shared.over(each).mean_difference("ce_sae", "ce_clean") for each in windows]

        def reach(ends: list[float]) -> float:
            pairs = zip(windows, ends, strict=True)
            above = (each.first for each, end in pairs if end > delta_ce_max)
            return next(above, math.inf) / training

        value = reach([mean.value for mean in means])
        if value == math.inf and self.past_context is None:
            return inapplicable(
                f"ΔCE holds over the {self.table.context} positions measured, none of which lies "
                f"past the training context of {training}: measure a longer context",
                every.texts,
                every.tokens,
            )
        measured = self.table.context / training
        low, high = reach([mean.high for mean in means]), reach([mean.low for mean in means])
        return replace(
            every,
            value=min(value, measured),
            low=min(low, measured),
            high=high,
            standard_error=math.nan,
            influence=None,
            spread=None,
        )

    def unevenness(
        self, quantity: Quantity, *, floor: float = 0.0, massive: bool = True
    ) -> Estimate:
        """How far from even a quantity is within the training context: `evenness.py`."""
        return unevenness(self, quantity, floor, massive)

    def _massive(self) -> BoolArray:
        """(texts, positions): the cell's massive tokens."""
        return token_mask(self.table, self.positions) & self.table.massive[:, span(self.positions)]

    def _windows(self, training: int, length: int) -> list[PositionRange]:
        """Windows over positions 1 .. C-2; one under half the length joins its neighbour."""
        last, length = self.table.context - 2, max(1, length)
        inner = [
            start
            for start in range(training % length, last + 1, length)
            if start == training or min(start - 1, last + 1 - start) >= max(1, length / 2)
        ]
        starts = [1, *(start for start in inner if start > 1)]
        ends = [*(start - 1 for start in starts[1:]), last]
        return [PositionRange(first, end) for first, end in zip(starts, ends, strict=True)]


@dataclass(frozen=True)
class ReleaseCell:
    """All SAEs of a release, as a check of the whole release sees them."""

    cells: tuple[Cell, ...]  # one per SAE, over all positions; at least one

    def limit(self) -> Limit:
        """What the release is held to by its check."""
        first = self.cells[0]
        return first.thresholds.limit(first.check, Place.of_release(first.place["release"]))

    def depth_trend(self, quantity: Quantity, regime: Regime) -> Estimate:
        """Spearman's rank correlation over SAEs: layer ↔ mean of the quantity in the regime.

        +1: the deeper the larger. The interval is over documents (these SAEs are the whole release,
        not a sample of it). SAEs that were not measured in the regime are left out.
        """
        layers, samples = [], []
        for cell in self.cells:
            positions = getattr(cell, regime)
            tokens = tokens_of(cell.table, positions, quantity) if positions else None
            if tokens is None or tokens.total == 0:
                continue
            if tokens.broken:
                return undefined(f"{cell.table.sae.sae_id}: {tokens.broken}")
            layers.append(cell.table.sae.layer)
            samples.append(tokens)
        if not samples:
            return undefined(f"no SAE was measured {regime.replace('_', ' ')}")
        sums = np.stack([tokens.sums for tokens in samples], axis=1)  # (documents, SAEs)
        counts = np.stack([tokens.counts for tokens in samples], axis=1)
        measured = counts.any(axis=1)
        trend = rank_correlation(
            layers,
            sums.sum(axis=0) / counts.sum(axis=0),
            _means_without_each_document(sums[measured], counts[measured]),
            int(counts.sum()),
            self.cells[0].coverage,
        )
        if trend.influence is not None:
            influence = np.zeros(len(counts))
            influence[measured] = trend.influence
            trend = replace(trend, influence=influence)
        return of_texts(trend, np.any([tokens.in_texts for tokens in samples], axis=0))


def _means_without_each_document(sums: FloatArray, counts: FloatArray) -> FloatArray:
    """(documents, SAEs): the mean over the tokens of all documents but one, for each of them."""
    others = counts.sum(axis=0) - counts
    mean = sums.sum(axis=0) / counts.sum(axis=0) + np.zeros_like(sums)
    # Where one document holds all tokens, no others are left: the mean itself stands in.
    without: FloatArray = np.divide(sums.sum(axis=0) - sums, others, out=mean, where=others > 0)
    return without
