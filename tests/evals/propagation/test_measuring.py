"""What is measured of pairs equals a model patched with plain hooks, one pair at a time."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from sae_checks.evals.propagation import measuring
from sae_checks.evals.propagation.pairs import both_residual
from sae_checks.judge.thresholds_file import CheckRules, read_thresholds
from sae_checks.judge.verdict import judge
from sae_checks.load.sae import LoadedSae
from sae_checks.measure import engine
from sae_checks.measure.loaded import SaeSource
from sae_checks.measure.pass_options import PassOptions
from sae_checks.session.suite import BUNDLED_THRESHOLDS, bundled_checks
from tests.builders import (
    BOS,
    CONTEXT,
    D_MODEL,
    IdentitySae,
    random_texts,
    shared_language_model,
)
from tests.evals.propagation.made import cells, column, identity, measured, small_sae
from tests.load.plain_hooks import PlainHooks

PLACES = (
    "blocks.0.hook_resid_pre",
    "blocks.1.hook_attn_out",
    "blocks.1.hook_resid_mid",
    "blocks.1.hook_mlp_out",
    "blocks.2.hook_resid_pre",
    "blocks.2.hook_resid_post",
)
ARCHITECTURES = ("gpt2", "llama", "gemma2")


def seen_with(plain, tokens, at, changes):
    """What arrives at some hook points of a pass with changes made at others; (B, T, d)."""
    seen = {}

    def watched(name):
        def change(value):
            seen[name] = value
            return changes[name](value) if name in changes else value

        return change

    plain.run(tokens, {name: watched(name) for name in (*changes, *at)})
    return seen


def figures(sae, x, keep):
    """L0, squared error and norm per token, NaN where it counts nowhere."""
    features = sae.sae.encode(x)
    error = (x - sae.sae.decode(features)).square().sum(-1)
    found = {"l0": (features != 0).sum(-1), "mse": error, "norm": x.square().sum(-1).sqrt()}
    return {name: np.where(keep, value.double().numpy(), math.nan) for name, value in found.items()}


def assert_equal(table, expected):
    for name, values in expected.items():
        np.testing.assert_allclose(
            column(table, name), values, rtol=2e-3, atol=2e-3, err_msg=f"{table.key} {name}"
        )


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_pair_equals_plain_hooks(architecture):
    """Of all sites, by themselves and by what the residual stream alone carries."""
    texts, plain = random_texts(), PlainHooks(architecture)
    saes = {name: small_sae(name, seed=number) for number, name in enumerate(PLACES)}
    tables = measured(list(saes.values()), texts, shared_language_model(architecture))
    tokens = torch.from_numpy(texts.tokens)
    special = tokens == BOS
    keep = ~special.numpy()
    keep[:, 0] = False
    clean = seen_with(plain, tokens, PLACES, {})
    checked = 0
    for first, sae in saes.items():
        replaced = torch.where(
            special.unsqueeze(-1), clean[first], sae.sae.decode(sae.sae.encode(clean[first]))
        )
        later = PLACES[PLACES.index(first) + 1 :]
        seen = seen_with(plain, tokens, later, {first: lambda _, value=replaced: value})
        for name in later:
            table, direct = tables[f"{first}->{name}"], dict[str, np.ndarray]()
            assert_equal(table, figures(saes[name], seen[name], keep))
            if both_residual(sae.ref, saes[name].ref):
                carried = clean[name] + replaced - clean[first]
                direct = figures(saes[name], carried, keep)
            for quantity in ("l0", "mse", "norm"):
                nothing = np.full(keep.shape, math.nan)
                assert_equal(table, {f"direct_{quantity}": direct.get(quantity, nothing)})
            checked += 1
    assert checked == len(tables) == 15


def test_the_direct_path_is_that_of_a_model_whose_later_blocks_are_frozen():
    """Attention and MLPs after the splice are made to write what they wrote in the clean pass."""
    texts, plain = random_texts(), PlainHooks("gpt2")
    first, last = "blocks.0.hook_resid_pre", "blocks.2.hook_resid_post"
    tokens = torch.from_numpy(texts.tokens)
    writes = [f"blocks.{n}.hook_{part}_out" for n in range(3) for part in ("attn", "mlp")]
    clean = seen_with(plain, tokens, [first, last, *writes], {})
    spliced, observed = small_sae(first), small_sae(last, seed=1)
    replaced = torch.where(
        (tokens == BOS).unsqueeze(-1),
        clean[first],
        spliced.sae.decode(spliced.sae.encode(clean[first])),
    )
    frozen = {name: lambda _, value=clean[name]: value for name in writes}
    seen = seen_with(plain, tokens, [last], {first: lambda _: replaced, **frozen})
    keep = (tokens != BOS).numpy()
    keep[:, 0] = False
    expected = figures(observed, seen[last], keep)
    (table,) = measured([spliced, observed], texts).values()
    assert_equal(table, {f"direct_{name}": values for name, values in expected.items()})


def test_a_perfect_sae_propagates_nothing():
    texts = random_texts()
    saes = [identity(PLACES[0]), *(small_sae(name, seed=3) for name in PLACES[1:])]
    found = {pair: cell for pair, cell in cells(saes, texts).items() if pair.startswith(PLACES[0])}
    assert len(found) == 5
    for pair, cell in found.items():
        for quantity in ("l0", "mse", "norm"):
            assert cell.change(quantity).value == pytest.approx(0, abs=1e-6), pair
        if both_residual(*cell.spliced.saes):
            assert cell.change("mse", direct=True).value == pytest.approx(0, abs=1e-6)


def test_direct_and_recomputed_add_up_to_the_change():
    for cell in cells([small_sae(name, seed=2) for name in PLACES], random_texts()).values():
        if not both_residual(*cell.spliced.saes):
            continue
        for quantity in ("l0", "mse", "norm"):
            direct = cell.direct(quantity)
            notes = dict(direct.notes)
            whole = cell.change(quantity).value
            assert direct.value + notes["recomputed"] == pytest.approx(whole, abs=1e-12)
            assert notes["whole_change"] == whole


def test_with_centred_weights_the_direct_path_is_read_centred():
    """A reconstruction has a mean over d_model; what is read at the later SAE has none."""
    texts = random_texts()
    model = shared_language_model(center=True)
    saes = [small_sae("blocks.2.hook_resid_pre"), small_sae("blocks.2.hook_resid_post", seed=1)]
    (table,) = measured(saes, texts, model).values()
    clean = model.clean(torch.from_numpy(texts.tokens), [sae.ref.hook_point for sae in saes])
    x, later = (clean.taps[sae.ref.hook_point] for sae in saes)
    replaced = torch.where(
        torch.from_numpy(texts.special).unsqueeze(-1), x, saes[0].sae.decode(saes[0].sae.encode(x))
    )
    carried = later + replaced - x
    carried = carried - carried.mean(-1, keepdim=True)
    keep = ~texts.special
    keep[:, 0] = False
    expected = np.where(keep, carried.norm(dim=-1).double().numpy(), math.nan)
    np.testing.assert_allclose(column(table, "direct_norm"), expected, rtol=1e-4)


@pytest.mark.parametrize("architecture", ["standard", "topk", "temporal"])
def test_batches_and_the_order_of_saes_change_nothing(architecture):
    texts = random_texts()
    saes = [small_sae(name, architecture, seed=n) for n, name in enumerate(PLACES)]
    whole = measured(saes, texts)
    single = measured(saes[::-1], texts, settings=PassOptions(batch_tokens=1))
    assert whole.keys() == single.keys()
    for pair, table in whole.items():
        for name, values in table.columns.items():
            np.testing.assert_allclose(
                single[pair].columns[name], values, rtol=1e-3, atol=1e-3, err_msg=name
            )


def source_that_keeps_none(saes, read):
    """Reads an SAE whenever its turn comes, and remembers that."""
    by_id = {sae.ref.sae_id: sae for sae in saes}

    def load(ref):
        read.append(ref.sae_id)
        return by_id[ref.sae_id]

    return SaeSource(load, kept_bytes=0)


def test_an_sae_is_read_once_a_batch_in_whatever_order_they_are_given():
    read, saes = [], [small_sae(name, seed=n) for n, name in enumerate(PLACES)]
    measured(saes[::-1], random_texts(), source=source_that_keeps_none(saes, read))
    assert read == list(PLACES)


def test_where_too_much_would_wait_saes_are_read_before_their_turn(monkeypatch):
    texts, saes = random_texts(), [small_sae(name, seed=n) for n, name in enumerate(PLACES)]
    expected, read = measured(saes, texts), []
    # Two SAEs' activations; without a bound, nine wait at once.
    monkeypatch.setattr(engine, "WAITING_BYTES", 2 * texts.tokens.size * D_MODEL * 4)
    found = measured(saes, texts, source=source_that_keeps_none(saes, read))
    assert len(read) > len(PLACES)
    assert found.keys() == expected.keys()
    for pair, table in found.items():
        for name, values in table.columns.items():
            np.testing.assert_array_equal(values, expected[pair].columns[name], err_msg=name)


def test_only_the_first_positions_are_measured(monkeypatch):
    texts, saes = random_texts(), [small_sae(PLACES[0]), small_sae(PLACES[4], "temporal")]
    (whole,) = measured(saes, texts).values()
    monkeypatch.setattr(measuring, "MEASURED_POSITIONS", 8)
    monkeypatch.setattr(measuring.PropagationListener, "observed_positions", 8)
    (cut,) = measured(saes, texts).values()
    assert (whole.context, cut.context) == (CONTEXT, 8)
    for name, values in cut.columns.items():
        np.testing.assert_allclose(
            values, whole.columns[name][:, :8], rtol=1e-4, atol=1e-4, err_msg=name
        )
    np.testing.assert_array_equal(cut.labels["document"], whole.labels["document"][:, :8])


def test_the_direct_path_is_encoded_where_a_check_asks_alone(monkeypatch):
    texts, saes = random_texts(), [small_sae(PLACES[0]), small_sae(PLACES[4])]
    encoded = []
    sae = saes[1].sae
    encode = sae.encode
    monkeypatch.setattr(sae, "encode", lambda x: encoded.append(len(x)) or encode(x))
    (table,) = measured(saes, texts, needs=frozenset({"mse", "l0"})).values()
    without = sum(encoded)
    assert table.columns.keys() == {"l0", "mse", "norm"}
    encoded.clear()
    measured(saes, texts, needs=frozenset({"mse", "l0", "direct_mse"}))
    assert sum(encoded) == 2 * without > 0


def test_a_reconstruction_that_is_too_long_fails_at_a_later_sae():
    """Twice the activation, at the limits of the suite: as of a decoder whose scale is off."""

    class Doubling(IdentitySae):
        def decode(self, features):
            return 2 * features

    first, last = "blocks.2.hook_resid_pre", "blocks.2.hook_resid_post"
    doubled = LoadedSae(identity(first).ref, Doubling())
    (cell,) = cells([doubled, small_sae(last)], random_texts(12)).values()
    checks = bundled_checks()
    rules = {name: CheckRules(each.unit, each.parameters) for name, each in checks.items()}
    thresholds = read_thresholds(BUNDLED_THRESHOLDS, rules)
    for name in ("propagation_mse", "propagation_norm"):
        judged = replace(cell, check=name, thresholds=thresholds)
        verdict = judge(checks[name].function(judged), judged.limit())
        assert verdict.status == "fail", (name, verdict.estimate)
