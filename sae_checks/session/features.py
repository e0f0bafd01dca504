"""The best and worst features of an SAE on a task, as a result holds them."""

from __future__ import annotations

import numpy as np

from sae_checks.evals.tasks.features import best_and_worst
from sae_checks.evals.tasks.table import FeatureTable, TaskTable
from sae_checks.judge.coverage import Coverage
from sae_checks.judge.estimate import Estimate
from sae_checks.judge.statistics import ratio_of_sums
from sae_checks.session.result import FeatureEffect, TaskFeatures

SHOWN = 3  # of the best, and of the worst


def task_features(table: TaskTable | None, coverage: Coverage) -> TaskFeatures | None:
    """The best features and the worst; None where no feature has a score.

    Args:
        table: of one SAE on one task; None where nothing was measured.
        coverage: of the interval of what ablating a feature does.
    """
    if table is None or table.features is None:
        return None
    features = table.features
    if not np.isfinite(features.delta_ln_p).all():  # of a broken SAE
        return None
    best, worst = (
        tuple(_effect(table, features, int(row), coverage) for row in rows)
        for rows in best_and_worst(table, SHOWN)
    )
    return TaskFeatures(table.dataset, best, worst)


def _effect(
    table: TaskTable, features: FeatureTable, row: int, coverage: Coverage
) -> FeatureEffect:
    feature, items = int(features.feature[row]), int(features.items[row])
    return FeatureEffect(
        feature=feature,
        score=int(features.score[row]),
        items=items,
        delta_ln_p=float(features.delta_ln_p[row] / items),
        ablated=_ablated(table, feature, coverage),
        link=table.sae.feature_link(feature),
    )


def _ablated(table: TaskTable, feature: int, coverage: Coverage) -> Estimate | None:
    """Mean change of ln p(answer) without the feature; None where it was not ablated."""
    if table.ablations is None:
        return None
    deltas = table.ablations.delta_ln_p[table.ablations.feature == feature]
    if not len(deltas):
        return None
    ones = np.ones(len(deltas))
    return ratio_of_sums(deltas, ones, ones, coverage)
