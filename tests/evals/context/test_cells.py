from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_checks.errors import UserError
from sae_checks.evals.context.cells import Cell, ReleaseCell
from sae_checks.evals.context.table import ContextTable, PositionSums
from sae_checks.judge.thresholds import CheckLimits, Limit, Override, Thresholds
from sae_checks.records import ModelLoading, PositionRange, SaeRef
from tests.places import cell_on_texts, where
from tests.tables import changed

THRESHOLDS = Thresholds(
    checks={
        "delta_ce": CheckLimits(
            Limit("nats", max=0.5),
            (
                Override(where(positions=PositionRange(1, 3)), max=0.9),
                Override(where(layer=(7,)), max=0.1),
            ),
        ),
        "delta_ce_growth": CheckLimits(Limit("times", max=2.0, parameters=(("floor", 0.02),))),
    }
)


def sae(layer: int = 3, training_context: int | None = 4) -> SaeRef:
    return SaeRef(
        sae_id=f"blocks.{layer}.hook_resid_pre",
        hook_point=f"blocks.{layer}.hook_resid_pre",
        layer=layer,
        site="hook_resid_pre",
        training_context=training_context,
        d_in=8,
        d_sae=16,
        architecture="standard",
        loading=ModelLoading("tiny"),
        location="nowhere",
        weights_key="0",
    )


def table(ref: SaeRef | None = None, massive=(), **columns) -> ContextTable:
    """Columns (texts, C) as measured: position 0 is NaN, and losses have no last position."""
    arrays = {name: np.array(values, dtype=float) for name, values in columns.items()}
    shape = next(iter(arrays.values())).shape
    arrays.setdefault("norm", np.ones(shape))
    for name, array in arrays.items():
        array[:, 0] = np.nan
        if name.startswith("ce_") or name == "kl":
            array[:, -1] = np.nan
    flags = np.zeros(shape, dtype=bool)
    for text, position in massive:
        flags[text, position] = True
    return ContextTable.of(ref or sae(), arrays, flags)


def cell(
    measured: ContextTable, positions: str = "1:3", kind="in_context", check="delta_ce"
) -> Cell:
    first, last = map(int, positions.split(":"))
    return cell_on_texts(
        "tiny-release", measured, kind, PositionRange(first, last), check, THRESHOLDS
    )


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


def activations(seed: int, texts: int = 6, context: int = 10, width: int = 8):
    """x, x̂ and a table made of them as measuring does, with a few massive and special tokens."""
    rng = np.random.default_rng(seed)
    x = rng.normal(3, 1, (texts, context, width)) * rng.uniform(0.5, 2, (texts, 1, 1))
    x[0, 2] *= 50
    x[3, 5] *= 80
    decoded = x + rng.normal(0, 0.4, x.shape)
    measured = np.ones((texts, context), dtype=bool)
    measured[:, 0] = measured[2, 4] = False
    massive = np.zeros_like(measured)
    massive[0, 2] = massive[3, 5] = True
    center = rng.normal(2, 1, width)

    def column(values):
        return np.where(measured, values, np.nan)

    def sums(mask):
        return mask.sum(0).astype(float), ((x - center) * mask[..., None]).sum(0)

    of_table = ContextTable.of(
        sae(),
        {
            "norm": column(np.linalg.norm(x, axis=-1)),
            "mse": column(((x - decoded) ** 2).sum(-1)),
            "squared_distance": column(((x - center) ** 2).sum(-1)),
        },
        massive,
        PositionSums(*sums(measured & ~massive), *sums(measured & massive)),
    )
    return x, decoded, measured, massive, of_table


@pytest.mark.parametrize("with_massive", [True, False])
@pytest.mark.parametrize("positions", ["1:3", "2:9", "4:5", "1:1"])
def test_explained_variance_is_that_of_the_vectors(positions, with_massive) -> None:
    x, decoded, measured, massive, of_table = activations(seed=0)
    one = cell(of_table, positions)
    mask = measured if with_massive else measured & ~massive
    mask = mask & (np.arange(10) >= one.positions.first) & (np.arange(10) <= one.positions.last)
    tokens, errors = x[mask], (x - decoded)[mask]
    expected = 1 - (errors**2).sum() / ((tokens - tokens.mean(0)) ** 2).sum()
    estimate = one.explained_variance(massive=with_massive)
    assert estimate.value == pytest.approx(expected, rel=1e-12)
    assert estimate.tokens == mask.sum()
    assert estimate.low < estimate.value < estimate.high


def test_explained_variance_covers_the_truth() -> None:
    # x ~ N(0, 4), error ~ N(0, 1) on each axis: 1 - 1/4.
    draws, covered = 300, 0
    rng = np.random.default_rng(2)
    for _ in range(draws):
        x, error = rng.normal(0, 2, (20, 4, 3)), rng.normal(0, 1, (20, 4, 3))
        x[:, 0] = error[:, 0] = 0
        nothing = np.zeros(4), np.zeros((4, 3))
        counts = np.array([0.0, 20, 20, 20])
        measured = table(mse=(error**2).sum(-1), squared_distance=(x**2).sum(-1))
        measured = changed(measured, position_sums=PositionSums(counts, x.sum(0), *nothing))
        estimate = cell(measured, "1:3").explained_variance()
        covered += estimate.low <= 0.75 <= estimate.high
    assert 0.9 < covered / draws < 0.99


