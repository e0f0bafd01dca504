"""First-layer SAEs without positional vectors: against plain hooks, and by identities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from sae_checks.evals.context.columns import context_plan
from sae_checks.evals.context.measuring import measure_texts
from sae_checks.evals.positions import ADDED, COLUMNS, EVALUATION, PositionTable
from sae_checks.evals.positions.cells import PositionCell
from sae_checks.evals.positions.measuring import PositionMeasurer
from sae_checks.judge.estimate import Estimate
from sae_checks.judge.thresholds import Thresholds
from sae_checks.load.language_model import LanguageModel
from sae_checks.load.sae import LoadedSae
from sae_checks.measure.evaluation import Measuring
from sae_checks.measure.loaded import SaeSource
from sae_checks.measure.once import measure_once
from sae_checks.measure.pass_options import PassOptions
from sae_checks.measure.plan import Plan
from sae_checks.measure.texts import TextDataset
from sae_checks.records import Intervention, PositionRange
from tests.builders import (
    D_MODEL,
    IdentitySae,
    hugging_face_model,
    loaded_sae,
    random_texts,
    sae_ref,
)
from tests.load.plain_hooks import PlainHooks
from tests.measuring import bind
from tests.places import cell_on_texts

HOOK = "blocks.0.hook_resid_pre"
NEEDS = frozenset({"ce_token_part", "ce_mean_position"})
TEXTS = random_texts(texts=12)
TRAINED = 16  # the training context of `sae_ref`


def measured(
    sae: LoadedSae,
    architecture: str = "gpt2",
    *,
    needs: frozenset[str] = NEEDS,
    settings: PassOptions = PassOptions(),
    centred: bool = False,
) -> PositionTable:
    model = LanguageModel(hugging_face_model(architecture), None, center_writing_weights=centred)
    assert not bind(model, [sae])
    measuring = Measuring(
        model,
        SaeSource.of([sae]),
        TextDataset(TEXTS),
        EVALUATION.interventions([sae.ref]),
        Plan.of(COLUMNS, needs),
        settings,
    )
    (table,) = measure_once(measuring, PositionMeasurer(measuring))
    assert isinstance(table, PositionTable)
    return table


def plain(
    sae: LoadedSae,
    held_back: torch.Tensor,
    read: Callable[[torch.Tensor], torch.Tensor] = lambda x: x,
) -> np.ndarray:
    """−ln p(next token) with SAE(x − held back) + held back put in the place of x, by a hook."""
    tokens = torch.from_numpy(TEXTS.tokens)
    special = torch.from_numpy(TEXTS.special)

    def change(x: torch.Tensor) -> torch.Tensor:
        made = sae.sae.decode(sae.sae.encode(read(x) - held_back)) + held_back
        return torch.where(special.unsqueeze(-1), x, made)

    logits = PlainHooks("gpt2").run(tokens, {HOOK: change})
    log_p = torch.log_softmax(logits[:, :-1].float(), dim=-1)
    losses = -log_p.gather(-1, tokens[:, 1:, None])[..., 0].numpy()
    return np.where(TEXTS.special[:, :-1], np.nan, losses)


def test_losses_are_those_of_a_plain_hook():
    sae = loaded_sae(HOOK)
    table = measured(sae)
    vectors = hugging_face_model("gpt2").transformer.wpe.weight[: TEXTS.tokens.shape[1]].detach()
    for name, held_back in (
        ("ce_token_part", vectors),
        ("ce_mean_position", vectors - vectors[1:TRAINED].mean(0)),
    ):
        np.testing.assert_allclose(table.columns[name][:, :-1], plain(sae, held_back), atol=1e-5)
        assert np.isnan(table.columns[name][:, -1]).all()


def test_of_a_centred_model_the_vectors_are_centred_too():
    """What the SAE reads and what is added after it both have a mean of 0."""
    sae = loaded_sae(HOOK)
    vectors = hugging_face_model("gpt2").transformer.wpe.weight[: TEXTS.tokens.shape[1]].detach()
    expected = plain(sae, centre(vectors), read=centre)
    found = measured(sae, centred=True).columns["ce_token_part"]
    np.testing.assert_allclose(found[:, :-1], expected, atol=1e-4)


def centre(x: torch.Tensor) -> torch.Tensor:
    return x - x.mean(dim=-1, keepdim=True)


def test_batches_change_no_figure_beyond_rounding():
    one, some = (
        measured(loaded_sae(HOOK)),
        measured(loaded_sae(HOOK), settings=PassOptions(batch_tokens=32)),
    )
    for name in NEEDS:
        np.testing.assert_allclose(one.columns[name], some.columns[name], atol=1e-5)


def test_only_what_is_asked_is_measured():
    assert set(measured(loaded_sae(HOOK), needs=frozenset({"ce_token_part"})).columns) == {
        ADDED,
        "ce_token_part",
    }


def test_it_is_measured_at_the_first_layer_alone():
    others = [sae_ref(hook, D_MODEL) for hook in (HOOK, "hook_embed", "blocks.1.hook_resid_pre")]
    assert EVALUATION.interventions(others) == [Intervention((others[0],))]


# --- The share ------------------------------------------------------------------------------------


def share(sae: LoadedSae, architecture: str = "gpt2", **changes: np.ndarray) -> Estimate:
    """Of the whole gate's cell, with columns changed."""
    model = LanguageModel(hugging_face_model(architecture), None)
    assert not bind(model, [sae])
    plan = context_plan(frozenset({"ce_clean", "ce_sae"}))
    table = measure_texts(model, [sae], TEXTS, plan)[sae.ref.sae_id]
    columns = {**table.columns, **measured(sae, architecture).columns, **changes}
    return of_columns(replace(table, columns=columns))


