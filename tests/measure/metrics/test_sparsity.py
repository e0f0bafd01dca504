from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sae_checks.measure.metrics import l0, l1

values = st.lists(st.sampled_from([0.0, -0.0, 0.5, -2.0, 3.0, 1e-30]), min_size=1, max_size=20)


def test_by_hand():
    features = torch.tensor([[0.0, 1.5, -2.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    assert l0(features).tolist() == [2.0, 0.0]
    assert l1(features).tolist() == [3.5, 0.0]


@given(values)
def test_counts_and_sums(numbers):
    features = torch.tensor(numbers)
    assert l0(features).item() == sum(number != 0 for number in numbers)
    assert l1(features).item() == pytest.approx(sum(abs(number) for number in numbers), rel=1e-5)


@given(values, st.floats(0.1, 10), st.randoms())
def test_scaling_and_order(numbers, factor, random):
    features = torch.tensor(numbers)
    assert l0(factor * features) == l0(features)
    torch.testing.assert_close(l1(factor * features), factor * l1(features))
    torch.testing.assert_close(l1(-features), l1(features))
    random.shuffle(numbers)
    assert l0(torch.tensor(numbers)) == l0(features)
    torch.testing.assert_close(l1(torch.tensor(numbers)), l1(features))


def test_a_nan_activation_shows():
    features = torch.tensor([0.0, torch.nan])
    assert l0(features).isnan()
    assert l1(features).isnan()