def test_explained_variance_of_constant_activations_is_undefined() -> None:
    measured = table(mse=np.ones((2, 3)), squared_distance=np.full((2, 3), 0.1 * 0.1 * 2))
    sums = PositionSums(np.array([0.0, 2, 2]), np.full((3, 2), 0.2), np.zeros(3), np.zeros((3, 2)))
    estimate = cell(changed(measured, position_sums=sums), "1:2").explained_variance()
    assert estimate.reason == "the activations do not vary"


def test_explained_variance_needs_its_columns_and_sums_to_agree() -> None:
    measured = table(mse=np.ones((2, 3)), squared_distance=np.ones((2, 3)))
    with pytest.raises(UserError) as error:
        cell(measured, "1:2").explained_variance()
    assert str(error.value) == (
        "position_sums was not measured for blocks.3.hook_resid_pre: name it in the check's needs"
    )
    sums = PositionSums(np.full(3, 3.0), np.zeros((3, 2)), np.zeros(3), np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"position_sums hold 6 tokens .* the columns hold 4"):
        cell(changed(measured, position_sums=sums), "1:2").explained_variance()


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


def usable(delta, training_context: int | None = 64, limit: float = 0.5, texts: int = 3, window=16):
    """Of an SAE whose ΔCE is given at each position, the same in every text."""
    spliced = np.tile(np.asarray(delta, dtype=float), (texts, 1))
    ref = sae(training_context=training_context)
    measured = table(ref, ce_clean=np.zeros_like(spliced), ce_sae=spliced)
    return cell(measured, f"1:{len(delta) - 2}", "sae").usable_context(limit, window)


def rising_at(position: int, context: int = 256) -> np.ndarray:
    return np.where(np.arange(context) < position, 0.1, 2.0)


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        (64, 64 / 64),  # fails from the first position past the training context
        (80, 80 / 64),
        (90, 80 / 64),  # windows are 64:79, 80:95, ...: the mean of 80:95 is above the limit
        (20, 16 / 64),
        (1, 1 / 64),
    ],
)
def test_usable_context(position, expected) -> None:
    estimate = usable(rising_at(position))
    assert (estimate.value, estimate.low, estimate.high) == (expected,) * 3


def test_usable_context_that_outlasts_what_was_measured() -> None:
    estimate = usable(rising_at(999))
    assert (estimate.value, estimate.low, estimate.high) == (256 / 64, 256 / 64, math.inf)


def test_usable_context_of_a_training_context_that_is_not_declared() -> None:
    estimate = usable(rising_at(999), training_context=None)
    assert math.isnan(estimate.value)
    assert not estimate.inapplicable
    assert estimate.reason == (
        "its training context is not declared; say it with --sae-training-context TOKENS"
    )


def test_usable_context_needs_positions_past_the_training_context() -> None:
    estimate = usable(rising_at(999), training_context=256)
    assert estimate.reason == (
        "ΔCE holds over the 256 positions measured, none of which lies past the training context "
        "of 256: measure a longer context"
    )
    assert usable(rising_at(16), training_context=256).value == 16 / 256


def test_usable_context_windows_shrink_and_never_straddle_the_training_context() -> None:
    assert usable(rising_at(8, context=32), training_context=8).value == 1
    assert usable(rising_at(50, context=200), training_context=50).value == 1
    # Half of a training context of 16 is usable, which a window of 16 could not tell.
    assert usable(rising_at(8, context=64), training_context=16).value == 8 / 16
    # A single position past the training context is a window of its own.
    assert usable(rising_at(64, context=66)).value == 1


def test_usable_context_interval_follows_the_windows_intervals() -> None:
    delta = np.tile(rising_at(96, context=130), (4, 1))
    delta[:2, 80:96] = 0.9  # mean 0.5 in 80:95, from 0.9 and 0.1: neither above nor below 0.6
    ref = sae(training_context=64)
    measured = table(ref, ce_clean=np.zeros_like(delta), ce_sae=delta)
    estimate = cell(measured, "1:128", "sae").usable_context(0.6, 16)
    assert (estimate.low, estimate.value, estimate.high) == (80 / 64, 96 / 64, 96 / 64)


def test_usable_context_of_one_text_could_be_anything() -> None:
    estimate = usable(rising_at(80), texts=1)
    assert (estimate.low, estimate.value, estimate.high) == (1 / 64, 80 / 64, math.inf)


def test_usable_context_without_a_limit() -> None:
    estimate = cell(table(l0=np.ones((2, 4)))).usable_context(None, 16)
    assert estimate.reason == "delta_ce has no max here, which the usable context is measured by"


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


