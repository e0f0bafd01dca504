"""How the SAEs of a release agree: with each other on items, and texts with a task on SAEs."""

from __future__ import annotations

import numpy as np

from sae_checks.judge.ranks import rank_association, ranks
from sae_checks.records import FloatArray


def pairwise_association(values: FloatArray) -> FloatArray:
    """(pairs,) rank associations between the rows of (rows, n), in the order of triu."""
    n = values.shape[-1]
    centred = ranks(values) - (n + 1) / 2
    products = (centred @ centred.T)[np.triu_indices(len(values), 1)]
    associations: FloatArray = products / ((n**3 - n) / 12)
    return associations


def means_without_each_group(sums: FloatArray, counts: FloatArray, groups: int) -> FloatArray:
    """(groups, columns): means of what (units, columns) hold, without each group of units.

    Units are dealt out to the groups in turn. NaN where nothing is left.
    """
    dealt = np.arange(len(sums)) % groups
    left = np.stack([sums[dealt != group].sum(axis=0) for group in range(groups)])
    counted = np.stack([counts[dealt != group].sum(axis=0) for group in range(groups)])
    means: FloatArray = np.divide(left, counted, out=np.full_like(left, np.nan), where=counted > 0)
    return means


def association_of_rows(x: FloatArray, y: FloatArray) -> FloatArray:
    """(rows,) of (rows, n); NaN in rows where not all of x and y are numbers."""
    whole = np.isfinite(x).all(axis=-1) & np.isfinite(y).all(axis=-1)
    return np.where(whole, rank_association(x, y), np.nan)
