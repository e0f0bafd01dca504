"""Single features by how they go with answers: their order, and the shares that checks ask for.

Numpy only, so that measuring can choose by it which features to ablate.
"""

from __future__ import annotations

import numpy as np

from sae_checks.evals.tasks.items import features_of
from sae_checks.evals.tasks.table import FeatureTable, TaskTable
from sae_checks.records import IntArray, SaeRef
from sae_checks.wording import counted

NAMED = 5  # features that a note names


def ranked_features(features: FeatureTable) -> IntArray:
    """(n,) rows of the table, best first: by score, then by Σ Δ ln p, then by index."""
    # The last key of lexsort weighs most.
    return np.lexsort((features.feature, -features.delta_ln_p, -features.score))


def best_and_worst(table: TaskTable, count: int) -> tuple[IntArray, IntArray]:
    """Rows of the `count` best features, best first, and of the `count` worst, worst first.

    No feature is in both: where there are fewer than twice as many, they are shared out.

    Raises:
        UserError: features were not measured.
    """
    order = ranked_features(features_of(table))
    return order[: min(count, (len(order) + 1) // 2)], order[::-1][: min(count, len(order) // 2)]


def unscored(features: FeatureTable) -> str:
    """Why features have no scores, or ""."""
    if not len(features.feature):
        return "no feature is active on an item"
    broken = int((~np.isfinite(features.delta_ln_p)).sum())
    return f"Δ ln p is not finite on the items of {counted(broken, 'feature')}" if broken else ""


def positive_share(items: IntArray, score: IntArray) -> float:
    """Of the features that are active, those with a score above 0; NaN where none is active."""
    active = items > 0
    return float((score[active] > 0).mean()) if active.any() else float("nan")


def harmful(items: IntArray, score: IntArray, at_least: float) -> IntArray:
    """Rows of the features that are active on more items than `at_least`, with a score below 0."""
    return np.flatnonzero((items > at_least) & (score < 0))


def named(sae: SaeRef, features: FeatureTable, rows: IntArray) -> str:
    """A few features, the lowest score first: "7 (score -38, https://...), ..."."""
    worst_first = rows[np.lexsort((features.feature[rows], features.score[rows]))]
    parts = []
    for row in worst_first[:NAMED]:
        link = sae.feature_link(int(features.feature[row]))
        known = f"score {features.score[row]}" + (f", {link}" if link else "")
        parts.append(f"{features.feature[row]} ({known})")
    more = len(rows) - len(parts)
    return ", ".join(parts) + (f" and {more} more" if more else "")
