"""Stacks equal hooks on the Hugging Face model that apply each SAE in turn."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sae_checks.evals.context.columns import context_plan
from sae_checks.evals.context.measuring import measure_texts
from sae_checks.evals.stack import COLUMNS
from sae_checks.evals.stack.measuring import StackMeasurer
from sae_checks.load.sae import LoadedSae
from sae_checks.measure.evaluation import Measuring
from sae_checks.measure.loaded import SaeSource
from sae_checks.measure.once import measure_once
from sae_checks.measure.pass_options import PassOptions
from sae_checks.measure.plan import Plan
from sae_checks.measure.texts import TextDataset
from sae_checks.records import Intervention
from tests.architectures import ARCHITECTURES, CONTEXT
from tests.builders import (
    IdentitySae,
    loaded_sae,
    random_texts,
    sae_ref,
    shared_language_model,
)
from tests.exhaustive import every_other
from tests.load.plain_hooks import PlainHooks, lacks, shared_plain_hooks
from tests.measuring import bind

PLAN = Plan.of(COLUMNS, frozenset({"kl"}))
# In the order of the model; several in one block, and both of its edges.
SITES = (
    "hook_embed",
    "blocks.0.hook_resid_pre",
    "blocks.1.hook_resid_pre",
    "blocks.1.attn.hook_z",
    "blocks.1.hook_attn_out",
    "blocks.1.hook_resid_mid",
    "blocks.1.hook_mlp_out",
    "blocks.2.hook_attn_out",
    "blocks.2.hook_mlp_out",
    "blocks.2.hook_resid_post",
)
RESIDUAL = ("blocks.0.hook_resid_pre", "blocks.1.hook_resid_pre", "blocks.2.hook_resid_post")


def measured(saes, texts, settings=PassOptions(), model=None):
    """By SAE, the table of the prefix up to it."""
    model = model or shared_language_model()
    assert bind(model, saes) == {}
    interventions = [Intervention(tuple(sae.ref for sae in saes))]
    measuring = Measuring(
        model, SaeSource.of(saes), TextDataset(texts), interventions, PLAN, settings
    )
    tables = measure_once(measuring, StackMeasurer(measuring))
    assert [table.observed for table in tables] == [sae.ref for sae in saes]
    return {table.observed.sae_id: table for table in tables}


def identity(hook_point):
    return LoadedSae(sae_ref(hook_point), IdentitySae())


def spliced(sae, keep):
    """What plain hooks put in an activation's place, but on the tokens that keep theirs."""

    def replace(x):
        return torch.where(keep.unsqueeze(-1), x, sae.sae.decode(sae.sae.encode(x)))

    return replace


def reference(architecture, saes, texts):
    """log p (texts, C, V) with some SAEs hooked in."""
    keep = torch.from_numpy(texts.special)
    hooks = {sae.ref.hook_point: spliced(sae, keep) for sae in saes}
    tokens = torch.from_numpy(texts.tokens)
    return shared_plain_hooks(architecture).run(tokens, hooks).double().log_softmax(dim=-1)


@pytest.mark.parametrize("architecture", every_other(ARCHITECTURES, 3))
def test_every_prefix_equals_plain_hooks(architecture):
    texts = random_texts(texts=4)
    sites = [site for site in SITES if not lacks(architecture, site)]
    saes = [loaded_sae(site, seed=n) for n, site in enumerate(sites)]
    tables = measured(saes, texts, model=shared_language_model(architecture))
    clean = reference(architecture, [], texts)
    targets = torch.from_numpy(texts.tokens)[:, 1:, None]
    for number, sae in enumerate(saes, 1):
        columns = tables[sae.ref.sae_id].columns
        log_p = reference(architecture, saes[:number], texts)
        expected = {
            "ce_clean": -clean[:, :-1].gather(-1, targets).squeeze(-1),
            "ce_sae": -log_p[:, :-1].gather(-1, targets).squeeze(-1),
            "kl": (clean.exp() * (clean - log_p)).sum(-1)[:, :-1],
        }
        for name, values in expected.items():
            found = columns[name][:, :-1]
            there = ~np.isnan(found)
            assert there.sum() == (~texts.special[:, 1:-1]).sum(), name
            np.testing.assert_allclose(
                found[there], values.numpy()[there], rtol=2e-3, atol=2e-3, err_msg=name
            )


