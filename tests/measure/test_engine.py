"""The loop over texts: what is measured where, and what must not matter."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from sae_checks.evals.context.columns import context_plan
from sae_checks.evals.context.measuring import ContextMeasurer, measure_texts
from sae_checks.evals.context.table import POSITION_SUMS, WRITTEN
from sae_checks.load.sae import LoadedSae
from sae_checks.load.sites import SITES
from sae_checks.measure.engine import listen
from sae_checks.measure.evaluation import Measuring
from sae_checks.measure.loaded import SaeSource
from sae_checks.measure.pass_options import PassOptions
from sae_checks.measure.texts import TextDataset
from sae_checks.records import Intervention
from sae_checks.records.octaves import OFFSET_PROJECTION
from tests.builders import (
    BOS,
    CONTEXT,
    IdentitySae,
    language_model,
    loaded_sae,
    random_texts,
    sae_ref,
    shared_language_model,
    texts_of,
)
from tests.measuring import LOSS_COLUMNS, TEXT_COLUMNS, bind

TRAINED = sae_ref("blocks.0.hook_resid_pre").training_context
EVERYTHING = context_plan(frozenset({*TEXT_COLUMNS, POSITION_SUMS}))
HOOK_POINTS = (
    "blocks.0.hook_resid_pre",
    "blocks.1.hook_resid_mid",
    "blocks.2.hook_resid_post",
    "blocks.1.hook_mlp_out",
    "blocks.2.attn.hook_z",
)
# Every way of cutting a batch has its say: tokens together, alone, and whole texts.
ARCHITECTURES = (
    "standard",
    "gated",
    "jumprelu",
    "topk",
    "abstopk",
    "matching_pursuit",
    "temporal",
)


def measured(saes, texts, plan=EVERYTHING, settings=PassOptions(), model=None):
    model = model or shared_language_model()
    assert bind(model, saes) == {}
    return measure_texts(model, saes, texts, plan, settings)


def assert_same(found, expected, rows=slice(None), rtol=1e-4):
    assert found.columns.keys() == expected.columns.keys()
    for name, column in expected.columns.items():
        np.testing.assert_allclose(
            found.columns[name], column[rows], rtol=rtol, atol=1e-4, err_msg=name
        )
    np.testing.assert_array_equal(found.massive, expected.massive[rows])
    ours, theirs = found.position_sums, expected.position_sums
    np.testing.assert_allclose(ours.ordinary_sums, theirs.ordinary_sums, rtol=rtol, atol=1e-3)
    np.testing.assert_array_equal(ours.ordinary_counts, theirs.ordinary_counts)
    np.testing.assert_array_equal(ours.massive_counts, theirs.massive_counts)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_batch_size_changes_nothing(architecture, monkeypatch):
    texts = random_texts()
    saes = [loaded_sae("blocks.1.hook_resid_pre", architecture)]
    whole = measured(saes, texts, settings=PassOptions(batch_tokens=6 * CONTEXT))
    single = measured(saes, texts, settings=PassOptions(batch_tokens=1))
    uneven = measured(saes, texts, settings=PassOptions(batch_tokens=4 * CONTEXT))
    # Pieces of a text, the last one shorter.
    monkeypatch.setattr("sae_checks.measure.texts.tokens_at_once", lambda width: 7)
    monkeypatch.setattr("sae_checks.evals.context.measuring.tokens_at_once", lambda width: 7)
    pieces = measured(saes, texts, settings=PassOptions(batch_tokens=6 * CONTEXT))
    for other in (single, uneven, pieces):
        assert_same(other["blocks.1.hook_resid_pre"], whole["blocks.1.hook_resid_pre"])


@pytest.mark.parametrize("hook_point", HOOK_POINTS)
def test_order_of_texts_changes_nothing(hook_point):
    texts = random_texts(texts=12)  # more than calibration takes
    order = np.random.default_rng(3).permutation(12)
    saes = [loaded_sae(hook_point)]
    expected = measured(saes, texts)[hook_point]
    shuffled = texts_of(texts.tokens[order])
    assert_same(measured(saes, shuffled)[hook_point], expected, rows=order)


def test_other_saes_of_the_release_change_nothing():
    texts = random_texts()
    saes = [loaded_sae(hook_point) for hook_point in HOOK_POINTS]
    together = measured(saes, texts)
    assert set(together) == set(HOOK_POINTS)
    for sae in saes:
        alone = measured([sae], texts)
        assert_same(together[sae.ref.sae_id], alone[sae.ref.sae_id])


def test_two_saes_at_one_hook_point():
    texts = random_texts()
    other = loaded_sae("blocks.1.hook_resid_pre", "topk")
    other = LoadedSae(sae_ref("blocks.1.hook_resid_pre", sae_id="other"), other.sae)
    tables = measured([loaded_sae("blocks.1.hook_resid_pre"), other], texts)
    assert np.nanmax(tables["other"].columns["l0"]) <= 6
    assert np.nanmin(tables["blocks.1.hook_resid_pre"].columns["l0"]) > 6


@cache
def everything_at(hook_point):
    return measured([loaded_sae(hook_point)], random_texts())[hook_point]


@pytest.mark.parametrize("name", sorted(TEXT_COLUMNS))
def test_a_column_alone_is_what_it_is_among_all(name):
    hook_point, plan = "blocks.1.hook_mlp_out", context_plan(frozenset({name}))
    everything = everything_at(hook_point)
    alone = measured([loaded_sae(hook_point)], random_texts(), plan)[hook_point]
    assert set(alone.columns) == {name, "norm"}
    assert alone.position_sums is None
    np.testing.assert_allclose(alone.columns[name], everything.columns[name], rtol=1e-6)


def test_position_sums_come_with_the_projection_on_their_direction():
    """Over an octave's tokens its mean is near the length of the mean offset, which it is along."""
    hook_point, texts = "blocks.1.hook_resid_pre", random_texts()
    plan = context_plan(frozenset({POSITION_SUMS}))
    table = measured([loaded_sae(hook_point)], texts, plan)[hook_point]
    assert set(table.columns) == {"norm", OFFSET_PROJECTION}
    sums = table.position_sums
    for first in (1, 2, 4, 8, 16):  # all six texts are calibration texts
        here = slice(first, 2 * first)
        offset = sums.ordinary_sums[here].sum(axis=0) / sums.ordinary_counts[here].sum()
        along = np.nanmean(table.columns[OFFSET_PROJECTION][:, here])
        assert along == pytest.approx(np.linalg.norm(offset), rel=1e-4)


