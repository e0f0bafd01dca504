"""A first-layer SAE with and without positional vectors in what it reads, as a check sees it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from sae_checks.evals.context.cells import Cell
from sae_checks.evals.context.tokens import Quantity, Tokens, of_texts, tokens_of
from sae_checks.evals.limited import LimitedCell
from sae_checks.evals.positions import ADDED, HOOK_POINT
from sae_checks.judge.coverage import FIXED, Coverage
from sae_checks.judge.estimate import Estimate, inapplicable, undefined
from sae_checks.judge.statistics import ratio_of_sums
from sae_checks.judge.thresholds import Thresholds
from sae_checks.records import PositionRange
from sae_checks.records.place import Place

_WHOLE: Quantity = ("ce_sae", "ce_clean")


@dataclass(frozen=True)
class PositionCell(LimitedCell):
    """One first-layer SAE past its training context.

    Attributes:
        texts: its figures of both evaluations on the same texts; None of an SAE that reads more
            than token and positional vectors.
    """

    place: Place
    check: str
    thresholds: Thresholds
    texts: Cell | None
    coverage: Coverage = FIXED

    def share_removed(self, column: str) -> Estimate:
        """1 − mean ΔCE(without positions) / mean ΔCE, both past the training context.

        Args:
            column: the loss without positions.
        """
        cell = self.texts
        if cell is None:
            return inapplicable(
                f"only an SAE at {HOOK_POINT} reads token and positional vectors and nothing else"
            )
        past, added = cell.past_context, cell.table.columns[ADDED]
        assert past is not None, "cells are those of SAEs with something measured past it"
        if not (added == 1).any():
            return inapplicable(
                "the model adds no positional vectors to its token embeddings (its positions are "
                "rotary, or part of attention)"
            )
        if reason := _no_failure(cell, past):
            return reason
        without, whole = tokens_of(cell.table, past, (column, "ce_clean")), _delta_ce(cell, past)
        if without.broken:
            return undefined(without.broken, without.texts, without.total)
        kept = ratio_of_sums(without.sums, whole.sums, whole.counts, self.coverage)
        return of_texts(replace(kept.affine(-1, 1), spread=None), whole.in_texts).with_notes(
            delta_ce_past_context=cell.over(past).mean(_WHOLE).value,
            without_positions_past_context=cell.over(past).mean((column, "ce_clean")).value,
            delta_ce_in_context=cell.over(cell.in_context).mean(_WHOLE).value,
            without_positions_in_context=cell.over(cell.in_context)
            .mean((column, "ce_clean"))
            .value,
        )


def _delta_ce(cell: Cell, positions: PositionRange) -> Tokens:
    return tokens_of(cell.table, positions, _WHOLE)


def _no_failure(cell: Cell, past: PositionRange) -> Estimate | None:
    """Why there is nothing to explain: ΔCE past the training context is not above 0."""
    there = cell.over(past).mean(_WHOLE)
    if math.isnan(there.value):
        return there
    if there.low > 0:
        return None
    return inapplicable(
        "ΔCE past the training context is not above 0 beyond doubt: there is no failure to explain",
        there.texts,
        there.tokens,
    )
