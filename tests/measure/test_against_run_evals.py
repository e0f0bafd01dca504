"""The engine's figures are those of sae_lens's own evals, on the same tokens and weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sae_checks.evals.context.columns import context_plan
from sae_checks.evals.context.measuring import measure_texts
from sae_checks.evals.context.table import POSITION_SUMS
from sae_checks.judge.thresholds import Thresholds
from sae_checks.load.language_model import LanguageModel
from sae_checks.load.sae import LoadedSae, load_sae
from sae_checks.records import PositionRange
from sae_checks.resolve.hook_point import of_head
from tests.architectures import BOS, D_MODEL, HEADS
from tests.builders import (
    hugging_face_model,
    random_texts,
    release,
    run_evals,
    sae,
    sae_ref,
    shared_hooked_transformer,
    texts_of,
)
from tests.measuring import ACTIVATION_COLUMNS, bind
from tests.places import cell_on_texts

HOOK_POINTS = (
    "blocks.0.hook_resid_pre",
    "blocks.1.hook_resid_mid",
    "blocks.2.hook_resid_post",
    "blocks.1.hook_mlp_out",
    "blocks.1.hook_attn_out",
    "blocks.2.attn.hook_z",
    "blocks.1.hook_mlp_in",
    "blocks.1.ln2.hook_normalized",
    "blocks.1.mlp.hook_post",
    "hook_embed",
)
ARCHITECTURES = ("standard", "gated", "jumprelu", "topk", "abstopk", "matching_pursuit")
LOSSES = frozenset({"ce_clean", "ce_sae", "kl", "ce_zero", "kl_zero"})
PLAN = context_plan(LOSSES | ACTIVATION_COLUMNS | {POSITION_SUMS})


@pytest.fixture(scope="module")
def gpt2():
    return hugging_face_model("gpt2")


@pytest.fixture(scope="module")
def texts(gpt2):
    """Tokens that the model predicts better than chance, or recovered loss would be 0 / 0."""
    tokens = random_texts().tokens
    likely = np.random.default_rng(1).random(tokens.shape) < 0.7
    for position in range(1, tokens.shape[1]):
        logits = gpt2(torch.from_numpy(tokens[:, :position])).logits[:, -1, 1:]
        best = 1 + logits.argmax(dim=-1).numpy()
        ordinary = likely[:, position] & (tokens[:, position] != BOS)
        tokens[:, position] = np.where(ordinary, best, tokens[:, position])
    # run_evals takes a KL divergence at the last position, where there is no loss; a special token
    # there is left out by both sides, so that the two means are over the same tokens.
    tokens[:, -1] = BOS
    return texts_of(tokens)


def explained_variance(table):
    """1 − Σ‖x − x̂‖² / Σ‖x − E[x]‖² over all measured tokens, from the table's own parts."""
    sums = table.position_sums
    tokens = sums.ordinary_counts.sum() + sums.massive_counts.sum()
    shift = (sums.ordinary_sums + sums.massive_sums).sum(axis=0)  # Σ(x − c), (d,)
    total = np.nansum(table.columns["squared_distance"]) - shift @ shift / tokens
    return 1 - np.nansum(table.columns["mse"]) / total


def figures(model, loaded, texts):
    assert bind(model, [loaded]) == {}
    table = measure_texts(model, [loaded], texts, PLAN)[loaded.ref.sae_id]
    mean = {name: np.nanmean(column) for name, column in table.columns.items()}
    recovered = (mean["ce_zero"] - mean["ce_sae"]) / (mean["ce_zero"] - mean["ce_clean"])
    whole = PositionRange(1, table.context - 1)
    cell = cell_on_texts("small", table, "sae", whole, "any", Thresholds(checks={}))
    return {
        "ce_loss_without_sae": mean["ce_clean"],
        "ce_loss_with_sae": mean["ce_sae"],
        "ce_loss_with_ablation": mean["ce_zero"],
        "ce_loss_score": recovered,
        "kl_div_with_sae": mean["kl"],
        "l0": mean["l0"],
        "l1": mean["l1"],
        "mse": mean["mse"],
        "l2_norm_in": mean["norm"],
        "explained_variance": explained_variance(table),
        "kl_div_with_ablation": mean["kl_zero"],
        "kl_div_score": cell.kl_recovered("kl_zero").value,
        "l2_norm_out": mean["reconstruction_norm"],
        "l2_ratio": cell.l2_ratio().value,
        "relative_reconstruction_bias": cell.relative_reconstruction_bias().value,
        "cossim": cell.cosine_similarity().value,
    }


