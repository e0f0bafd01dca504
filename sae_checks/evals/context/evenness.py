"""Whether a quantity is about the same in every range of positions of the training context."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from sae_checks.evals.context.tokens import Quantity
from sae_checks.judge.estimate import Estimate, inapplicable
from sae_checks.records import PositionRange
from sae_checks.records.ranges import position_ranges

if TYPE_CHECKING:
    from sae_checks.evals.context.cells import Cell

# Earlier positions have one token or two per text, and other activations than all that follow.
FIRST = 4


def ranges_of(training_context: int | None, context: int) -> list[PositionRange]:
    """The ranges that are held against the whole: 4:7, 8:15, ... up to T-1."""
    every = position_ranges(training_context, context).in_context
    return [each for each in every if each.first >= FIRST]


def unevenness(cell: Cell, quantity: Quantity, floor: float, massive: bool) -> Estimate:
    """The largest mean in 4:7, 8:15, ... up to T-1, in units of the mean over 1 .. T-1.

    A mean below the floor counts as the floor there, as of growth. The interval's ends are the
    largest ends of the ranges, which share the error among them; the range is in the notes.
    """
    ranges = ranges_of(cell.table.sae.training_context, cell.table.context)
    if len(ranges) < 2:  # which the checks of the suite are not asked of
        return inapplicable(
            f"up to position {cell.in_context.last} there are no two ranges from {FIRST}:7 up, of "
            "which one might stand out: measure a longer context, if the SAE was trained for one"
        )
    whole = cell.over(cell.in_context).mean(quantity, massive=massive)
    if not floor and whole.value == 0:
        return inapplicable("it is 0 everywhere", whole.texts, whole.tokens)
    shared = cell.with_error_shared_by(len(ranges))
    means = [shared.over(each).growth(quantity, floor=floor, massive=massive) for each in ranges]
    for mean in means:
        if math.isnan(mean.value):
            return mean
    largest = max(range(len(ranges)), key=lambda index: means[index].value)
    return replace(
        means[largest],
        low=max(mean.low for mean in means),
        high=max(mean.high for mean in means),
        standard_error=math.nan,
        influence=None,
        spread=None,
    ).with_notes(positions=str(ranges[largest]))
