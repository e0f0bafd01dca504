"""Shrinkage, bias and constant errors from what is stored of tokens, against the vectors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_checks.evals.collect import CellCollector
from sae_checks.evals.context.cells import Cell
from sae_checks.evals.context.table import ContextTable, PositionSums
from sae_checks.judge.estimate import Estimate
from sae_checks.judge.thresholds_file import CheckRules, read_thresholds
from sae_checks.judge.verdict import judge
from sae_checks.records import Declared, FloatArray, PositionRange, Release
from sae_checks.session.suite import BUNDLED_THRESHOLDS, bundled_checks
from tests import stored
from tests.places import cell_on_texts
from tests.stored import sae_ref
from tests.tables import changed

TEXTS, CONTEXT, WIDTH = 200, 10, 6
CHECKS = bundled_checks()
THRESHOLDS = read_thresholds(
    BUNDLED_THRESHOLDS, {name: CheckRules(c.unit, c.parameters) for name, c in CHECKS.items()}
)
EVERY = PositionRange(1, CONTEXT - 2)
MEAN = np.array([3.0, 0, 1, 0, 0, 2])


def activations(seed: int = 0) -> FloatArray:
    """(texts, C, d): normal about MEAN; the calibration's centre is taken to be MEAN too."""
    return MEAN + np.random.default_rng(seed).normal(size=(TEXTS, CONTEXT, WIDTH))


def unbiased(x: FloatArray) -> FloatArray:
    """A reconstruction that keeps five of six coordinates, and the mean of the last."""
    rebuilt = x.copy()
    rebuilt[..., -1] = MEAN[-1]
    return rebuilt


def scaled(rebuilt: FloatArray, factor: float) -> FloatArray:
    """As of a decoder that was scaled, its bias the mean."""
    return MEAN + factor * (rebuilt - MEAN)


def table_of(x: FloatArray, rebuilt: FloatArray, direction: FloatArray | None = None):
    error = x - rebuilt
    along = np.eye(WIDTH)[0] if direction is None else direction
    columns = {
        "norm": np.linalg.norm(x, axis=-1),
        "reconstruction_norm": np.linalg.norm(rebuilt, axis=-1),
        "mse": np.square(error).sum(-1),
        "squared_distance": np.square(x - MEAN).sum(-1),
        "reconstruction_squared_distance": np.square(rebuilt - MEAN).sum(-1),
        "error_projection": error @ along,
    }
    for values in columns.values():
        values[:, 0] = np.nan
    counts, sums = np.full(CONTEXT, float(len(x))), (x - MEAN).sum(axis=0)
    counts[0] = sums[0] = 0
    nothing = np.zeros(CONTEXT), np.zeros((CONTEXT, WIDTH))
    return ContextTable.of(
        sae_ref(0, training_context=CONTEXT),
        columns,
        np.zeros((len(x), CONTEXT), dtype=np.bool_),
        PositionSums(counts, sums, *nothing),
    )


def cell_of(table: ContextTable, check: str = "best_scale") -> Cell:
    return cell_on_texts("made-up", table, "in_context", EVERY, check, THRESHOLDS)


def figures(x: FloatArray, rebuilt: FloatArray) -> dict[str, Estimate]:
    cell = cell_of(table_of(x, rebuilt))
    return {
        "l2_ratio": cell.l2_ratio(),
        "bias": cell.relative_reconstruction_bias(),
        "cosine": cell.cosine_similarity(),
        "scale": cell.best_scale(),
        "gain": cell.rescaling_gain(),
    }


def test_they_are_those_of_the_vectors():
    x = activations()
    rebuilt = 0.8 * x + 0.3 * np.random.default_rng(1).normal(size=x.shape)
    found = figures(x, rebuilt)
    x, rebuilt = (each[:, 1:-1].reshape(-1, WIDTH) for each in (x, rebuilt))
    lengths = np.linalg.norm(x, axis=1), np.linalg.norm(rebuilt, axis=1)
    product = (x * rebuilt).sum(1)
    assert found["l2_ratio"].value == pytest.approx(np.mean(lengths[1] / lengths[0]))
    assert found["bias"].value == pytest.approx(np.sum(lengths[1] ** 2) / product.sum())
    assert found["cosine"].value == pytest.approx(np.mean(product / lengths[0] / lengths[1]))
    # Least squares of x - c on x̂ - c, all coordinates of all tokens at once, without a constant.
    about = (rebuilt - MEAN).ravel(), (x - MEAN).ravel()
    (scale,), _, _, _ = np.linalg.lstsq(about[0][:, None], about[1], rcond=None)
    assert found["scale"].value == pytest.approx(scale)
    assert all(each.tokens == len(x) for each in found.values())


@given(st.floats(0.5, 1.5), st.integers(0, 50))
def test_rescaling_gains_what_it_says(factor, seed):
    """What the rescaled reconstruction explains is what the plain one does, and the gain."""
    x = activations(seed)
    rebuilt = scaled(unbiased(x), factor)
    found = figures(x, rebuilt)
    better = table_of(x, scaled(rebuilt, found["scale"].value))
    plain = cell_of(table_of(x, rebuilt)).explained_variance().value
    assert cell_of(better).explained_variance().value == pytest.approx(plain + found["gain"].value)
    assert cell_of(better).best_scale().value == pytest.approx(1)
    assert found["gain"].value >= 0
    assert found["scale"].value * factor == pytest.approx(figures(x, unbiased(x))["scale"].value)


