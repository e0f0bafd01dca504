"""How a quantity goes with depth over the SAEs of a release."""

from __future__ import annotations

import numpy as np
import pytest

from sae_checks.evals.context.cells import ReleaseCell
from tests.evals.context.made_up import cell, sae, table


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
