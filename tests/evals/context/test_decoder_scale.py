"""The decoder's scale: by hand, from the vectors, and what must not move it."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sae_checks.evals.context.columns import context_plan
from sae_checks.evals.context.measuring import measure_texts
from sae_checks.evals.context.table import WRITTEN, ContextTable
from sae_checks.judge.estimate import Estimate
from sae_checks.judge.thresholds_file import CheckRules, read_thresholds
from sae_checks.judge.verdict import judge
from sae_checks.load.sae import LoadedSae
from sae_checks.measure.pass_options import PassOptions
from sae_checks.records import FloatArray, PositionRange
from sae_checks.session.suite import BUNDLED_THRESHOLDS, bundled_checks
from tests.builders import (
    BOS,
    CONTEXT,
    D_MODEL,
    loaded_sae,
    random_texts,
    shared_language_model,
)
from tests.measuring import bind
from tests.places import cell_on_texts
from tests.stored import sae_ref

HOOK_POINT = "blocks.1.hook_resid_pre"
CHECKS = bundled_checks()
THRESHOLDS = read_thresholds(
    BUNDLED_THRESHOLDS, {name: CheckRules(c.unit, c.parameters) for name, c in CHECKS.items()}
)
PLAN = context_plan(frozenset({"l0", "norm", *WRITTEN}))
TEXTS, POSITIONS, FEATURES = 60, 10, 6
EVERY = PositionRange(1, POSITIONS - 2)


def scale_of(table: ContextTable, positions: PositionRange = EVERY) -> Estimate:
    cell = cell_on_texts("made-up", table, "in_training", positions, "decoder_scale", THRESHOLDS)
    return cell.decoder_scale()


def table_of(x: FloatArray, features: FloatArray, decoder: FloatArray) -> ContextTable:
    """Of activations (texts, C, d), features (texts, C, F) and a decoder (F, d) without a bias."""
    norms = np.linalg.norm(decoder, axis=1)
    written = features @ decoder
    directions = (features != 0) @ (decoder / norms[:, None])
    error = x - written
    columns = {
        "norm": np.linalg.norm(x, axis=-1),
        "l0": (features != 0).sum(-1).astype(np.float64),
        "strength": features @ norms,
        "written_square": np.square(written).sum(-1),
        "written_error": (written * error).sum(-1),
        "directions_written": (directions * written).sum(-1),
        "directions_error": (directions * error).sum(-1),
    }
    for values in columns.values():
        values[:, 0] = np.nan
    massive = np.zeros(x.shape[:2], dtype=np.bool_)
    return ContextTable.of(sae_ref(0, training_context=x.shape[1]), columns, massive)


def coefficients(seed: int = 0) -> FloatArray:
    """(texts, C, F) true strengths, 0 where a feature is off."""
    generator = np.random.default_rng(seed)
    shape = (TEXTS, POSITIONS, FEATURES)
    return np.where(generator.random(shape) < 0.4, 1 + generator.exponential(2, shape), 0.0)


def shrunk(strengths: FloatArray, by: float) -> FloatArray:
    """As an L1 penalty leaves them: all active ones weaker by the same amount."""
    return np.where(strengths > 0, strengths - by, 0.0)


def test_by_hand():
    """One feature along one axis, active with 1 and with 3 where the activation has 2 and 5.

    v is 1 and 3, u is 1, their mean strength 2, so that w is -1 and 1; e is 1 and 2. So N = 1,
    D = 3 - 1 = 2 and g = 1.5, the slope from (1, 2) to (3, 5).
    """
    x, features = np.zeros((1, 4, 1)), np.zeros((1, 4, 1))
    x[0, 1:3, 0], features[0, 1:3, 0] = (2, 5), (1, 3)
    table = table_of(x, features, np.ones((1, 1)))
    assert scale_of(table, PositionRange(1, 2)).value == pytest.approx(1.5)


@given(st.floats(0, 0.9), st.floats(0.5, 2), st.integers(0, 20))
@settings(max_examples=30, deadline=None)
def test_shrinkage_does_not_move_it_and_a_scaled_decoder_divides_it(by, factor, seed):
    """Features that are weaker by a constant: 1; the decoder times c: 1/c."""
    truth, axes = coefficients(seed), np.eye(FEATURES)
    x = truth @ axes
    assert scale_of(table_of(x, truth, axes)).value == pytest.approx(1)
    features = shrunk(truth, by)
    assert scale_of(table_of(x, features, axes)).value == pytest.approx(1)
    assert scale_of(table_of(x, features, factor * axes)).value == pytest.approx(1 / factor)


@given(st.integers(0, 20))
@settings(max_examples=20, deadline=None)
def test_features_rescaled_with_their_decoder_or_permuted_change_nothing(seed):
    generator = np.random.default_rng(seed)
    truth, decoder = coefficients(seed), generator.normal(size=(FEATURES, 4))
    x = truth @ decoder + 0.3 * generator.normal(size=(*truth.shape[:2], 4))
    features = shrunk(truth, 0.5)
    expected = scale_of(table_of(x, features, decoder)).value
    times = generator.uniform(0.1, 10, FEATURES)
    rescaled = table_of(x, features * times, decoder / times[:, None])
    assert scale_of(rescaled).value == pytest.approx(expected)
    order = generator.permutation(FEATURES)
    assert scale_of(table_of(x, features[..., order], decoder[order])).value == pytest.approx(
        expected
    )


def test_the_influences_are_what_leaving_a_text_out_does():
    generator = np.random.default_rng(3)
    truth, decoder = coefficients(), generator.normal(size=(FEATURES, 4))
    x = truth @ decoder + generator.normal(size=(*truth.shape[:2], 4))
    table = table_of(x, shrunk(truth, 0.5), decoder)
    made = scale_of(table)
    without = [scale_of(table.keep(np.arange(TEXTS) != text)).value for text in range(20)]
    moved = made.value - np.array(without)
    assert made.influence.sum() == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(
        made.influence[:20], moved, rtol=0.15, atol=0.05 * np.abs(moved).max()
    )


@pytest.mark.parametrize(("factor", "holds"), [(1, True), (0.9, False), (1.03, False)])
def test_a_scaled_decoder_fails_without_a_baseline(factor, holds):
    truth, axes = coefficients(), np.eye(FEATURES)
    noise = 0.1 * np.random.default_rng(5).normal(size=truth.shape)
    table = table_of(truth @ axes + noise, shrunk(truth, 0.5), factor * axes)
    cell = cell_on_texts("made-up", table, "in_training", EVERY, "decoder_scale", THRESHOLDS)
    assert judge(CHECKS["decoder_scale"].function(cell), cell.limit()).holds is holds


def test_what_has_no_value_says_why():
    truth, axes = coefficients(), np.eye(FEATURES)
    silent = scale_of(table_of(truth @ axes, 0 * truth, axes))
    assert silent.reason == "no feature is active"
    alike = scale_of(table_of(truth @ axes, 2.0 * (truth > 0), axes))
    assert (alike.inapplicable, alike.reason) == (True, "active features are all of one strength")


# --- As trained ---------------------------------------------------------------------------------


def trained(prefixes: tuple[int, ...]) -> ContextTable:
    """Of a TopK SAE that came to rest on sparse data; its loss adds up those of its prefixes."""
    generator = torch.Generator().manual_seed(0)
    width, count, active, steps = 32, 64, 6, 2000
    draw = partial(torch.randn, generator=generator)
    truth = torch.nn.functional.normalize(draw(count, width), dim=1)
    rate = torch.linspace(0.25, 0.02, count)
    decoder = torch.nn.functional.normalize(draw(count, width), dim=1).requires_grad_()
    encoder, bias = decoder.detach().T.clone().requires_grad_(), torch.zeros(count)
    bias.requires_grad_()

    def data(rows: int) -> Tensor:
        on = torch.rand(rows, count, generator=generator) < rate
        strengths = 1 - 0.5 * torch.log1p(-torch.rand(rows, count, generator=generator))
        return (on * strengths) @ truth + 0.05 * draw(rows, width)

    def encode(x: Tensor) -> Tensor:
        largest, place = torch.relu(x @ encoder + bias).topk(active, dim=1)
        return torch.zeros(len(x), count).scatter(1, place, largest)

    adam = torch.optim.Adam([encoder, bias, decoder], lr=3e-3)
    rest = torch.optim.lr_scheduler.LambdaLR(adam, lambda n: min(1, 2 * (steps - n) / steps))
    for _ in range(steps):
        x = data(512)
        features = encode(x)
        errors = [features[:, :n] @ decoder[:n] - x for n in prefixes]
        adam.zero_grad()
        sum(error.square().sum(dim=1).mean() for error in errors).backward()
        adam.step()
        rest.step()
    with torch.no_grad():
        x = data(TEXTS * POSITIONS * 10)
        shape = (TEXTS, POSITIONS * 10, -1)
        return table_of(
            x.view(shape).double().numpy(),
            encode(x).view(shape).double().numpy(),
            decoder.double().numpy(),
        )


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("prefixes", "least", "most"), [((64,), 0.995, 1.005), ((16, 32, 64), 0.9, 0.98)]
)
def test_nested_losses_leave_less_than_1(prefixes, least, most):
    """Why SAEs of Matryoshka training have a limit of their own."""
    positions = PositionRange(1, POSITIONS * 10 - 2)
    value = scale_of(trained(prefixes), positions).value
    print(f"prefixes {prefixes}: decoder_scale {value:.4f}")
    assert least < value < most


# --- As measured --------------------------------------------------------------------------------


def measured(sae: LoadedSae, batch_tokens: int | None = None) -> ContextTable:
    texts, model = random_texts(8), shared_language_model()
    assert bind(model, [sae]) == {}
    options = PassOptions(batch_tokens=batch_tokens)
    return measure_texts(model, [sae], texts, PLAN, options)[sae.ref.sae_id]


SAES = {
    "standard": ("standard", {}),
    "gated": ("gated", {}),
    "jumprelu": ("jumprelu", {}),
    "topk": ("topk", {}),
    "topk that divides by decoder norms": ("topk", {"rescale_acts_by_decoder_norm": True}),
    "layer norm": ("standard", {"normalize_activations": "layer_norm"}),
    "constant norm": ("standard", {"normalize_activations": "constant_norm_rescale"}),
}


@pytest.mark.parametrize("name", SAES)
def test_the_columns_are_those_of_the_vectors(name):
    """v is what remains of a reconstruction when the one without features is taken off."""
    architecture, config = SAES[name]
    sae = loaded_sae(HOOK_POINT, architecture, **config)
    sae.sae.W_dec.data *= torch.linspace(0.5, 2, 64).unsqueeze(-1)
    table, texts, model = measured(sae), random_texts(8), shared_language_model()
    model.bind(HOOK_POINT)
    x = model.clean(torch.from_numpy(texts.tokens), [HOOK_POINT]).taps[HOOK_POINT]
    features, rebuilt = sae.reconstruct(x)
    sae.encode(x)  # what scales activations remembers how
    written = rebuilt - sae.decode(torch.zeros_like(features))
    norms = sae.sae.W_dec.norm(dim=-1)
    directions = (features != 0).float() @ (sae.sae.W_dec / norms.unsqueeze(-1))
    strengths = features if config.get("rescale_acts_by_decoder_norm") else features * norms
    scale = sae.output_scale(x)
    if scale is not None:
        directions = directions * scale
    expected = {
        "strength": strengths.sum(-1),
        "written_square": written.square().sum(-1),
        "written_error": (written * (x - rebuilt)).sum(-1),
        "directions_written": (directions * written).sum(-1),
        "directions_error": (directions * (x - rebuilt)).sum(-1),
    }
    keep = (texts.tokens != BOS) & (np.arange(CONTEXT) > 0)
    keep &= np.arange(CONTEXT) < sae.ref.training_context
    for column, values in expected.items():
        np.testing.assert_allclose(
            table.columns[column],
            np.where(keep, values.numpy(), np.nan),
            rtol=2e-3,
            atol=2e-3,
            err_msg=column,
        )


def test_sparse_features_write_what_dense_ones_do():
    """Up to one feature in fifty the decoder is applied to a sparse matrix."""
    sae = loaded_sae(HOOK_POINT)
    features = torch.zeros(40, 64)
    features[torch.arange(0, 40, 2), torch.arange(20) * 3] = torch.arange(1.0, 21)
    assert sae._decodes_sparsely(features)
    sparse = sae.written(features)
    sae._linear = False
    for one, other in zip(sparse, sae.written(features), strict=True):
        torch.testing.assert_close(one, other)
    assert [each.shape for each in sparse] == [(40, D_MODEL), (40, D_MODEL), (40,)]


def test_a_decoder_row_of_zeros_has_no_direction():
    sae = loaded_sae(HOOK_POINT)
    sae.sae.W_dec.data[5] = 0
    features = torch.zeros(1, 64)
    features[0, 5] = 3.0
    assert all(float(each.abs().max()) == 0 for each in sae.written(features))


@pytest.mark.parametrize("architecture", ["standard", "topk", "jumprelu", "gated"])
def test_a_scaled_decoder_divides_it_in_every_architecture(architecture):
    inside = PositionRange(1, 15)
    good = scale_of(measured(loaded_sae(HOOK_POINT, architecture)), inside).value
    scaled = loaded_sae(HOOK_POINT, architecture)
    scaled.sae.W_dec.data *= 1.25
    assert scale_of(measured(scaled), inside).value == pytest.approx(good / 1.25, rel=1e-3)


def test_batches_do_not_matter():
    sae = loaded_sae(HOOK_POINT)
    whole, small = measured(sae), measured(sae, batch_tokens=2 * CONTEXT)
    for name in WRITTEN:
        np.testing.assert_allclose(
            small.columns[name], whole.columns[name], rtol=1e-4, atol=1e-4, err_msg=name
        )