def check_against_run_evals(made, gpt2, texts, *, center=False, loaded=None):
    hook_point = made.cfg.metadata.hook_name
    expected = run_evals(made, shared_hooked_transformer(center_writing_weights=center), texts)
    model = LanguageModel(gpt2, None, center_writing_weights=center)
    loaded = loaded or LoadedSae(sae_ref(hook_point, made.cfg.d_in), made)
    found = figures(model, loaded, texts)
    # A share of a difference: where that is small, rounding in both sides' losses shows.
    loss = expected["ce_loss_with_ablation"] - expected["ce_loss_without_sae"]
    whole = {"ce_loss_score": loss, "kl_div_score": expected["kl_div_with_ablation"]}
    for share, ablated in whole.items():
        rounding = 1e-4 + 3e-6 * (1 + abs(expected[share])) / abs(ablated)
        assert found.pop(share) == pytest.approx(expected[share], rel=1e-4, abs=rounding)
    assert found == pytest.approx({name: expected[name] for name in found}, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("center", [False, True], ids=["uncentered", "centered"])
@pytest.mark.parametrize("hook_point", HOOK_POINTS)
def test_every_site(gpt2, texts, hook_point, center):
    width = 4 * D_MODEL if hook_point.endswith("mlp.hook_post") else D_MODEL
    check_against_run_evals(sae("standard", hook_point, width), gpt2, texts, center=center)


@pytest.mark.parametrize("site", ["hook_q", "hook_k", "hook_v", "hook_z"])
def test_one_head(gpt2, texts, site):
    """run_evals replaces the head that hook_head_index names, and leaves the others."""
    hook_point = f"blocks.1.attn.{site}"
    metadata = {"hook_name": hook_point, "hook_head_index": 2, "model_name": "small"}
    made = sae("standard", hook_point, D_MODEL // HEADS, metadata=metadata)
    loaded = LoadedSae(sae_ref(of_head(hook_point, 2), D_MODEL // HEADS), made)
    check_against_run_evals(made, gpt2, texts, loaded=loaded)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture(gpt2, texts, architecture):
    check_against_run_evals(sae(architecture, "blocks.1.hook_resid_pre"), gpt2, texts)


@pytest.mark.parametrize("normalization", ["layer_norm", "constant_norm_rescale"])
def test_normalized_activations(gpt2, texts, normalization):
    made = sae("standard", "blocks.1.hook_resid_pre", normalize_activations=normalization)
    check_against_run_evals(made, gpt2, texts)


def test_no_decoder_bias_at_the_input(gpt2, texts):
    made = sae("jumprelu", "blocks.1.hook_resid_pre", apply_b_dec_to_input=False)
    check_against_run_evals(made, gpt2, texts)


def test_topk_scaled_by_decoder_norms(gpt2, texts):
    made = sae("topk", "blocks.1.hook_resid_pre", rescale_acts_by_decoder_norm=True)
    made.W_dec.data *= 1.5  # norms other than 1, or nothing is scaled
    check_against_run_evals(made, gpt2, texts)


def test_reshaped_hook_z_of_an_sae_saved_and_loaded(gpt2, texts, tmp_path):
    """An SAE that splits heads itself, by the way every SAE of a folder goes."""
    hook_point = "blocks.1.attn.hook_z"
    made = sae("standard", hook_point, reshape_activations="hook_z")
    made.save_model(tmp_path)
    ref = sae_ref(hook_point, location=str(tmp_path))
    loaded = load_sae(release(ref), ref)
    check_against_run_evals(made, gpt2, texts, loaded=loaded)


def test_temporal_features(gpt2, texts):
    """Sparsity agrees; run_evals reconstructs without the predicted codes, which is not the SAE's
    reconstruction (sae_lens says so itself whenever it decodes), so the rest is not compared."""
    hook_point = "blocks.1.hook_resid_pre"
    made = sae("temporal", hook_point, tied_weights=False)  # run_evals wants an encoder
    expected = run_evals(made, shared_hooked_transformer(), texts)
    loaded = LoadedSae(sae_ref(hook_point, architecture="temporal"), made)
    found = figures(LanguageModel(gpt2, None), loaded, texts)
    compared = ("l0", "l1", "l2_norm_in", "ce_loss_without_sae", "ce_loss_with_ablation")
    assert {name: found[name] for name in compared} == pytest.approx(
        {name: expected[name] for name in compared}, rel=1e-4
    )
