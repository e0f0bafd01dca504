"""The direction of the mean error, and how far errors lie along it, against the vectors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sae_checks.evals.context.columns import context_plan
from sae_checks.evals.context.measuring import measure_texts
from sae_checks.measure.calibration import calibration_texts, measured_tokens
from sae_checks.measure.pass_options import PassOptions
from tests.builders import (
    CONTEXT,
    loaded_sae,
    random_texts,
    shared_language_model,
)
from tests.measuring import bind

HOOK_POINT = "blocks.1.hook_resid_pre"
PLAN = context_plan(frozenset({"mse", "error_projection", "reconstruction_squared_distance"}))


@pytest.fixture(scope="module")
def measured():
    """An SAE with a bias that it should not have, on 20 texts, and its errors (texts, C, d)."""
    texts, model, sae = random_texts(20), shared_language_model(), loaded_sae(HOOK_POINT)
    sae.sae.b_dec.data[3] += 5.0
    assert bind(model, [sae]) == {}
    table = measure_texts(model, [sae], texts, PLAN)[HOOK_POINT]
    x = model.clean(torch.from_numpy(texts.tokens), [HOOK_POINT]).taps[HOOK_POINT]
    return texts, model, sae, table, (x - sae.reconstruct(x)[1]).numpy()


def test_the_projection_is_along_the_mean_error_of_the_calibration_texts(measured):
    texts, _, sae, table, error = measured
    keep = measured_tokens(texts, slice(None)).numpy()
    inside = keep & (np.arange(CONTEXT) < sae.ref.training_context)
    chosen = calibration_texts(texts)
    direction = error[chosen][inside[chosen]].mean(axis=0)
    direction /= np.linalg.norm(direction)
    expected = np.where(keep, error @ direction, np.nan)
    np.testing.assert_allclose(table.columns["error_projection"], expected, rtol=1e-4, atol=1e-4)


def test_it_finds_nearly_all_of_a_mean_error_that_stands_out(measured):
    texts, _, sae, table, error = measured
    keep = measured_tokens(texts, slice(None)).numpy()
    inside = keep & (np.arange(CONTEXT) < sae.ref.training_context)
    length = np.linalg.norm(error[inside].mean(axis=0))
    along = table.columns["error_projection"][inside].mean()
    assert 0.97 * length < along <= length


def test_batches_do_not_matter(measured):
    texts, model, sae, table, _ = measured
    small = PassOptions(batch_tokens=2 * CONTEXT)
    again = measure_texts(model, [sae], texts, PLAN, small)[HOOK_POINT]
    for name, values in table.columns.items():
        np.testing.assert_allclose(again.columns[name], values, rtol=1e-4, atol=1e-4)
