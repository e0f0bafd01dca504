"""An MLP copied into a transcoder costs nothing, and sae_lens's own evals cannot see that."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from sae_checks.evals.context.columns import context_plan
from sae_checks.evals.context.measuring import measure_texts
from sae_checks.evals.context.table import INPUT_NORM, POSITION_SUMS
from sae_checks.judge.thresholds import Thresholds
from sae_checks.load.language_model import LanguageModel
from sae_checks.records import PositionRange
from tests.builders import (
    CONTEXT,
    D_MODEL,
    hooked_transformer,
    hugging_face_model,
    random_texts,
    run_evals,
    transcoder,
)
from tests.exact_transcoders import copy_mlp, with_relu
from tests.measuring import TEXT_COLUMNS, bind
from tests.places import cell_on_texts

WRITES = "blocks.1.hook_mlp_out"
PLAN = context_plan(frozenset({*TEXT_COLUMNS, POSITION_SUMS}))
ARCHITECTURES = (
    "transcoder",
    "skip_transcoder",
    "jumprelu_transcoder",
    "jumprelu_skip_transcoder",
)


def exact(gpt2, architecture, reads="blocks.1.mlp.hook_in"):
    block = gpt2.transformer.h[1]
    loaded = transcoder(architecture, reads, WRITES, d_sae=4 * D_MODEL)
    scaled = (block.ln_2.weight, block.ln_2.bias) if "normalized" in reads else ()
    copy_mlp(block.mlp, loaded.sae, *scaled)
    return loaded


@pytest.mark.parametrize("reads", ["blocks.1.mlp.hook_in", "blocks.1.ln2.hook_normalized"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_mlp_copied_into_a_transcoder_costs_nothing(architecture, reads):
    texts, model = random_texts(), LanguageModel(with_relu(hugging_face_model("gpt2")), None)
    loaded = exact(model.hf, architecture, reads)
    assert bind(model, [loaded]) == {}
    table = measure_texts(model, [loaded], texts, PLAN)[reads]
    columns = table.columns
    assert np.nanmax(np.abs(columns["ce_sae"] - columns["ce_clean"])) < 1e-5
    assert np.nanmax(columns["kl"]) < 1e-6
    assert np.nanmax(columns["mse"]) < 1e-8
    # Not because nothing hangs on it.
    assert np.nanmean(np.abs(columns["ce_zero"] - columns["ce_clean"])) > 0.01
    everywhere = PositionRange(1, CONTEXT - 1)
    cell = cell_on_texts("small", table, "in_context", everywhere, "mse", Thresholds())
    assert cell.explained_variance().value == pytest.approx(1, abs=1e-6)


def test_without_its_skip_term_it_is_another_one():
    texts, model = random_texts(), LanguageModel(with_relu(hugging_face_model("gpt2")), None)
    loaded = exact(model.hf, "skip_transcoder")
    assert bind(model, [loaded]) == {}
    loaded.sae.W_skip.data.zero_()
    columns = measure_texts(model, [loaded], texts, PLAN)[loaded.ref.sae_id].columns
    assert np.nanmean(columns["mse"]) > 0.1
    assert np.nanmean(columns["kl"]) > 1e-4


def test_run_evals_replaces_what_a_transcoder_reads():
    """sae_lens's evals put the output where the input was, and hold it against the input."""
    texts, reads = random_texts(), "blocks.1.ln2.hook_normalized"
    gpt2 = with_relu(hugging_face_model("gpt2"))
    loaded = exact(gpt2, "transcoder", reads)
    theirs = run_evals(loaded.sae, hooked_transformer(gpt2), texts)
    assert abs(theirs["ce_loss_with_sae"] - theirs["ce_loss_without_sae"]) > 1e-4
    assert theirs["explained_variance"] < 0

    model = LanguageModel(gpt2, None)
    assert bind(model, [loaded]) == {}
    columns = measure_texts(model, [loaded], texts, PLAN)[reads].columns
    # What does not depend on where it writes is the same.
    assert theirs["l0"] == pytest.approx(np.nanmean(columns["l0"]), rel=1e-4)
    assert theirs["l2_norm_in"] == pytest.approx(np.nanmean(columns[INPUT_NORM]), rel=1e-4)
    assert theirs["ce_loss_without_sae"] == pytest.approx(np.nanmean(columns["ce_clean"]), rel=1e-4)


@pytest.mark.parametrize("architecture", ["transcoder", "skip_transcoder"])
def test_sae_lenss_hooked_transformer_writes_at_the_right_place_without_the_skip_term(architecture):
    from sae_lens import HookedSAETransformer

    texts, reads = random_texts(), "blocks.1.ln2.hook_normalized"
    gpt2 = with_relu(hugging_face_model("gpt2"))
    hooked = hooked_transformer(gpt2)
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the class itself, gone in 4.0
        theirs = HookedSAETransformer(hooked.cfg)
    theirs.load_state_dict(hooked.state_dict())
    theirs.eval().requires_grad_(False)
    loaded = exact(gpt2, architecture, reads)
    tokens = torch.from_numpy(texts.tokens)
    clean = theirs(tokens)
    difference = (theirs.run_with_saes(tokens, saes=[loaded.sae]) - clean).abs().max()
    assert difference < 1e-3 if architecture == "transcoder" else difference > 0.1