def test_a_perfect_reconstruction():
    found = figures(activations(), activations())
    gain = found.pop("gain")
    assert {name: each.value for name, each in found.items()} == pytest.approx(
        dict.fromkeys(found, 1.0)
    )
    assert (gain.value, gain.low) == (pytest.approx(0, abs=1e-12), pytest.approx(0, abs=1e-12))
    none = cell_of(table_of(activations(), activations())).constant_error()
    assert (none.inapplicable, none.reason) == (True, "there is no error")


def test_a_constant_error_by_hand():
    """Of errors (3, ±4, 0 ...) the first coordinate is constant: 9 of 25."""
    x = activations()
    signs = np.where(np.arange(TEXTS) % 2, 4.0, -4.0)
    error = np.zeros_like(x)
    error[..., 0], error[..., 1] = 3, signs[:, None]
    share = cell_of(table_of(x, x - error)).constant_error()
    assert share.value == pytest.approx(9 / 25)
    other = cell_of(table_of(x, x - error, -np.eye(WIDTH)[0])).constant_error()
    assert other.value == pytest.approx(-9 / 25)  # along it, the other way round


ESTIMATES = {
    "l2_ratio": lambda cell: cell.l2_ratio(),
    "relative_reconstruction_bias": lambda cell: cell.relative_reconstruction_bias(),
    "cosine_similarity": lambda cell: cell.cosine_similarity(),
    "best_scale": lambda cell: cell.best_scale(),
    "constant_error": lambda cell: cell.constant_error(),
    "rescaling_gain": lambda cell: cell.rescaling_gain(),
}


@pytest.mark.parametrize("name", ESTIMATES)
def test_influences_are_what_leaving_a_text_out_does(name):
    x = activations()
    noise = np.random.default_rng(3).normal(size=x.shape)
    table = table_of(x, scaled(unbiased(x), 0.8) + 0.2 * noise - 0.4 * np.eye(WIDTH)[0])
    made = ESTIMATES[name](cell_of(table))
    without = [
        ESTIMATES[name](cell_of(table.keep(np.arange(TEXTS) != text))).value for text in range(40)
    ]
    moved = made.value - np.array(without)
    assert made.influence.sum() == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(
        made.influence[:40], moved, rtol=0.1, atol=0.05 * np.abs(moved).max()
    )


def holds(check: str, rebuilt: FloatArray, architecture: str = "topk") -> bool:
    table = table_of(activations(), rebuilt)
    of = replace(table.sae, architecture=architecture)
    cell = cell_of(changed(table, sae=of), check)
    return judge(CHECKS[check].function(cell), cell.limit()).holds


def test_a_scaled_decoder_fails_without_a_baseline():
    """Where nothing shrinks reconstructions, by 0.9 and by 1.03; the limits say which way."""
    good = unbiased(activations())
    names = ("best_scale", "shrinkage", "relative_reconstruction_bias", "rescaling_gain")
    assert all(holds(check, good) for check in names)
    assert not holds("shrinkage", scaled(good, 0.9))
    assert not holds("best_scale", scaled(good, 1.03))
    assert not holds("best_scale", scaled(good, 1.03), "standard")
    assert not holds("rescaling_gain", scaled(good, 0.8), "standard")


@pytest.mark.parametrize(
    ("architecture", "trained_as", "asked"),
    [
        ("standard", None, False),
        ("topk", None, True),
        ("batchtopk", None, True),
        ("jumprelu", None, True),
        ("gated", None, True),
        # Saved in another form: thresholds of 0 make a JumpReLU SAE of a standard one.
        ("jumprelu", "standard", False),
        ("jumprelu", "batchtopk", True),
    ],
)
def test_shrinkage_is_not_asked_of_saes_that_a_penalty_shrinks(architecture, trained_as, asked):
    declared = Declared(training_architecture=trained_as)
    ref = replace(stored.sae_ref(0), architecture=architecture, declared=declared)
    release = Release("made-up", "folder", stored.LOADING, (ref,))
    cells = CellCollector(release, stored.CONTEXT, {}, (), frozenset()).cells(CHECKS["shrinkage"])
    assert [str(each.place["positions"]) for each in cells] == ["1:15"] * asked


def test_what_has_no_value_says_why():
    x = activations()
    nowhere = cell_of(table_of(x, 0 * x))
    assert nowhere.cosine_similarity().value == 0  # no feature is active, and there is no bias
    assert nowhere.l2_ratio().value == 0
    against = cell_of(table_of(x, -x)).relative_reconstruction_bias()
    assert against.reason == "reconstructions do not point where the activations point"
    mean = cell_of(table_of(x, 0 * x + MEAN))
    assert mean.rescaling_gain().reason == "every reconstruction is the mean"
    assert mean.best_scale().reason == "the denominator sums to 0"
    broken = table_of(x, unbiased(x))
    broken.columns["reconstruction_norm"][0, 3] = np.inf
    assert cell_of(broken).l2_ratio().reason == (
        "reconstruction_norm is not finite on 1 token of 1 text"
    )
