"""The standard error of explained variance, against that of the vectors themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sae_checks.evals.context.table import ContextTable, PositionSums
from sae_checks.judge.coverage import FIXED
from sae_checks.judge.estimate import Estimate
from sae_checks.judge.statistics import ratio_of_sums
from sae_checks.judge.thresholds import CheckLimits, Limit, Thresholds
from sae_checks.records import FloatArray, IntArray, PositionRange
from sae_checks.records.octaves import OFFSET_PROJECTION, octaves
from tests.places import cell_on_texts
from tests.stored import sae_ref

TEXTS, CONTEXT, WIDTH, CALIBRATION = 400, 17, 6, 8
THRESHOLDS = Thresholds(checks={"delta_ce": CheckLimits(Limit("nats", max=0.5))})
# SD of each axis, and of x as a whole.
AXES = np.array([2.0, 1, 1, 0.5, 0.5, 0.1])
SPREAD = float(np.sqrt(np.square(AXES).sum()))


def activations(rng: np.random.Generator, distance: float, shared: float = 0.0) -> FloatArray:
    """(texts, C, d): each octave's mean so many SD of x from the centre 0, on a side of its own.

    `shared` is the correlation of two tokens of one text.
    """
    sides = rng.normal(size=(5, WIDTH)) * AXES
    sides /= np.linalg.norm(sides, axis=1, keepdims=True)
    text = rng.normal(size=(TEXTS, 1, WIDTH))
    own = rng.normal(size=(TEXTS, CONTEXT, WIDTH))
    noise = (np.sqrt(shared) * text + np.sqrt(1 - shared) * own) * AXES
    return distance * SPREAD * sides[octaves(CONTEXT)] + noise


def table_of(
    x: FloatArray, errors: FloatArray, *, documents: IntArray | None = None
) -> ContextTable:
    """As measured, with directions from the first eight texts."""
    octave = octaves(CONTEXT)
    learnt = [x[:CALIBRATION, octave == each].reshape(-1, WIDTH).mean(0) for each in range(5)]
    learnt[0] = x[:CALIBRATION, 1].mean(axis=0)  # position 0 is not measured
    directions = np.stack([each / np.linalg.norm(each) for each in learnt])
    columns = {
        "norm": np.linalg.norm(x, axis=-1),
        "mse": np.square(errors).sum(axis=-1),
        "squared_distance": np.square(x).sum(axis=-1),
        OFFSET_PROJECTION: (x * directions[octave]).sum(axis=-1),
    }
    for values in columns.values():
        values[:, 0] = np.nan
    counts, sums = np.full(CONTEXT, float(TEXTS)), x.sum(axis=0)
    counts[0] = sums[0] = 0
    nothing = np.zeros(CONTEXT), np.zeros((CONTEXT, WIDTH))
    whose = None
    if documents is not None:
        whose = np.repeat(documents.astype(np.int32)[:, None], CONTEXT, axis=1)
    return ContextTable.of(
        sae_ref(0),
        columns,
        np.zeros((TEXTS, CONTEXT), dtype=np.bool_),
        PositionSums(counts, sums, *nothing),
        documents=whose,
    )


def explained(table: ContextTable, positions: PositionRange) -> Estimate:
    return cell_on_texts(
        "made-up", table, "in_context", positions, "delta_ce", THRESHOLDS
    ).explained_variance()


def exact(
    x: FloatArray, errors: FloatArray, positions: PositionRange, documents: IntArray
) -> Estimate:
    """The ratio of the vectors' own sums of squares, by document."""
    here = slice(positions.first, positions.last + 1)
    tokens = x[:, here]
    around = np.square(tokens - tokens.mean(axis=(0, 1))).sum(axis=(1, 2))
    missed = np.square(errors[:, here]).sum(axis=(1, 2))
    by_document = [np.bincount(documents, weights=each) for each in (missed, around)]
    counts = np.bincount(documents) * float(tokens.shape[1])
    return ratio_of_sums(*by_document, counts, FIXED)


def ratio_to_exact(
    seed: int, positions: PositionRange, distance: float, *, shared: float, known: bool = True
) -> float:
    """The standard error over the exact one, both of 200 documents of two texts each."""
    rng = np.random.default_rng(seed)
    x = activations(rng, distance, shared)
    errors = rng.normal(0, 0.3, x.shape) * AXES
    documents = rng.permutation(TEXTS) // 2
    table = table_of(x, errors, documents=documents)
    if not known:
        del table.columns[OFFSET_PROJECTION]
    ours, theirs = explained(table, positions), exact(x, errors, positions, documents)
    assert ours.value == pytest.approx(1 - theirs.value, rel=1e-9)
    return ours.standard_error / theirs.standard_error


RANGES = [PositionRange(1, 1), PositionRange(2, 3), PositionRange(8, 15), PositionRange(5, 6)]


@pytest.mark.parametrize("shared", [0.0, 0.5])
@pytest.mark.parametrize("positions", RANGES, ids=str)
def test_three_standard_deviations_from_the_centre(positions, shared):
    """Without the projection it is two to four times too wide, with it as the vectors have it."""
    ratios = [ratio_to_exact(seed, positions, 3.0, shared=shared) for seed in range(20)]
    wide = ratio_to_exact(0, positions, 3.0, shared=shared, known=False)
    assert wide > 2
    assert 0.99 < np.mean(ratios) < np.sqrt(1 + 2 / CALIBRATION) + 0.03
    assert max(ratios) < 1.35


@pytest.mark.parametrize("distance", [0.0, 0.3, 10.0])
def test_it_is_no_wider_the_further_the_cell_lies(distance):
    ratios = [ratio_to_exact(s, RANGES[0], distance, shared=0.0) for s in range(20)]
    assert 0.99 < np.mean(ratios) < np.sqrt(1 + 2 / CALIBRATION) + 0.03


@pytest.mark.parametrize("positions", [PositionRange(1, 15), PositionRange(3, 9)], ids=str)
def test_a_cell_of_several_octaves(positions):
    ratios = [ratio_to_exact(seed, positions, 3.0, shared=0.3) for seed in range(20)]
    assert 0.9 < np.mean(ratios) < 1.1


def test_the_value_is_the_same_to_the_last_bit():
    rng = np.random.default_rng(3)
    x = activations(rng, 3.0)
    table = table_of(x, 0.2 * rng.normal(size=x.shape))
    columns = {k: v for k, v in table.columns.items() if k != OFFSET_PROJECTION}
    without = explained(replace(table, columns=columns), RANGES[1])
    assert explained(table, RANGES[1]).value == without.value


def test_of_a_part_of_the_texts():
    """The mean stays that of all; the influences still add up to nothing."""
    rng = np.random.default_rng(4)
    x = activations(rng, 3.0)
    table = table_of(x, 0.2 * rng.normal(size=x.shape))
    part = explained(table.keep(slice(200)), PositionRange(1, 15))
    assert part.standard_error == pytest.approx(
        np.sqrt(2) * explained(table, PositionRange(1, 15)).standard_error, rel=0.2
    )


def test_octaves():
    assert octaves(9).tolist() == [0, 0, 1, 1, 2, 2, 2, 2, 3]