def of_columns(table) -> Estimate:
    past = PositionRange(TRAINED, table.context - 2)
    whole = cell_on_texts("small", table, "first_layer", past, "position_share", Thresholds())
    cell = PositionCell(whole.place, "position_share", Thresholds(), whole)
    return cell.share_removed("ce_token_part")


def losses(clean: float, inside: float, past: float) -> np.ndarray:
    """(texts, C): what is added to the clean loss within the training context, and past it."""
    rng, shape = np.random.default_rng(0), TEXTS.tokens.shape
    added = np.where(np.arange(shape[1]) < TRAINED, inside, past)
    made = clean + added * (1 + 0.1 * rng.normal(size=(shape[0], 1)))
    made[:, -1] = np.nan
    return np.where(TEXTS.special, np.nan, made)


def test_a_perfect_sae_leaves_no_failure_to_explain():
    perfect = LoadedSae(sae_ref(HOOK, D_MODEL), IdentitySae())
    estimate = share(perfect)
    assert estimate.inapplicable
    assert estimate.reason == (
        "ΔCE past the training context is not above 0 beyond doubt: there is no failure to explain"
    )


def test_where_positions_are_not_added_it_is_not_applicable():
    estimate = share(loaded_sae(HOOK), "llama")
    assert estimate.inapplicable
    assert estimate.reason == (
        "the model adds no positional vectors to its token embeddings (its positions are rotary, "
        "or part of attention)"
    )


def test_at_another_hook_point_it_is_not_applicable():
    cell = PositionCell(None, "position_share", Thresholds(), None)  # type: ignore[arg-type]
    estimate = cell.share_removed("ce_token_part")
    assert estimate.inapplicable
    assert estimate.reason == (
        "only an SAE at blocks.0.hook_resid_pre reads token and positional vectors and nothing else"
    )


def test_a_share_by_hand():
    """ΔCE grows from 0.1 to 4 nats past the training context, and to 1 without positions."""
    clean = losses(3, 0, 0)
    estimate = share(
        loaded_sae(HOOK),
        ce_clean=clean,
        ce_sae=losses(3, 0.1, 4.0),
        ce_token_part=losses(3, 0.2, 1.0),
    )
    assert estimate.value == pytest.approx(0.75)
    assert (estimate.low, estimate.high) == pytest.approx((0.75, 0.75))  # alike in every text
    notes = dict(estimate.notes)
    assert notes["without_positions_past_context"] == pytest.approx(1.0, rel=0.1)
    assert notes["without_positions_in_context"] == pytest.approx(0.2, rel=0.1)


def test_a_loss_that_is_not_finite_is_no_gap():
    broken = losses(3, 0.2, 1.0)
    broken[3, 20] = np.nan
    estimate = share(
        loaded_sae(HOOK),
        ce_clean=losses(3, 0, 0),
        ce_sae=losses(3, 0.1, 4.0),
        ce_token_part=broken,
    )
    assert (estimate.reason, estimate.inapplicable) == (
        "ce_token_part is not finite on 1 token of 1 text",
        False,
    )