def release(delta_by_layer, training_context: int = 4, texts: int = 5) -> ReleaseCell:
    """SAEs with the given mean ΔCE in context, and its negative past it."""
    rng = np.random.default_rng(0)
    cells = []
    for layer, delta in enumerate(delta_by_layer):
        clean = rng.normal(3, 1, (texts, 8))
        sign = np.where(np.arange(8) < training_context, 1, -1)
        measured = table(sae(layer, training_context), ce_clean=clean, ce_sae=clean + delta * sign)
        cells.append(cell(measured, "1:6", "sae"))
    return ReleaseCell(tuple(cells))


def test_depth_trend() -> None:
    saes = release([0.1, 0.2, 0.3, 0.25])
    inside = saes.depth_trend(("ce_sae", "ce_clean"), "in_context")
    past = saes.depth_trend(("ce_sae", "ce_clean"), "past_context")
    assert (inside.value, past.value) == (pytest.approx(0.8), pytest.approx(-0.8))
    assert (inside.texts, inside.tokens, past.tokens) == (5, 4 * 5 * 3, 4 * 5 * 3)
    assert inside.low == pytest.approx(inside.high)  # texts agree on it


def test_depth_trend_undefined() -> None:
    few = release([0.1, 0.2]).depth_trend(("ce_sae", "ce_clean"), "in_context")
    assert few.reason == "a rank correlation needs 3 values or more, got 2"
    short = release([0.1, 0.2, 0.3], training_context=8)
    trend = short.depth_trend(("ce_sae", "ce_clean"), "past_context")
    assert trend.reason == "no SAE was measured past context"
    broken = release([0.1, np.nan, 0.3]).depth_trend(("ce_sae", "ce_clean"), "in_context")
    assert broken.reason == "blocks.1.hook_resid_pre: ce_sae is not finite on 15 tokens of 5 texts"


def test_depth_trend_of_one_text_has_no_interval() -> None:
    trend = release([0.1, 0.2, 0.3], texts=1).depth_trend(("ce_sae", "ce_clean"), "in_context")
    assert (trend.value, trend.low, trend.high) == (1, -1, 1)


seeds = st.integers(0, 10_000)


def estimates(measured: ContextTable, positions: str) -> list[float]:
    one = cell(measured, positions)
    every = [
        one.mean("mse"),
        one.mean("mse", massive=False),
        one.growth("mse"),
        one.mean_difference("mse", "norm"),
    ]
    return [end for each in every for end in (each.value, each.low, each.high)]


@given(seeds)
def test_the_order_of_texts_does_not_matter(seed) -> None:
    *_, of_table = activations(seed)
    order = np.random.default_rng(seed).permutation(of_table.texts)
    shuffled = changed(
        of_table,
        columns={name: values[order] for name, values in of_table.columns.items()},
        massive=of_table.massive[order],
    )
    assert estimates(of_table, "3:7") == pytest.approx(estimates(shuffled, "3:7"))
    one, other = cell(of_table, "3:7"), cell(shuffled, "3:7")
    assert one.explained_variance().low == pytest.approx(other.explained_variance().low)


@given(seeds)
def test_texts_and_positions_that_were_not_measured_change_nothing(seed) -> None:
    *_, of_table = activations(seed)
    padding = ((0, 2), (0, 5))
    padded = changed(
        of_table,
        columns={
            name: np.pad(values, padding, constant_values=np.nan)
            for name, values in of_table.columns.items()
        },
        massive=np.pad(of_table.massive, padding),
    )
    assert estimates(of_table, "3:7") == pytest.approx(estimates(padded, "3:7"))


@given(seeds, st.integers(2, 7))
def test_a_range_is_the_weighted_mean_of_its_parts(seed, middle) -> None:
    *_, of_table = activations(seed)
    whole, first, second = (
        cell(of_table, positions).mean("mse")
        for positions in ("1:8", f"1:{middle}", f"{middle + 1}:8")
    )
    assert whole.tokens == first.tokens + second.tokens
    total = first.value * first.tokens + second.value * second.tokens
    assert whole.value * whole.tokens == pytest.approx(total)


@given(seeds, st.sampled_from([0.01, 7.0, 1e4]))
def test_scaling_activations_leaves_ratios_alone(seed, scale) -> None:
    *_, of_table = activations(seed)
    sums = of_table.position_sums
    scaled = changed(
        of_table,
        columns={
            name: values * (scale if name == "norm" else scale**2)
            for name, values in of_table.columns.items()
        },
        position_sums=replace(
            sums,
            ordinary_sums=sums.ordinary_sums * scale,
            massive_sums=sums.massive_sums * scale,
        ),
    )
    for estimate in (
        lambda one: one.explained_variance(),
        lambda one: one.explained_variance(massive=False),
        lambda one: one.growth("mse"),
    ):
        before, after = estimate(cell(of_table, "4:9")), estimate(cell(scaled, "4:9"))
        assert after.value == pytest.approx(before.value)
        assert after.high == pytest.approx(before.high)
