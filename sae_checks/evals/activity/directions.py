"""Features whose decoder directions are nearly the same: found without comparing all in full."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from sae_checks.evals.activity.table import Duplicates
from sae_checks.measure.pieces import spans, tokens_at_once

# Two directions with a larger cosine count as one: they are less than 8.2 degrees apart.
SAME_DIRECTION = 0.99
# Directions are compared in so many dimensions first. Projecting brings no two further apart, so
# that none is missed; random directions of 768 dimensions stay 5 standard deviations away.
PROJECTED = 64
# Of how many others it is told at most that they have a feature's direction: which of them are
# active is known later, and the nearest one may be a copy that died.
NEAREST = 16
_ROUNDING = 1e-3  # in a squared distance of float32


@torch.inference_mode()
def near_duplicates(decoder: Tensor, least: float = SAME_DIRECTION) -> Duplicates:
    """The features whose decoder direction has a cosine above `least` with others, and which.

    Unit vectors u, v with u·v > c are less than √(2 − 2c) apart, and so are their projections. In
    64 dimensions that is a tenth of the work of comparing all, and what is left is compared in
    full: d_sae² · 64 multiplications, 39 billion at d_sae = 24,576. Of more than `NEAREST` others
    the nearest are told.

    Args:
        decoder: (d_sae, d_out); rows of norm 0 have no direction and are left out.
        least: the cosine above which two directions count as the same.
    """
    rows = decoder.float()
    norms = rows.norm(dim=-1, keepdim=True)
    present = (norms.squeeze(-1) > 0).nonzero().squeeze(-1)  # (m,)
    unit = rows[present] / norms[present]  # (m, d)
    projected = _projected(unit)
    squares = projected.square().sum(dim=-1)  # (m,)
    furthest = 2 - 2 * least + _ROUNDING
    feature, nearest, cosine = [], [], []
    for piece in spans(len(unit), tokens_at_once(len(unit) or 1)):
        own = projected[piece]
        # ‖p − q‖² ≤ furthest where p·q − ‖q‖²/2 ≥ (‖p‖² − furthest)/2.
        near = torch.addmm(squares, own, projected.T, beta=-0.5)  # (b, m)
        near[torch.arange(len(own)), torch.arange(len(unit))[piece]] = -math.inf
        best = near.amax(dim=-1) if len(unit) else near.new_zeros(len(own))
        some = (best >= (squares[piece] - furthest) / 2).nonzero().squeeze(-1)
        if not len(some):
            continue
        cosines = unit[piece][some] @ unit.T  # (s, m)
        cosines[torch.arange(len(some)), some + piece.start] = -math.inf
        largest, place = cosines.topk(min(NEAREST, len(unit)), dim=-1)  # (s, n)
        same = largest > least
        feature.append(present[(some + piece.start)[:, None].expand_as(place)[same]])
        nearest.append(present[place[same]])
        cosine.append(largest[same])
    return Duplicates(
        feature=_joined(feature, np.int64),
        nearest=_joined(nearest, np.int64),
        cosine=_joined(cosine, np.float64),
    )


def _projected(unit: Tensor) -> Tensor:
    """(m, k) the coordinates of (m, d) in k orthogonal directions, drawn once and for all."""
    width = unit.shape[1]
    if width <= PROJECTED:
        return unit
    drawn = torch.randn(width, PROJECTED, generator=torch.Generator().manual_seed(0))
    basis, _ = torch.linalg.qr(drawn)
    projected: Tensor = unit @ basis.to(unit)
    return projected


def _joined(pieces: list[Tensor], kind: type[np.generic]) -> np.ndarray:
    arrays = [np.zeros(0, dtype=kind), *(each.cpu().numpy() for each in pieces)]
    return np.concatenate(arrays).astype(kind)
