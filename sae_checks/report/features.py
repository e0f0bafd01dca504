"""The best and worst features of an SAE on a task, each with where its dashboard is."""

from __future__ import annotations

import numpy as np

from sae_checks.evals.tasks.features import best_and_worst
from sae_checks.evals.tasks.table import FeatureTable, TaskTable
from sae_checks.judge.coverage import Coverage
from sae_checks.judge.statistics import ratio_of_sums
from sae_checks.records import IntArray

SHOWN = 3  # of the best, and of the worst


def feature_lines(table: TaskTable | None, coverage: Coverage) -> list[str]:
    """Two lines, the best features and the worst; none where no feature has a score."""
    if table is None or table.features is None:
        return []
    features = table.features
    if not np.isfinite(features.delta_ln_p).all():  # of a broken SAE
        return []
    best, worst = best_and_worst(table, SHOWN)
    return [
        f"  {which} features on {table.dataset}: {_named(table, features, rows, coverage)}"
        for which, rows in (("best", best), ("worst", worst))
        if len(rows)
    ]


def _named(table: TaskTable, features: FeatureTable, rows: IntArray, coverage: Coverage) -> str:
    return "; ".join(_one(table, features, int(row), coverage) for row in rows)


def _one(table: TaskTable, features: FeatureTable, row: int, coverage: Coverage) -> str:
    """A feature, its score, what goes with it, what ablating it does, and its link."""
    feature, items = int(features.feature[row]), int(features.items[row])
    told = f"score {features.score[row]:+,} of {items:,}"
    told += f", mean Δ ln p {features.delta_ln_p[row] / items:+.3f}"
    told += _ablated(table, feature, coverage)
    link = table.sae.feature_link(feature)
    return f"{feature} ({told})" + (f" {link}" if link else "")


def _ablated(table: TaskTable, feature: int, coverage: Coverage) -> str:
    """Mean change of ln p(answer) without the feature, with its interval; "" if not ablated."""
    if table.ablations is None:
        return ""
    deltas = table.ablations.delta_ln_p[table.ablations.feature == feature]
    if not len(deltas):
        return ""
    ones = np.ones(len(deltas))
    mean = ratio_of_sums(deltas, ones, ones, coverage)
    interval = f"{mean.low:+.3f} to {mean.high:+.3f}" if len(deltas) > 1 else "one item"
    return f", ablated {mean.value:+.3f} ({interval})"
