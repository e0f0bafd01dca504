"""The variance of a cell's activations, split over documents, from what is stored of them.

With c the fixed centre, n tokens and m = Σ(x - c)/n, a document's part of Σ‖x - μ‖² is

    Σ‖x - c - m‖² = q_i - n_i·‖m‖² - 2·m·(s_i - n_i·m),     q_i = Σ‖x - c‖², s_i = Σ(x - c),

sums over its n_i tokens. This is also its influence on the variance: to first order nothing else is
gained by μ's being estimated. All but m·s_i is stored. Of that, `offset_projection` tells the part
along one direction û per octave of positions, the mean offset in a few calibration texts.

m itself is known exactly, so what is left out is m's component across û: that of the error of a
mean over the calibration tokens, whatever the length of m. It makes the standard error too wide,
not too narrow, where x is symmetric about its mean; where x is normal and the variance has all of
the say, by sqrt(1 + 2/k) for k independent calibration tokens: by 12% at one position in 8 texts,
the worst case, and less with every position more. In a cell of several octaves, m lies along no
octave's own direction, and the error is about 10% on average. Massive tokens have an offset of
their own: with them it stays too wide.
"""

from __future__ import annotations

import numpy as np

from sae_checks.evals.context.table import ContextTable
from sae_checks.evals.context.tokens import Tokens, column, mean_square_offset, span, token_mask
from sae_checks.records import FloatArray, PositionRange
from sae_checks.records.octaves import OFFSET_PROJECTION, octaves


def variance_by_document(
    table: ContextTable, positions: PositionRange, massive: bool, distances: Tokens
) -> tuple[FloatArray, FloatArray]:
    """Each document's part of the variance, for its sum and for its influence; (documents,) both.

    Their sums are the same. The first leaves m·(s_i - n_i·m) out, which adds nothing to the sum;
    so does the second where the table has no `offset_projection`.

    Args:
        table: with `position_sums`.
        positions: the cell's.
        massive: whether massive tokens count.
        distances: Σ‖x - c‖² by document, over the same tokens.
    """
    offset = mean_square_offset(table, positions, massive, distances.total)
    summed = distances.sums - offset * distances.counts
    if OFFSET_PROJECTION not in table.columns or not distances.total:
        return summed, summed
    return summed, summed - 2 * _along_the_offset(table, positions, massive, distances.counts)


def _along_the_offset(
    table: ContextTable, positions: PositionRange, massive: bool, counts: FloatArray
) -> FloatArray:
    """(documents,) m·(s_i - n_i·m), summing to 0.

    By octaves r with mean offset m_r: m·s_ir = m·m_r·n_ir + (m·û_r)·(û_r·s_ir - n_ir·p_r), where
    p_r is the mean of û_r·(x - c), and m·û_r = p_r·(m·m_r)/‖m_r‖²: so it is in one octave's cell.
    """
    here = span(positions)
    mask = token_mask(table, positions, massive=massive)
    projections = np.where(mask, column(table, OFFSET_PROJECTION)[:, here], 0.0)
    sums, tokens = _offsets(table, here, massive)
    octave = octaves(table.context)[here]
    mean = sums.sum(axis=0) / tokens.sum()  # m
    found = np.zeros_like(counts)
    for each in np.unique(octave):
        there = octave == each
        first = here.start + int(there.argmax())
        places = slice(first, first + int(there.sum()))
        own = table.units.sums(mask[:, there], places)
        if not own.sum():
            continue
        offset = sums[there].sum(axis=0) / tokens[there].sum()  # m_r
        along = table.units.sums(projections[:, there], places)
        middle = along.sum() / own.sum()  # p_r
        length = float(offset @ offset)
        share = float(mean @ offset) / length if length else 0.0
        found += share * middle * (along - middle * own) + float(mean @ offset) * own
    balanced: FloatArray = found - found.sum() / counts.sum() * counts
    return balanced


def _offsets(table: ContextTable, here: slice, massive: bool) -> tuple[FloatArray, FloatArray]:
    """Σ(x - c) and the number of tokens at each position: (positions, d) and (positions,)."""
    stored = table.position_sums
    assert stored is not None, "mean_square_offset would have refused"
    sums = stored.ordinary_sums[here].astype(np.float64)
    tokens = stored.ordinary_counts[here].astype(np.float64)
    if massive:
        return sums + stored.massive_sums[here], tokens + stored.massive_counts[here]
    return sums, tokens
