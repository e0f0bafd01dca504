"""Transcoders: read at one hook point, written at another, as a plain loop of hooks does it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sae_checks.evals.context.columns import context_plan
from sae_checks.evals.context.measuring import measure_texts
from sae_checks.evals.context.table import INPUT_NORM, POSITION_SUMS
from sae_checks.measure.engine import listen
from sae_checks.measure.listener import Listener
from sae_checks.measure.loaded import SaeSource
from sae_checks.measure.pass_options import PassOptions
from sae_checks.measure.texts import TextDataset
from sae_checks.records import Intervention
from tests.architectures import HEADS
from tests.builders import (
    BOS,
    CONTEXT,
    D_MODEL,
    language_model,
    loaded_sae,
    random_texts,
    shared_language_model,
    transcoder,
)
from tests.load.plain_hooks import PlainHooks
from tests.measuring import TEXT_COLUMNS, bind

ARCHITECTURES = (
    "transcoder",
    "skip_transcoder",
    "jumprelu_transcoder",
    "jumprelu_skip_transcoder",
)
ACROSS_MLP = ("blocks.1.hook_resid_mid", "blocks.1.hook_mlp_out")
# Where people's transcoders read and write, and others that take another way through the loop.
PLACES = (
    ("blocks.1.ln2.hook_normalized", "blocks.1.hook_mlp_out"),
    ("blocks.1.mlp.hook_in", "blocks.1.hook_mlp_out"),
    ("blocks.1.hook_mlp_in", "blocks.1.mlp.hook_out"),
    ("blocks.0.hook_resid_pre", "blocks.2.hook_resid_post"),
    ("blocks.2.attn.hook_z.head_2", "blocks.2.hook_attn_out"),
)
PLAN = context_plan(frozenset({*TEXT_COLUMNS, POSITION_SUMS}))


def by_definition(sae, x):
    """Features and output of the weights of any of them, (..., d_sae) and (..., d_out)."""
    before = x @ sae.W_enc + sae.b_enc
    features = before.relu() * (before > getattr(sae, "threshold", 0.0))
    skip = x @ sae.W_skip.T if hasattr(sae, "W_skip") else 0.0
    return features, features @ sae.W_dec + sae.b_dec + skip


def plain(architecture, texts, places):
    """Figures of tokens from a pass with transcoders hooked in, each (sae, reads, writes)."""
    model, tokens = PlainHooks(architecture), torch.from_numpy(texts.tokens)
    seen = {}

    def keep(name):
        return lambda value: seen.__setitem__(name, value.clone()) or value

    def put(sae, reads, writes):
        def change(value):
            features, output = by_definition(sae, seen[reads])
            seen[reads, writes] = features, output, value
            return torch.where((tokens == BOS).unsqueeze(-1), value, output)

        return change

    clean = model.run(tokens, {})
    changes = {reads: keep(reads) for _, reads, _ in places}
    spliced = model.run(
        tokens, changes | {writes: put(sae, reads, writes) for sae, reads, writes in places}
    )
    return {"seen": seen, "clean": clean.log_softmax(-1), "spliced": spliced.log_softmax(-1)}


def losses(log_p, texts):
    next_tokens = torch.from_numpy(texts.tokens)[:, 1:, None]
    return -log_p[:, :-1].gather(-1, next_tokens).squeeze(-1).numpy()


def assert_column(table, name, expected, atol=1e-4):
    """Where it is measured at all, and nowhere else is anything measured."""
    found = table.columns[name][:, : expected.shape[1]]
    measured = ~np.isnan(found)
    assert measured.sum() > 100
    np.testing.assert_allclose(
        found[measured], np.asarray(expected)[measured], rtol=1e-4, atol=atol, err_msg=name
    )


@pytest.mark.parametrize(
    ("architecture", "reads", "writes"),
    [
        *((architecture, *ACROSS_MLP) for architecture in ARCHITECTURES),
        *(("jumprelu_skip_transcoder", *place) for place in PLACES),
    ],
)
def test_figures_are_those_of_a_plain_loop_of_hooks(architecture, reads, writes):
    width = D_MODEL // HEADS if "head" in reads else D_MODEL
    loaded = transcoder(architecture, reads, writes, d_in=width)
    texts, model = random_texts(), shared_language_model()
    assert bind(model, [loaded]) == {}
    table = measure_texts(model, [loaded], texts, PLAN)[reads]

    found = plain("gpt2", texts, [(loaded.sae, reads, writes)])
    x, (features, output, y) = found["seen"][reads], found["seen"][reads, writes]
    kl = (found["clean"].exp() * (found["clean"] - found["spliced"])).sum(-1)
    assert_column(table, "mse", (y - output).square().sum(-1), atol=1e-3)
    assert_column(table, "l0", (features != 0).sum(-1))
    assert_column(table, "l1", features.sum(-1))
    assert_column(table, "norm", y.norm(dim=-1))
    assert_column(table, INPUT_NORM, x.norm(dim=-1))
    assert_column(table, "ce_clean", losses(found["clean"], texts))
    assert_column(table, "ce_sae", losses(found["spliced"], texts))
    assert_column(table, "kl", kl[:, :-1])

    # All six texts are calibration texts, so the centre is the mean of the measured tokens.
    measured = torch.from_numpy(~texts.special)
    measured[:, 0] = False
    centre = y[measured].double().mean(0)
    assert_column(table, "squared_distance", (y - centre).square().sum(-1), atol=1e-3)
    for column, constant in (("ce_zero", torch.zeros(D_MODEL)), ("ce_mean", centre.float())):
        ablated = PlainHooks("gpt2").run(
            torch.from_numpy(texts.tokens), {writes: lambda v, c=constant: c.expand_as(v)}
        )
        assert_column(table, column, losses(ablated.log_softmax(-1), texts))
    sums = (table.position_sums.ordinary_sums + table.position_sums.massive_sums)[5]
    here = measured[:, 5]
    np.testing.assert_allclose(sums, (y[here, 5].double() - centre).sum(0), atol=1e-3)


def test_it_may_write_at_another_width_than_it_reads():
    reads, writes = "blocks.1.hook_resid_mid", "blocks.1.mlp.hook_pre"
    loaded = transcoder("skip_transcoder", reads, writes, 4 * D_MODEL)
    texts, model = random_texts(), shared_language_model()
    assert bind(model, [loaded]) == {}
    table = measure_texts(model, [loaded], texts, PLAN)[reads]
    assert table.position_sums.ordinary_sums.shape == (CONTEXT, 4 * D_MODEL)
    tokens = torch.from_numpy(texts.tokens)
    clean = model.clean(tokens, [reads, writes])
    expected = clean.taps[writes] - by_definition(loaded.sae, clean.taps[reads])[1]
    assert_column(table, "mse", expected.square().sum(-1), atol=1e-3)


def test_tables_of_saes_have_no_input_norm():
    texts, model = random_texts(), shared_language_model()
    saes = [loaded_sae("blocks.1.hook_resid_mid"), transcoder("transcoder", *PLACES[1])]
    assert bind(model, saes) == {}
    tables = measure_texts(model, saes, texts, PLAN)
    assert tables["blocks.1.hook_resid_mid"].norms == ("norm",)
    assert tables["blocks.1.mlp.hook_in"].norms == ("norm", INPUT_NORM)
    alone = measure_texts(model, saes[:1], texts, PLAN)["blocks.1.hook_resid_mid"]
    for name, column in alone.columns.items():
        np.testing.assert_array_equal(tables[alone.sae.sae_id].columns[name], column, err_msg=name)


def test_a_token_that_is_massive_where_it_is_read_is_massive():
    model, texts = language_model(), random_texts()
    texts.tokens[texts.tokens == 7] = 8
    texts.tokens[1, 5] = 7
    model.hf.get_input_embeddings().weight.data[7] *= 300
    loaded = transcoder("transcoder", *ACROSS_MLP)
    assert bind(model, [loaded]) == {}
    table = measure_texts(model, [loaded], texts, PLAN)[ACROSS_MLP[0]]
    assert table.columns["norm"][1, 5] < 10 * np.nanmedian(table.columns["norm"])
    assert np.argwhere(table.massive).tolist() == [[1, 5]]
    assert table.position_sums.massive_counts[5] == 1


class Gathering(Listener):
    """Keeps what it is told of each SAE, and the final states."""

    encodes = splices = True

    def __init__(self, intervention, observed=()):
        self.interventions, self._observed = [intervention], observed
        self.told, self.final = {}, None

    def observed(self, intervention):
        return self._observed

    def inputs(self, seen, x):
        self.told[seen.sae.sae_id, "x"] = x.clone()

    def activations(self, seen, x):
        self.told[seen.sae.sae_id, "y"] = x.clone()

    def reconstruction(self, seen, x, reconstruction):
        self.told[seen.sae.sae_id, "output"] = reconstruction.clone()

    def resumed(self, intervention, final):
        self.final = final


def gathered(model, saes, texts, intervention, observed=()):
    assert bind(model, saes) == {}
    listener, dataset = Gathering(intervention, observed), TextDataset(texts)
    batches = dataset.batches(np.arange(len(texts.tokens)), model, PassOptions())
    listen(model, SaeSource.of(saes), batches, [listener])
    return listener


def test_several_at_once_read_what_the_ones_before_left():
    """One reads before the first one writes, one where another one writes, one further down."""
    places = [
        ("blocks.0.hook_resid_pre", "blocks.0.hook_mlp_out"),
        ("blocks.0.ln2.hook_normalized", "blocks.1.hook_attn_out"),
        ("blocks.1.mlp.hook_in", "blocks.1.hook_mlp_out"),
        ("blocks.1.hook_mlp_out", "blocks.1.hook_resid_post"),
        # What the one before wrote, by the place's other name.
        ("blocks.2.hook_resid_pre", "blocks.2.hook_resid_post"),
    ]
    kinds = [*ARCHITECTURES, "skip_transcoder"]
    saes = [
        transcoder(architecture, *place, seed=seed)
        for seed, (architecture, place) in enumerate(zip(kinds, places, strict=True))
    ]
    texts, model = random_texts(), shared_language_model()
    several = Intervention(tuple(sae.ref for sae in reversed(saes)))
    found = gathered(model, saes, texts, several)

    hooked = [(sae.sae, *place) for sae, place in zip(saes, places, strict=True)]
    expected = plain_in_order(texts, hooked)
    log_p = model.unembed(found.final).log_softmax(-1)
    torch.testing.assert_close(log_p, expected["spliced"], rtol=1e-4, atol=1e-4)
    for sae in saes:
        for name in ("x", "y"):
            told = found.told[sae.ref.sae_id, name]
            hook_point = sae.ref.hook_point if name == "x" else sae.ref.writes
            torch.testing.assert_close(told, expected[hook_point, name], rtol=1e-4, atol=1e-4)


def plain_in_order(texts, places):
    """A pass by hand: at every hook point first what is written there, then what is read."""
    model, tokens = PlainHooks("gpt2"), torch.from_numpy(texts.tokens)
    writers = {writes: (sae, reads) for sae, reads, writes in places}
    readers, found = {reads for _, reads, _ in places}, {}

    def at(hook_point):
        def change(value):
            if hook_point in writers:
                sae, reads = writers[hook_point]
                found[hook_point, "y"] = value.clone()
                output = by_definition(sae, found[reads, "x"])[1]
                value = torch.where((tokens == BOS).unsqueeze(-1), value, output)
            if hook_point in readers:
                found[hook_point, "x"] = value.clone()
            return value

        return change

    logits = model.run(tokens, {name: at(name) for name in {*writers, *readers}})
    return found | {"spliced": logits.log_softmax(-1)}


def test_one_observed_downstream_reads_what_the_spliced_model_makes_of_its_input():
    spliced = transcoder("skip_transcoder", "blocks.0.hook_resid_mid", "blocks.0.hook_mlp_out")
    observed = transcoder("skip_transcoder", *ACROSS_MLP, seed=1)
    around = transcoder("transcoder", "blocks.0.hook_resid_pre", "blocks.2.hook_mlp_out", seed=2)
    texts, model = random_texts(), shared_language_model()
    found = gathered(
        model,
        [spliced, observed, around],
        texts,
        Intervention((spliced.ref,)),
        (observed.ref, around.ref),
    )
    places = [(sae.sae, sae.ref.hook_point, sae.ref.writes) for sae in (spliced, observed, around)]
    one = plain("gpt2", texts, places[:1])
    assert_reads(found, observed, one, texts, places)
    assert_reads(found, around, one, texts, places)


def assert_reads(found, sae, one, texts, places):
    """Against a pass with the first place alone spliced in, in which the others are only seen."""
    model, tokens, seen = PlainHooks("gpt2"), torch.from_numpy(texts.tokens), {}
    _, first_reads, first_writes = places[0]
    output = torch.where(
        (tokens == BOS).unsqueeze(-1), *reversed(one["seen"][first_reads, first_writes][1:])
    )
    watched = {
        at: (lambda v, n=at: seen.setdefault(n, v.clone())) for at in sae.ref.hooks.split("->")
    }
    model.run(tokens, {first_writes: lambda value: output} | watched)
    torch.testing.assert_close(
        found.told[sae.ref.sae_id, "x"], seen[sae.ref.hook_point], rtol=1e-4, atol=1e-4
    )
    torch.testing.assert_close(
        found.told[sae.ref.sae_id, "y"], seen[sae.ref.writes], rtol=1e-4, atol=1e-4
    )


def test_those_that_do_not_fit_the_model():
    narrow = transcoder("transcoder", *ACROSS_MLP, d_out=8)
    backwards = transcoder("transcoder", "blocks.1.hook_mlp_out", "blocks.0.hook_mlp_out")
    within = transcoder("transcoder", "blocks.2.hook_mlp_out", "blocks.2.hook_resid_mid")
    assert bind(shared_language_model(), [narrow, backwards, within]) == {
        "blocks.1.hook_resid_mid": (
            "SAE 'blocks.1.hook_resid_mid' writes activations of width 8, but "
            "'blocks.1.hook_mlp_out' of the model is 32 wide; is it the right model (--sae-model)?"
        ),
        "blocks.1.hook_mlp_out": (
            "SAE 'blocks.1.hook_mlp_out' writes at 'blocks.0.hook_mlp_out', which lies before "
            "'blocks.1.hook_mlp_out' where it reads; what is put there cannot depend on it"
        ),
        "blocks.2.hook_mlp_out": (
            "SAE 'blocks.2.hook_mlp_out' writes at 'blocks.2.hook_resid_mid', which lies before "
            "'blocks.2.hook_mlp_out' where it reads; what is put there cannot depend on it"
        ),
    }
