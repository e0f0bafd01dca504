"""What a check is given of one SAE's texts: means, differences, growth, limits."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sae_checks.errors import UserError
from sae_checks.evals.context.tokens import tokens_of
from sae_checks.records import PositionRange
from tests.evals.context.made_up import cell, sae, table


def test_mean_counts_the_tokens_of_its_range() -> None:
    one = cell(table(l0=[[0, 1, 2, 9, 9], [0, 3, 6, 9, 9]]), "1:2")
    estimate = one.mean("l0")
    assert (estimate.value, estimate.texts, estimate.tokens) == (3, 2, 4)


def test_special_tokens_are_not_tokens_of_a_cell() -> None:
    measured = table(l0=[[0, 1, 5, 0], [0, 3, 7, 0]])
    measured.columns["l0"][1, 2] = measured.columns["norm"][1, 2] = np.nan
    estimate = cell(measured, "1:2").mean("l0")
    assert (estimate.value, estimate.tokens, estimate.reason) == (3, 3, "")


def test_the_last_position_has_no_loss_but_has_features() -> None:
    measured = table(l0=np.ones((2, 4)), kl=np.ones((2, 4)))
    assert cell(measured, "1:3").mean("l0").tokens == 6
    assert cell(measured, "1:3").mean("kl").tokens == 4
    assert cell(measured, "3:3").mean("kl").reason == "no tokens were measured"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_broken_sae_is_not_a_gap(value) -> None:
    measured = table(ce_clean=np.ones((3, 6)), ce_sae=np.ones((3, 6)))
    measured.columns["ce_sae"][0, 1:3] = value
    measured.columns["ce_sae"][2, 4] = value
    measured.columns["ce_clean"][1, 1] = 2
    estimate = cell(measured, "1:4").mean_difference("ce_sae", "ce_clean")
    assert math.isnan(estimate.value)
    assert estimate.reason == "ce_sae is not finite on 3 tokens of 2 texts"
    assert (estimate.texts, estimate.tokens) == (3, 12)
    untouched = cell(measured, "3:3").mean_difference("ce_sae", "ce_clean")
    assert untouched.value == 0
    # Every other estimate of the same tokens is undefined too.
    growth = cell(measured, "4:4").growth(("ce_sae", "ce_clean"))
    assert growth.reason == "ce_sae is not finite on 1 token of 1 text"
    usable = cell(measured, "1:4").usable_context(0.5, 16)
    assert usable.reason == estimate.reason


def test_an_infinite_norm_is_broken_too() -> None:
    measured = table(norm=[[0, np.inf, 1], [0, 1, 1]])
    assert cell(measured, "1:2").mean("norm").reason == "norm is not finite on 1 token of 1 text"


def test_a_column_that_was_not_measured() -> None:
    with pytest.raises(UserError) as error:
        cell(table(l0=np.ones((2, 4)))).mean("kl")
    assert str(error.value) == (
        "kl was not measured for blocks.3.hook_resid_pre: name it in the check's needs; "
        "measured were l0, norm"
    )


def test_massive_tokens_can_be_left_out() -> None:
    measured = table(massive=[(0, 2)], mse=[[0, 1, 100, 1], [0, 3, 3, 3]])
    one = cell(measured, "1:2")
    assert one.mean("mse").value == 107 / 4
    assert one.mean("mse", massive=False).value == 7 / 3
    assert one.massive_tokens == 1
    assert one.share_massive().value == 0.25


def test_difference_is_paired() -> None:
    clean = np.random.default_rng(0).exponential(3, (5, 6))
    estimate = cell(table(ce_clean=clean, ce_sae=clean + 0.25)).mean_difference(
        "ce_sae", "ce_clean"
    )
    assert estimate.value == pytest.approx(0.25)
    assert estimate.standard_error == pytest.approx(0, abs=1e-12)


def test_growth_is_over_the_whole_training_context() -> None:
    # T = 4: in context are positions 1..3, with mean 2.
    measured = table(l0=[[0, 1, 2, 3, 6, 6, 0], [0, 3, 2, 1, 10, 2, 0]])
    assert cell(measured, "4:5", "past_context").growth("l0").value == 3


def test_growth_of_a_difference_with_a_floor() -> None:
    clean, spliced = np.zeros((2, 7)), np.full((2, 7), 0.001)
    spliced[:, 4:] = 0.1
    one = cell(table(ce_clean=clean, ce_sae=spliced), "4:5", "past_context", "delta_ce_growth")
    assert one.growth(("ce_sae", "ce_clean")).value == pytest.approx(100)
    floor = one.parameter("floor")
    assert one.growth(("ce_sae", "ce_clean"), floor=floor).value == pytest.approx(5)


def test_ce_recovered_by_hand() -> None:
    measured = table(
        ce_clean=np.full((2, 4), 3.0), ce_sae=np.full((2, 4), 3.5), ce_zero=np.full((2, 4), 8.0)
    )
    estimate = cell(measured, "1:2").ce_recovered("ce_zero")
    assert (estimate.value, estimate.tokens) == (0.9, 4)


def test_ce_recovered_where_ablation_costs_nothing() -> None:
    same = np.full((2, 4), 3.0)
    estimate = cell(table(ce_clean=same, ce_sae=same, ce_mean=same)).ce_recovered("ce_mean")
    assert estimate.inapplicable
    assert estimate.reason == (
        "ce_mean is not above ce_clean beyond doubt: ablation costs nothing here"
    )


def test_ce_recovered_is_not_applicable_by_an_interval_and_not_by_a_point() -> None:
    """Ablation costs 0.1 nats in one text and 0.02 in another: no share of it says anything."""
    clean = np.full((2, 4), 3.0)
    floor = clean + np.array([[0.1], [0.02]])
    estimate = cell(table(ce_clean=clean, ce_sae=clean + 0.05, ce_zero=floor)).ce_recovered(
        "ce_zero"
    )
    assert (estimate.inapplicable, math.isnan(estimate.value)) == (True, True)


def test_a_broken_sae_is_broken_where_ablation_costs_nothing_too() -> None:
    same = np.full((2, 4), 3.0)
    broken = same.copy()
    broken[0, 1] = math.nan
    estimate = cell(table(ce_clean=same, ce_sae=broken, ce_zero=same)).ce_recovered("ce_zero")
    assert not estimate.inapplicable
    assert estimate.reason == "ce_sae is not finite on 1 token of 1 text"


def test_limits_of_a_cell() -> None:
    measured = table(l0=np.ones((2, 9)))
    assert cell(measured, "1:2").limit().max == 0.9
    assert cell(measured, "1:8", "sae", "delta_ce_growth").limit("delta_ce").max == 0.5
    assert cell(measured, "1:2", "sae").limit().max == 0.5
    assert cell(table(sae(layer=7), l0=np.ones((2, 9))), "1:2").limit().max == 0.1
    with pytest.raises(UserError) as error:
        cell(measured).parameter("floor")
    assert str(error.value) == (
        'delta_ce has no parameter "floor": name it in the check\'s parameters and give it in '
        "[checks.delta_ce]"
    )


def test_sums_are_made_once_of_each_quantity_and_range_and_cannot_be_changed() -> None:
    measured, inside = table(l0=[[0, 1, 2, 3], [0, 3, 6, 9]]), PositionRange(1, 2)
    sums = tokens_of(measured, inside, "l0")
    assert tokens_of(measured, PositionRange(1, 2), "l0") is sums
    assert tokens_of(measured, inside, "l0", massive=False) is not sums
    assert tokens_of(measured, PositionRange(1, 3), "l0").sums.tolist() == [6, 18]
    assert tokens_of(measured, inside, "norm").sums.tolist() != sums.sums.tolist() == [3, 9]
    for values in (sums.sums, sums.counts, sums.in_texts):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 0


def test_a_table_of_fewer_texts_has_sums_of_its_own() -> None:
    measured, inside = table(l0=[[0, 1, 2, 3], [0, 3, 6, 9]]), PositionRange(1, 2)
    assert tokens_of(measured, inside, "l0").sums.tolist() == [3, 9]
    assert tokens_of(measured.keep(slice(1)), inside, "l0").sums.tolist() == [3]