def test_norms_are_of_what_the_saes_before_left():
    texts = random_texts()
    saes = [loaded_sae(site) for site in RESIDUAL]
    tables = measured(saes, texts)
    seen = {}
    keep = torch.from_numpy(texts.special)
    hooks = {sae.ref.hook_point: spliced(sae, keep) for sae in saes[:2]}
    hooks[RESIDUAL[2]] = lambda x: seen.setdefault("x", x)
    PlainHooks("gpt2").run(torch.from_numpy(texts.tokens), hooks)
    found = tables[RESIDUAL[2]].columns["norm"]
    there = ~np.isnan(found)
    np.testing.assert_allclose(found[there], seen["x"].norm(dim=-1).numpy()[there], rtol=1e-4)


@pytest.mark.parametrize("site", SITES)
def test_a_stack_of_one_equals_the_single_splice_to_the_bit(site):
    texts, sae = random_texts(), loaded_sae(site)
    single = measured([sae], texts)[site]
    model = shared_language_model()
    bind(model, [sae])
    plan = context_plan(frozenset({"ce_clean", "ce_sae", "kl"}))
    expected = measure_texts(model, [sae], texts, plan)[site]
    assert single.columns.keys() == expected.columns.keys()
    for name, values in expected.columns.items():
        np.testing.assert_array_equal(single.columns[name], values, err_msg=name)
    np.testing.assert_array_equal(single.massive, expected.massive)
    np.testing.assert_array_equal(single.documents, expected.documents)


def test_perfect_saes_cost_nothing_at_all():
    tables = measured([identity(site) for site in RESIDUAL], random_texts())
    for table in tables.values():
        np.testing.assert_array_equal(table.columns["ce_sae"], table.columns["ce_clean"])
        assert np.nanmax(table.columns["kl"]) == 0


@pytest.mark.parametrize("center", [False, True], ids=["uncentered", "centered"])
def test_perfect_saes_cost_nothing_but_rounding_at_any_site(center):
    tables = measured(
        [identity(site) for site in SITES],
        random_texts(),
        model=shared_language_model(center=center),
    )
    for table in tables.values():
        np.testing.assert_allclose(table.columns["ce_sae"], table.columns["ce_clean"], rtol=1e-4)


def test_batches_and_how_many_states_are_held_change_nothing(monkeypatch):
    texts, saes = random_texts(), [loaded_sae(site) for site in RESIDUAL]
    whole = measured(saes, texts)
    monkeypatch.setattr("sae_checks.evals.stack.measuring.HELD_PASSES", 2)
    monkeypatch.setattr("sae_checks.evals.stack.measuring.tokens_at_once", lambda width: 7)
    pieces = measured(saes, texts, PassOptions(batch_tokens=4 * CONTEXT))
    for name, table in whole.items():
        for column, values in table.columns.items():
            found = pieces[name].columns[column]
            np.testing.assert_allclose(found, values, rtol=1e-4, atol=1e-4, err_msg=column)


def test_a_stack_that_is_not_in_the_order_of_the_model_is_refused():
    """Its prefixes would be told apart wrongly."""
    texts, saes = random_texts(), [loaded_sae(site) for site in RESIDUAL]
    with pytest.raises(ValueError, match=r"is not in the order of the model, which is blocks\.0"):
        measured(saes[::-1], texts)


# Of one module, so that one's splice meets the other's on the way.
SHARED = ("blocks.1.hook_resid_mid", "blocks.1.hook_mlp_in", "blocks.1.hook_mlp_out")


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "gemma2"])
def test_places_of_one_module(architecture):
    texts, saes = random_texts(texts=4), [loaded_sae(site, seed=n) for n, site in enumerate(SHARED)]
    tables = measured(saes, texts, model=shared_language_model(architecture))
    log_p = reference(architecture, saes, texts)
    targets = torch.from_numpy(texts.tokens)[:, 1:, None]
    expected = -log_p[:, :-1].gather(-1, targets).squeeze(-1).numpy()
    found = tables[saes[-1].ref.sae_id].columns["ce_sae"][:, :-1]
    known = ~np.isnan(found)
    np.testing.assert_allclose(found[known], expected[known], rtol=1e-4, atol=1e-4)


def test_a_pass_and_an_encoding_per_sae_give_all_prefixes(monkeypatch):
    model, saes, called = shared_language_model(), [loaded_sae(site) for site in SITES], []
    resume_with = model.resume_with

    def resumed(clean, hook_point, *args):
        called.append(hook_point)
        return resume_with(clean, hook_point, *args)

    monkeypatch.setattr(model, "resume_with", resumed)
    for sae in saes:
        encode = sae.sae.encode
        monkeypatch.setattr(
            sae.sae, "encode", lambda x, of=encode: (called.append("encoded"), of(x))[1]
        )
    bind(model, saes)
    called.clear()
    measured(saes, random_texts(texts=1), model=model)
    assert [name for name in called if name != "encoded"][-len(SITES) :] == list(SITES)
    assert called.count("encoded") == len(SITES)