def test_where_nothing_is_measured():
    texts = random_texts()
    table = measured([loaded_sae("blocks.1.hook_resid_pre")], texts)["blocks.1.hook_resid_pre"]
    for name, column in table.columns.items():
        undefined = texts.special.copy()
        undefined[:, 0] = True
        if name in LOSS_COLUMNS:
            undefined[:, -1] = True
        if name in WRITTEN:
            undefined[:, TRAINED:] = True
        np.testing.assert_array_equal(np.isnan(column), undefined, err_msg=name)


def test_position_0_is_not_measured_even_where_no_bos_stands():
    texts = random_texts()
    texts = replace(
        texts,
        tokens=np.where(texts.tokens == BOS, 5, texts.tokens),
        special=np.zeros_like(texts.special),
    )
    table = measured([loaded_sae("blocks.1.hook_resid_pre")], texts)["blocks.1.hook_resid_pre"]
    for name, column in table.columns.items():
        assert np.isnan(column[:, 0]).all()
        inside = TRAINED if name in WRITTEN else -1
        assert not np.isnan(column[:, 1:inside]).any()
    assert table.position_sums.ordinary_counts[0] == 0


@pytest.mark.parametrize("replace", [False, True], ids=["kept", "replaced"])
@pytest.mark.parametrize("hook_point", HOOK_POINTS)
def test_special_tokens_are_kept_or_replaced(hook_point, replace):
    texts, sae, model = random_texts(), loaded_sae(hook_point), shared_language_model()
    table = measured([sae], texts, settings=PassOptions(replace_special=replace), model=model)[
        hook_point
    ]
    tokens = torch.from_numpy(texts.tokens)
    clean = model.clean(tokens, [hook_point])
    tap = clean.taps[hook_point]
    replacement = sae.reconstruct(tap)[1]
    if not replace:
        replacement[texts.special] = tap[texts.special]
    log_p = model.unembed(model.resume(clean, hook_point, replacement)).log_softmax(dim=-1)
    expected = -log_p[:, :-1].gather(-1, tokens[:, 1:, None]).squeeze(-1)
    expected[texts.special[:, :-1]] = torch.nan
    expected[:, 0] = torch.nan
    np.testing.assert_allclose(table.columns["ce_sae"][:, :-1], expected, rtol=1e-4)


@pytest.mark.parametrize("hook_point", ["blocks.0.hook_resid_pre", "blocks.2.hook_resid_post"])
def test_an_identity_sae_costs_nothing_at_all(hook_point):
    table = measured([LoadedSae(sae_ref(hook_point), IdentitySae())], random_texts())[hook_point]
    columns = table.columns
    np.testing.assert_array_equal(columns["ce_sae"], columns["ce_clean"])
    assert np.nanmax(columns["kl"]) == 0
    assert np.nanmax(columns["mse"]) == 0
    np.testing.assert_allclose(columns["l0"][:, 1:][~np.isnan(columns["l0"][:, 1:])], 32)


@pytest.mark.parametrize("center", [False, True], ids=["uncentered", "centered"])
@pytest.mark.parametrize("hook_point", HOOK_POINTS)
def test_an_identity_sae_costs_nothing_but_rounding(hook_point, center):
    model = shared_language_model(center=center)
    sae = LoadedSae(sae_ref(hook_point), IdentitySae())
    columns = measured([sae], random_texts(), model=model)[hook_point].columns
    np.testing.assert_allclose(columns["ce_sae"], columns["ce_clean"], rtol=1e-5)
    assert np.nanmax(columns["kl"]) < 1e-5
    assert np.nanmax(columns["mse"]) == 0


