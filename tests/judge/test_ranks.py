from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau, kruskal, rankdata, spearmanr

from sae_checks.judge.agreement import pairwise_association
from sae_checks.judge.ranks import rank_association, rank_effect, ranks, spearman, why_unranked

# Few distinct values, so that ties are common, or many.
values = st.one_of(st.integers(-3, 3), st.floats(-1e6, 1e6)).map(float)
rows = st.lists(values, min_size=1, max_size=30)


def test_ties_share_their_mean_rank() -> None:
    assert ranks(np.array([30.0, 10, 10, 20, 30, 30])).tolist() == [5, 1.5, 1.5, 3, 5, 5]


@given(rows)
def test_ranks_are_scipys(row) -> None:
    assert ranks(np.array(row)).tolist() == rankdata(row).tolist()


@given(rows, st.integers(1, 4), st.randoms(use_true_random=False))
def test_many_rows_are_ranked_one_by_one(row, copies, random) -> None:
    many = np.array([random.sample(row, len(row)) for _ in range(copies)])
    assert ranks(many).tolist() == [ranks(each).tolist() for each in many]


@given(st.lists(st.tuples(values, values), min_size=2, max_size=30))
def test_spearman_is_scipys(pairs) -> None:
    x, y = np.array(pairs).T
    if np.all(x == x[0]) or np.all(y == y[0]):
        assert spearman(x, y) == 0
    else:
        assert spearman(x, y) == pytest.approx(spearmanr(x, y).statistic, abs=1e-12)


@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=2))
def test_ranks_do_not_see_the_scale(pairs) -> None:
    x, y = np.array(pairs, dtype=float).T
    assert ranks(x**3 + 2 * x).tolist() == ranks(x).tolist()
    assert spearman(x, y) == pytest.approx(-spearman(x, -np.exp(y / 50)), abs=1e-12)


def untied_share(row: np.ndarray) -> float:
    """Variance of a row's ranks / what it would be without ties."""
    n = len(row)
    return float(np.var(rankdata(row)) * n / ((n**3 - n) / 12))


@given(st.lists(st.tuples(values, values), min_size=2, max_size=30))
def test_association_is_spearmans_less_what_ties_hide(pairs) -> None:
    x, y = np.array(pairs).T
    hidden = np.sqrt(untied_share(x) * untied_share(y))
    expected = spearmanr(x, y).statistic * hidden if hidden > 0 else 0
    assert rank_association(x, y) == pytest.approx(expected, abs=1e-12)
    assert -1 - 1e-12 <= rank_association(x, y) <= 1 + 1e-12
    assert rank_association(x, np.ones(len(x))) == 0


def test_association_goes_the_way_of_kendalls_tau() -> None:
    x, y = np.array([1.0, 2, 2, 3, 4]), np.array([2.0, 1, 3, 3, 5])
    assert np.sign(rank_association(x, y)) == np.sign(kendalltau(x, y).statistic)


@given(st.lists(st.tuples(values, st.integers(0, 3)), min_size=2, max_size=30))
def test_rank_effect_is_h_of_kruskal_and_wallis(pairs) -> None:
    row, label = np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs])
    classes = [label == which for which in range(4)]
    present = [row[of] for of in classes if of.any()]
    effect = rank_effect(row, classes)
    assert -1e-12 <= effect <= 1 + 1e-12
    if len(present) < 2 or np.all(row == row[0]):
        assert effect == pytest.approx(0, abs=1e-12)
    else:  # scipy corrects H for ties
        h = kruskal(*present).statistic * untied_share(row)
        assert effect == pytest.approx(h / (len(row) - 1), abs=1e-9)


def test_pairs_of_rows() -> None:
    rng = np.random.default_rng(0)
    many = rng.integers(0, 9, (4, 25)).astype(float)
    expected = [rank_association(many[i], many[j]) for i in range(4) for j in range(i + 1, 4)]
    assert pairwise_association(many).tolist() == pytest.approx(expected)


def test_why_there_is_no_rank_correlation() -> None:
    some, same = np.array([1.0, 2, 3]), np.ones(3)
    assert why_unranked(some, some) == ""
    assert why_unranked(some[:2], some[:2]) == "a rank correlation needs 3 values or more, got 2"
    assert why_unranked(same, some) == (
        "a rank correlation needs values that differ, but the first are all the same"
    )
