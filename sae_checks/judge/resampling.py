"""Intervals of statistics that are no ratio of sums: the delete-a-group jackknife.

The independent units are dealt out to G groups, and the statistic θ is taken again without each of
them. With θ_(g) the value without group g,

    variance = (G-1)/G · Σ (θ_(g) - mean θ_(g))²,     interval = θ ± reach · √variance

(Kott 2001, "The delete-a-group jackknife", Journal of Official Statistics 17(4); Shao & Tu 1995,
"The Jackknife and Bootstrap"). Groups rather than single units, since 20 values of the statistic
are soon had.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from sae_checks.judge.coverage import Coverage
from sae_checks.judge.estimate import Estimate
from sae_checks.records import BoolArray, FloatArray, IntArray


def jackknife(
    value: float,
    without: ArrayLike,
    coverage: Coverage,
    lowest: float = -math.inf,
    highest: float = math.inf,
    units: int | None = None,
) -> Estimate:
    """The interval of a statistic that was also taken without each of G groups.

    Args:
        value: the statistic of all units.
        without: (G,) the statistic without each group; NaN where there is none.
        coverage: of the two-sided interval, at G - 1 degrees of freedom.
        lowest: what the statistic cannot fall below: the interval is cut there.
        highest: what it cannot exceed.
        units: how many there are in all groups; as many as groups unless told.

    Returns:
        An estimate that counts no units yet; its interval is as wide as the statistic's range
        where there are fewer than two groups, or where the statistic hangs on one of them.
    """
    each = np.asarray(without, dtype=np.float64)
    groups = len(each)
    if groups < 2 or not np.isfinite(each).all():
        return Estimate(value, lowest, highest, math.inf, 0, 0)
    variance = (groups - 1) / groups * float(np.square(each - each.mean()).sum())
    error = math.sqrt(variance)
    reach = coverage.reach(groups - 1, units or groups) * error
    return Estimate(value, max(value - reach, lowest), min(value + reach, highest), error, 0, 0)


def delete_a_group(statistic: Callable[[BoolArray], float], groups: IntArray) -> FloatArray:
    """(G,) the statistic without each group; it is given which units are kept, (units,).

    None of one group, without which nothing is left.
    """
    present = np.unique(groups)
    return np.array([statistic(groups != g) for g in present] if len(present) > 1 else [])
