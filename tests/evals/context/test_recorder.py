"""What was measured and found broken is told apart from what was not measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from sae_checks.evals.context.columns import context_plan
from sae_checks.evals.context.recorder import Recorder
from sae_checks.measure.calibration import Calibration
from tests import stored
from tests.builders import texts_of


def test_an_activation_that_is_nan_is_a_measured_token_and_no_massive_one():
    tokens = np.arange(1, 9).reshape(2, 4)
    texts = replace(texts_of(tokens), special=np.zeros_like(tokens, dtype=np.bool_))
    calibration = Calibration(torch.zeros(stored.WIDTH), massive_norm=10.0)
    plan = context_plan(frozenset({"norm", "squared_distance"}))
    recorder = Recorder(stored.sae_ref(0), texts, plan, calibration)
    x = torch.ones(2, 4, stored.WIDTH)
    x[1, 2] = torch.nan
    recorder.activations(slice(0, 2), x)
    table = recorder.table()
    assert table.columns["norm"][1, 2] == np.inf
    assert np.isnan(table.columns["norm"][:, 0]).all()  # position 0 is not measured
    assert np.isnan(table.columns["squared_distance"][1, 2])
    assert not table.massive.any()
