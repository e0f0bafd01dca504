"""Duplicate directions, against cosines of all pairs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sae_checks.evals.activity.directions import NEAREST, near_duplicates


def by_hand(decoder: Tensor, least: float) -> list[tuple[int, int]]:
    """Each feature with the others that have its direction, the nearest first, in float64."""
    rows = decoder.double()
    cosines = torch.nn.functional.normalize(rows, dim=-1) @ torch.nn.functional.normalize(rows).T
    cosines.fill_diagonal_(-1)
    cosines[rows.norm(dim=-1) == 0] = -1
    largest, place = cosines.sort(dim=-1, descending=True)
    return [
        (i, int(place[i, n]))
        for i in range(len(rows))
        for n in range(min(NEAREST, len(rows)))
        if largest[i, n] > least
    ]


def decoder_with_pairs(features: int, width: int, seed: int) -> Tensor:
    """Random rows, of which some are turned copies of others, from hardly to clearly."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(features, width, generator=generator)
    for copy in range(0, features - 1, 5):
        turned = torch.randn(width, generator=generator)
        turned *= rows[copy].norm() / turned.norm() * 0.03 * (copy % 7)
        rows[copy + 1] = (2 + copy) * (rows[copy] + turned)
    return rows


@pytest.mark.parametrize("width", [3, 64, 200])
@pytest.mark.parametrize("piece", [7, 1000])
def test_against_all_pairs(width: int, piece: int, monkeypatch):
    """In as many dimensions as are compared first, and more; in pieces, and at once."""
    monkeypatch.setattr("sae_checks.evals.activity.directions.tokens_at_once", lambda _: piece)
    decoder = decoder_with_pairs(120, width, seed=width)
    found = near_duplicates(decoder, 0.99)
    expected = by_hand(decoder, 0.99)
    assert len(expected) > 10
    assert len({feature for feature, _ in expected}) < 120 or width == 3
    assert list(zip(found.feature.tolist(), found.nearest.tolist(), strict=True)) == expected
    assert (found.cosine > 0.99).all()


@given(seed=st.integers(0, 2**32 - 1), least=st.floats(0.5, 0.999))
def test_projecting_misses_none(seed: int, least: float):
    decoder = decoder_with_pairs(40, 100, seed)
    found = near_duplicates(decoder, least)
    assert [*found.feature] == [feature for feature, _ in by_hand(decoder, least)]


def test_of_many_copies_the_nearest_are_told():
    rows = torch.ones(40, 8)
    rows[:, 0] += torch.arange(40) * 1e-3
    found = near_duplicates(rows, 0.99)
    assert np.bincount(found.feature).tolist() == [NEAREST] * 40
    assert set(found.nearest[found.feature == 20]) == {*range(12, 29)} - {20}


def test_rows_of_no_direction_have_no_duplicates():
    decoder = torch.eye(4)
    decoder[3] = 0
    decoder[2] = decoder[1] * 5
    found = near_duplicates(torch.cat([decoder, torch.zeros(2, 4)]))
    assert found.feature.tolist() == [1, 2]
    assert found.nearest.tolist() == [2, 1]
    np.testing.assert_allclose(found.cosine, 1)


@pytest.mark.parametrize("features", [0, 1])
def test_too_few_to_compare(features: int):
    found = near_duplicates(torch.ones(features, 8))
    assert [len(each) for each in (found.feature, found.nearest, found.cosine)] == [0, 0, 0]
    assert found.feature.dtype == np.int64
