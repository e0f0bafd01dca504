from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sae_checks.measure import metrics
from sae_checks.measure.metrics import LossBaseline, kl_divergence, log_probabilities

seeds = st.integers(0, 2**31)
scales = st.floats(0.01, 30)


def logits_of(seed, scale=1.0, tokens=4, vocabulary=11):
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(tokens, vocabulary, generator=generator)


def cross_entropy(logits, targets):
    return metrics.cross_entropy(log_probabilities(logits), targets)


def kl(clean, logits):
    return kl_divergence(LossBaseline.of(log_probabilities(clean)), log_probabilities(logits))


def test_cross_entropy_by_hand():
    # p = (1/2, 1/4, 1/4), and a sure prediction
    logits = torch.tensor([[math.log(2), 0.0, 0.0], [0.0, 100.0, 0.0]])
    found = cross_entropy(logits, torch.tensor([0, 1]))
    assert found.tolist() == pytest.approx([math.log(2), 0.0])
    assert cross_entropy(logits, torch.tensor([2, 0])).tolist() == pytest.approx(
        [math.log(4), 100.0]
    )


def test_kl_by_hand():
    # KL((1/2, 1/2) ‖ (1/4, 3/4)) = ½ ln 2 + ½ ln 2/3, and the other way around
    even, skewed = torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, math.log(3)]])
    assert kl(even, skewed).item() == pytest.approx(0.5 * math.log(4 / 3), rel=1e-6)
    assert kl(skewed, even).item() == pytest.approx(
        0.25 * math.log(0.5) + 0.75 * math.log(1.5), rel=1e-6
    )


@given(seeds, scales)
def test_cross_entropy_agrees_with_torch(seed, scale):
    logits = logits_of(seed, scale)
    targets = torch.tensor([0, 3, 10, 5])
    expected = torch.nn.functional.cross_entropy(logits, targets, reduction="none")
    torch.testing.assert_close(cross_entropy(logits, targets), expected, rtol=1e-5, atol=1e-5)


@given(seeds, scales, st.floats(-50, 50))
def test_losses_do_not_see_a_shift_of_all_logits(seed, scale, shift):
    logits, other = logits_of(seed, scale), logits_of(seed + 1, scale)
    targets = torch.tensor([1, 2, 3, 4])
    close = {"rtol": 1e-4, "atol": 1e-4}
    moved = cross_entropy(logits + shift, targets)
    torch.testing.assert_close(moved, cross_entropy(logits, targets), **close)
    torch.testing.assert_close(kl(logits, other + shift), kl(logits, other), **close)
    torch.testing.assert_close(kl(logits + shift, other), kl(logits, other), **close)


@given(seeds, scales)
def test_kl_agrees_with_torch_and_is_not_negative(seed, scale):
    clean, spliced = logits_of(seed, scale), logits_of(seed + 1, scale)
    found = kl(clean, spliced)
    expected = torch.nn.functional.kl_div(
        spliced.log_softmax(-1), clean.log_softmax(-1), reduction="none", log_target=True
    ).sum(dim=-1)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert (found >= 0).all()


@given(seeds, scales)
def test_kl_to_a_constant_is_kl_to_that_prediction_on_every_token(seed, scale):
    clean, constant = logits_of(seed, scale), logits_of(seed + 1, scale, tokens=1)
    baseline = LossBaseline.of(log_probabilities(clean))
    found = metrics.kl_to_constant(baseline, log_probabilities(constant)[0])
    torch.testing.assert_close(found, kl(clean, constant.expand(4, -1)), rtol=1e-4, atol=1e-4)
    assert (found >= 0).all()


@given(seeds, scales)
def test_kl_of_equal_predictions_is_exactly_zero(seed, scale):
    logits = logits_of(seed, scale)
    assert (kl(logits, logits) == 0).all()


@given(seeds, st.permutations(range(11)))
def test_kl_does_not_see_the_order_of_the_vocabulary(seed, order):
    clean, spliced = logits_of(seed), logits_of(seed + 1)
    found = kl(clean[:, list(order)], spliced[:, list(order)])
    torch.testing.assert_close(found, kl(clean, spliced), rtol=1e-4, atol=1e-6)


def test_nan_logits_stay_nan():
    logits = logits_of(0)
    logits[2, 4] = torch.nan
    assert cross_entropy(logits, torch.tensor([0, 0, 0, 0])).isnan().tolist() == [
        False,
        False,
        True,
        False,
    ]
    assert kl(logits_of(1), logits).isnan().tolist() == [False, False, True, False]
