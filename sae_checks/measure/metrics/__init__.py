"""Pure tensor functions, by topic; sums over features, width and vocabulary are one token's."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from sae_checks.measure.metrics.answers import margin, rank
from sae_checks.measure.metrics.loss import (
    LossBaseline,
    cross_entropy,
    kl_divergence,
    kl_to_constant,
    log_probabilities,
)
from sae_checks.measure.metrics.reconstruction import (
    norm,
    norm_of_reconstruction,
    squared_distance,
)
from sae_checks.measure.metrics.sparsity import l0, l1
from sae_checks.records.column import Column

__all__ = [
    "LossBaseline",
    "cross_entropy",
    "kl_divergence",
    "kl_to_constant",
    "l0",
    "l1",
    "log_probabilities",
    "margin",
    "norm",
    "norm_of_reconstruction",
    "of_column",
    "rank",
    "squared_distance",
]


def of_column(column: Column) -> Callable[..., Tensor]:
    """The metric of a column: its own, or the one of this package that it names.

    Raises:
        ValueError: there is none of that name (a mistake in the column).
    """
    if callable(column.metric):
        return column.metric
    if column.metric not in __all__:
        raise ValueError(f"column {column.name} has no metric: {column.metric!r}")
    found: Callable[..., Tensor] = globals()[column.metric]
    return found
