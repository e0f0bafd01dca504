from __future__ import annotations

import pytest

from sae_checks.measure.plan import COLUMNS, POSITION_SUMS, Plan


def plan(*columns):
    return Plan.of(frozenset(columns))


def test_norm_is_always_measured():
    assert plan().columns == {"norm"}


@pytest.mark.parametrize(
    ("columns", "encodes", "splices", "losses"),
    [
        ((), False, False, False),
        (("squared_distance", POSITION_SUMS), False, False, False),
        (("l0",), True, False, False),
        (("l1",), True, False, False),
        (("mse",), True, False, False),
        (("ce_clean",), False, False, True),
        (("ce_zero", "ce_mean"), False, False, True),
        (("ce_sae",), True, True, True),
        (("kl",), True, True, True),
    ],
)
def test_what_columns_take(columns, encodes, splices, losses):
    found = plan(*columns)
    assert (found.encodes, found.splices, found.losses) == (encodes, splices, losses)


def test_position_sums_bring_the_projection_that_their_standard_error_takes():
    assert plan(POSITION_SUMS).columns == {"norm", POSITION_SUMS, "offset_projection"}
    assert plan("squared_distance").columns == {"norm", "squared_distance"}


def test_floors():
    assert plan("kl").floors == ()
    assert plan("ce_mean").floors == ("ce_mean",)
    assert plan("ce_mean", "ce_zero").floors == ("ce_zero", "ce_mean")


def test_covers():
    assert plan("l0", "mse").covers(plan("mse"))
    assert plan("l0", "mse").covers(plan("mse", "l0"))
    assert not plan("mse").covers(plan("mse", "l0"))
    assert not plan(*COLUMNS).covers(plan(POSITION_SUMS))


def test_unknown_columns():
    with pytest.raises(ValueError, match=r"^no such column: l2, loss; there are, per ") as raised:
        plan("loss", "l0", "l2")
    assert ", ".join(COLUMNS) in str(raised.value)
