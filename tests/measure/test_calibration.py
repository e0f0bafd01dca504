from __future__ import annotations

import numpy as np
import pytest
import torch

from sae_checks.measure.calibration import (
    CALIBRATION_TEXTS,
    Calibration,
    calibrate,
    with_directions,
)
from sae_checks.records.octaves import octaves
from tests.builders import (
    random_texts,
    shared_language_model,
    texts_of,
)

HOOK_POINT = "blocks.1.hook_resid_pre"


def calibrated(texts, batch_texts=3):
    model = shared_language_model()
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


def test_directions_are_those_of_each_octaves_mean_offset():
    """Of the tokens that are measured and not massive; one whose mean is the centre has none."""
    texts = random_texts()
    model, found = calibrated(texts)
    x = model.clean(torch.from_numpy(texts.tokens), [HOOK_POINT]).taps[HOOK_POINT]
    norms = x.norm(dim=-1)
    counted = torch.from_numpy(~texts.special)
    counted[:, 0] = False
    limit = float(norms[counted].quantile(0.9))  # some are massive
    found = Calibration(found.mean, limit)
    learnt = [with_directions(model, texts, {HOOK_POINT: found}, batch) for batch in (1, 3, 100)]
    for each in learnt:
        directions = each[HOOK_POINT].directions
        for octave in range(5):
            mask = counted & (norms <= limit) & torch.from_numpy(octaves(x.shape[1]) == octave)
            offset = x[mask].mean(dim=0) - found.mean
            torch.testing.assert_close(
                directions[octave], offset / offset.norm(), rtol=1e-3, atol=1e-4
            )
        along = each[HOOK_POINT].along_offset(x)
        torch.testing.assert_close(along[2, 5], (x[2, 5] - found.mean) @ directions[2])


def test_directions_that_were_not_learnt():
    with pytest.raises(ValueError, match=r"^the directions of octaves were not learnt: see"):
        Calibration(torch.zeros(2), 1.0).along_offset(torch.zeros(1, 4, 2))