def test_a_temporal_sae_reconstructs_by_its_forward_pass():
    """Its `decode` alone leaves out what is predicted from earlier tokens."""
    hook_point = "blocks.1.hook_resid_pre"
    sae, texts, model = loaded_sae(hook_point, "temporal"), random_texts(), shared_language_model()
    table = measured([sae], texts, model=model)[hook_point]
    x = model.clean(torch.from_numpy(texts.tokens), [hook_point]).taps[hook_point]
    expected = (x - sae.sae(x)).square().sum(dim=-1).numpy()
    expected[np.isnan(table.columns["mse"])] = np.nan
    np.testing.assert_allclose(table.columns["mse"], expected, rtol=1e-4)


def test_massive_activations_are_flagged_and_counted_apart():
    model, hook_point = language_model(), "blocks.0.hook_resid_pre"
    massive_token = 7
    model.hf.get_input_embeddings().weight.data[massive_token] *= 300
    texts = random_texts()
    texts.tokens[texts.tokens == massive_token] = 8
    texts.tokens[1, 5] = texts.tokens[4, 9] = massive_token
    texts.tokens[2, 0] = massive_token  # at position 0 nothing is measured, massive or not
    table = measured([loaded_sae(hook_point)], texts, model=model)[hook_point]

    expected = texts.tokens == massive_token
    expected[:, 0] = False
    np.testing.assert_array_equal(table.massive, expected)
    sums = table.position_sums
    np.testing.assert_array_equal(sums.massive_counts, expected.sum(axis=0))
    ordinary = ~np.isnan(table.columns["norm"]) & ~expected
    np.testing.assert_array_equal(sums.ordinary_counts, ordinary.sum(axis=0))

    x = model.clean(torch.from_numpy(texts.tokens), [hook_point]).taps[hook_point].double().numpy()
    centre = x[ordinary | expected].mean(axis=0)
    np.testing.assert_allclose(sums.massive_sums[5], x[1, 5] - centre, rtol=1e-4, atol=1e-4)
    at_5 = x[ordinary[:, 5], 5] - centre
    np.testing.assert_allclose(sums.ordinary_sums[5], at_5.sum(axis=0), rtol=1e-4, atol=1e-3)


def test_progress_counts_texts_of_every_sae():
    seen = []
    model, texts = shared_language_model(), random_texts()
    saes = [loaded_sae(hook_point) for hook_point in HOOK_POINTS[:2]]
    bind(model, saes)
    settings, dataset = PassOptions(batch_tokens=4 * CONTEXT), TextDataset(texts)
    interventions = [Intervention((sae.ref,)) for sae in saes]
    plan, source = context_plan(frozenset({"mse"})), SaeSource.of(saes)
    measuring = Measuring(model, source, dataset, interventions, plan, settings)
    listener = ContextMeasurer(measuring).listen(np.arange(6), interventions)
    batches = dataset.batches(np.arange(6), model, settings)
    listen(model, source, batches, [listener], seen.append)
    assert seen == [4, 4, 2, 2]


def test_half_precision_measures_about_the_same():
    """A model in bfloat16 with SAEs in float32: every site and floor gets through, coarsely."""
    saes = [loaded_sae(hook_point) for hook_point in HOOK_POINTS]
    expected = measured(saes, random_texts())
    model = language_model()
    model.hf.to(torch.bfloat16)
    found = measured(saes, random_texts(), model=model)
    for hook_point in HOOK_POINTS:
        for name in ("norm", "ce_clean", "ce_sae", "ce_zero", "ce_mean"):
            assert np.nanmean(found[hook_point].columns[name]) == pytest.approx(
                np.nanmean(expected[hook_point].columns[name]), rel=0.03
            )


def test_saes_that_do_not_fit_the_model():
    fitting = loaded_sae("blocks.0.hook_resid_pre")
    wide = LoadedSae(sae_ref("blocks.1.hook_resid_pre", d_in=768), fitting.sae)
    beyond = loaded_sae("blocks.7.hook_resid_pre")
    assert bind(shared_language_model(), [fitting, wide, beyond]) == {
        "blocks.1.hook_resid_pre": (
            "SAE 'blocks.1.hook_resid_pre' takes activations of width 768, but "
            "'blocks.1.hook_resid_pre' of the model is 32 wide; is it the right model "
            "(--sae-model)?"
        ),
        "blocks.7.hook_resid_pre": (
            "SAE 'blocks.7.hook_resid_pre': hook point 'blocks.7.hook_resid_pre' is beyond the "
            f"model's 3 layers; supported are blocks.0 to blocks.2 with {', '.join(SITES)}, and "
            "hook_embed"
        ),
    }
