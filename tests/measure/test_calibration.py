from __future__ import annotations

import numpy as np
import pytest
import torch

from sae_checks.measure.calibration import CALIBRATION_TEXTS, calibrate
from tests.builders import language_model, random_texts, texts_of

HOOK_POINT = "blocks.1.hook_resid_pre"


def calibrated(texts, batch_texts=3):
    model = language_model()
    model.bind(HOOK_POINT)
    return model, calibrate(model, texts, [HOOK_POINT], batch_texts)[HOOK_POINT]


def test_mean_and_limit_of_norms():
    texts = random_texts()
    model, found = calibrated(texts)
    counted = ~texts.special
    counted[:, 0] = False
    x = model.clean(torch.from_numpy(texts.tokens), [HOOK_POINT]).taps[HOOK_POINT][counted]
    torch.testing.assert_close(found.mean, x.mean(dim=0), rtol=1e-5, atol=1e-6)
    assert found.massive_norm == pytest.approx(10 * float(x.norm(dim=-1).median()), rel=1e-6)


def test_the_same_texts_are_chosen_in_whatever_order_and_batch():
    tokens = random_texts(texts=3 * CALIBRATION_TEXTS).tokens
    _, expected = calibrated(texts_of(tokens))
    for seed, batch_texts in ((1, 1), (2, 8), (3, 100)):
        order = np.random.default_rng(seed).permutation(len(tokens))
        _, found = calibrated(texts_of(tokens[order]), batch_texts)
        torch.testing.assert_close(found.mean, expected.mean, rtol=1e-5, atol=1e-6)
        assert found.massive_norm == pytest.approx(expected.massive_norm, rel=1e-6)
