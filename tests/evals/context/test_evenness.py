"""Evenness within the training context, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from sae_checks.evals.context.cells import Cell
from sae_checks.evals.context.table import ContextTable
from sae_checks.judge.thresholds import CheckLimits, Limit, Thresholds
from sae_checks.records import FloatArray, PositionRange
from tests.places import cell_on_texts
from tests.stored import sae_ref

THRESHOLDS = Thresholds(checks={"mse_evenness": CheckLimits(Limit("times", max=2.0))})


def cell(mse: FloatArray, training_context: int = 32) -> Cell:
    columns = {"mse": mse, "norm": np.ones_like(mse)}
    for values in columns.values():
        values[:, 0] = np.nan
    ref = sae_ref(0, training_context=training_context)
    table = ContextTable.of(ref, columns, np.zeros(mse.shape, dtype=bool))
    whole = PositionRange(1, mse.shape[1] - 2)
    return cell_on_texts("made-up", table, "sae", whole, "mse_evenness", THRESHOLDS)


def test_the_worst_range_by_hand():
    """Errors of 4 at 8:15 and of 1 elsewhere: 4 / ((23 + 8 · 4)/31); past training nothing counts.

    Nor do positions 1 to 3.
    """
    mse = np.ones((20, 64))
    mse[:, 8:16], mse[:, 32:] = 4, 100
    estimate = cell(mse).unevenness("mse")
    assert estimate.value == pytest.approx(4 / ((23 + 32) / 31))
    assert dict(estimate.notes) == {"positions": "8:15"}
    assert estimate.influence is None
    mse = mse.copy()  # a table's arrays are not written into
    mse[:, 1:4] = 1000
    assert cell(mse).unevenness("mse").value < 1


def test_the_interval_is_of_all_ranges_at_once():
    mse = np.random.default_rng(0).gamma(2.0, size=(50, 64))
    whole = cell(mse)
    estimate = whole.unevenness("mse")
    alone = [whole.over(PositionRange(a, 2 * a - 1)).growth("mse") for a in (4, 8, 16)]
    assert estimate.value == max(each.value for each in alone)
    assert estimate.high > max(each.high for each in alone)


def test_a_mean_below_the_floor_divides_as_the_floor():
    mse = np.full((20, 64), 0.01)
    mse[:, 8:16] = 0.04
    assert cell(mse).unevenness("mse", floor=0.1).value == pytest.approx(0.4)


def test_too_short_a_training_context():
    estimate = cell(np.ones((20, 64)), training_context=8).unevenness("mse")
    assert estimate.inapplicable
    assert estimate.reason == (
        "up to position 7 there are no two ranges from 4:7 up, of which one might stand out: "
        "measure a longer context, if the SAE was trained for one"
    )


def test_a_broken_range():
    mse = np.ones((20, 64))
    mse[3, 9] = np.inf
    reason = "mse is not finite on 1 token of 1 text"
    assert cell(mse).unevenness("mse").reason == reason
