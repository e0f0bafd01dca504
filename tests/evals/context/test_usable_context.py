"""How far into a text an SAE holds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.evals.context.made_up import cell, sae, table


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
