from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_checks.errors import UserError
from sae_checks.evals.tasks.features import best_and_worst, ranked_features
from sae_checks.evals.tasks.table import TaskTable
from tests.stored import feature_table, task_table
from tests.tables import changed


def table(scores, delta_ln_p) -> TaskTable:
    """Features 3, 4, ... with these scores."""
    made = task_table(0)
    features = feature_table(np.zeros(40), np.ones((len(scores), 40), dtype=bool))
    scored = replace(features, score=np.array(scores), delta_ln_p=np.array(delta_ln_p, dtype=float))
    return changed(made, features=scored)


def test_by_score_then_by_delta_ln_p_then_by_index() -> None:
    made = table([1, 5, 1, -2, 1], [0.3, -9.0, 0.4, 7.0, 0.3])
    assert ranked_features(made.features).tolist() == [1, 2, 0, 4, 3]
    best, worst = best_and_worst(made, 2)
    assert (best.tolist(), worst.tolist()) == ([1, 2], [3, 4])


@given(st.lists(st.integers(-4, 4), max_size=12), st.integers(0, 8))
def test_no_feature_is_both_best_and_worst(scores, count) -> None:
    made = table(scores, [0.0] * len(scores))
    best, worst = best_and_worst(made, count)
    assert not set(best.tolist()) & set(worst.tolist())
    assert len(best) + len(worst) == min(2 * count, len(scores))
    assert 0 <= len(best) - len(worst) <= 1
    if len(worst):
        assert made.features.score[best].min() >= made.features.score[worst].max()


def test_features_that_were_not_measured() -> None:
    with pytest.raises(UserError, match="features was not measured for blocks"):
        best_and_worst(changed(task_table(0), features=None), 5)
