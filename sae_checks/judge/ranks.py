"""Ranks and Spearman's correlation, of one row or of many at a time.

As scipy.stats gives them, whose import takes longer than judging a whole release.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from sae_checks.records import BoolArray, FloatArray


def ranks(values: FloatArray) -> FloatArray:
    """Ranks 1 .. n along the last axis, ties sharing their mean rank; O(n log n)."""
    order = np.argsort(values, axis=-1, kind="stable")
    sorted_values = np.take_along_axis(values, order, axis=-1)
    place = np.broadcast_to(np.arange(values.shape[-1], dtype=np.float64), values.shape)
    new = np.ones(values.shape, dtype=np.bool_)  # where a run of ties begins
    new[..., 1:] = sorted_values[..., 1:] != sorted_values[..., :-1]
    if not new.all():
        first = np.maximum.accumulate(np.where(new, place, 0), axis=-1)
        ends = np.ones_like(new)  # where a run of ties ends
        ends[..., :-1] = new[..., 1:]
        last = np.where(ends, place, values.shape[-1])
        last = np.minimum.accumulate(last[..., ::-1], axis=-1)[..., ::-1]
        place = (first + last) / 2
    ranked = np.empty(values.shape)
    np.put_along_axis(ranked, order, place + 1, axis=-1)
    return ranked


def spearman(x: FloatArray, y: FloatArray) -> FloatArray:
    """Spearman's correlation along the last axis: Pearson's, of the ranks.

    x and y broadcast against each other. What is constant ranks nothing: its correlation is 0.
    """
    middle = (x.shape[-1] + 1) / 2
    a, b = ranks(x) - middle, ranks(y) - middle
    spread = np.sqrt(np.square(a).sum(axis=-1) * np.square(b).sum(axis=-1))
    rho: FloatArray = np.divide(
        (a * b).sum(axis=-1), spread, out=np.zeros_like(spread), where=spread > 0
    )
    return rho


def rank_association(x: FloatArray, y: FloatArray) -> FloatArray:
    """Spearman's correlation along the last axis, with ties counted as no order at all.

    Σ (R_x - mean)(R_y - mean) / ((n³ - n)/12), the divisor being what n untied ranks have. Equal to
    Spearman's where nothing is tied, nearer to 0 where something is, and 0 where x or y is
    constant: what does not vary goes with nothing. It is to Spearman's ρ what Kendall's τ_a is to
    τ_b (Kendall 1945, "The treatment of ties in ranking problems", Biometrika 33(3)).

    x and y broadcast against each other; n is 2 or more.
    """
    n = x.shape[-1]
    middle = (n + 1) / 2
    products = (ranks(x) - middle) * (ranks(y) - middle)
    association: FloatArray = products.sum(axis=-1) / ((n**3 - n) / 12)
    return association


def association_influence(x: FloatArray, y: FloatArray) -> FloatArray:
    """(n,) how much the rank association of x and y, (n,) each, moves with each pair; sums to 0.

    With u and v the ranks less their mean, over n, the association is to first order 12 Σ u v / n,
    where each pair also has a say in the ranks of all others:

        influence_i = ( 12 (u_i v_i + Σ_j s(x_j - x_i) v_j / n + Σ_j s(y_j - y_i) u_j / n)
                        - 3 association ) / n,      s(·) = ±1/2, 0 for ties

    (Croux & Dehon 2010, "Influence functions of the Spearman and Kendall correlation measures",
    Statistical Methods & Applications 19).
    """
    n = len(x)
    u, v = (ranks(x) - (n + 1) / 2) / n, (ranks(y) - (n + 1) / 2) / n
    own = u * v + _signed_sums(x, v) / n + _signed_sums(y, u) / n
    influence: FloatArray = 12 * (own - own.mean()) / n
    return influence


def _signed_sums(order: FloatArray, weights: FloatArray) -> FloatArray:
    """(n,) Σ_j s(order_j - order_i) weights_j, in O(n log n)."""
    _, group = np.unique(order, return_inverse=True)
    sums = np.bincount(group, weights=weights)
    below = np.cumsum(sums) - sums
    above = weights.sum() - below - sums
    signed: FloatArray = (above - below)[group] / 2
    return signed


def rank_effect(values: FloatArray, classes: Iterable[BoolArray]) -> float:
    """Share of the variance of ranks that lies between classes, 0 .. 1.

    Σ_c n_c (mean rank of c - (n+1)/2)² / ((n³ - n)/12): Kruskal & Wallis's H over n - 1, ties
    counted as no order. One class alone explains nothing: 0.

    Args:
        values: (n,), n of 2 or more.
        classes: masks (n,) that are disjoint and cover all of them.
    """
    ranked, n = ranks(values) - (len(values) + 1) / 2, len(values)
    between = sum(float(ranked[of].sum()) ** 2 / int(of.sum()) for of in classes if of.any())
    return between / ((n**3 - n) / 12)


def why_unranked(x: FloatArray, y: FloatArray) -> str:
    """Why two rows (n,) have no rank correlation, or ""."""
    if len(x) < 3:
        return f"a rank correlation needs 3 values or more, got {len(x)}"
    for name, values in (("first", x), ("second", y)):
        if np.all(values == values[0]):
            return f"a rank correlation needs values that differ, but the {name} are all the same"
    return ""
