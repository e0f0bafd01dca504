"""Every fault does what its name says, to a copy, and the same seed does it again."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from sae_checks.errors import UserError
from sae_checks.faults import CATALOGUE, OF_CHECKS, sample_of
from sae_checks.load.sae import LoadedSae
from tests.builders import D_MODEL, sae, sae_ref, transcoder

HOOK_POINT = "blocks.1.hook_resid_pre"
TRAINING_CONTEXT, TEXTS, CONTEXT = 16, 40, 32
EVERY = (*CATALOGUE, *OF_CHECKS)
# W_skip is a transcoder's alone.
OF_WEIGHTS = [fault for fault in EVERY if fault.damage is not None and "skip" not in fault.name]


@pytest.fixture(scope="module")
def good() -> LoadedSae:
    ref = sae_ref(HOOK_POINT, training_context=TRAINING_CONTEXT)
    return LoadedSae(ref, sae("standard", HOOK_POINT))


@pytest.fixture(scope="module")
def sample(good):
    """Activations in which the first coordinate tells the position, as an embedding would."""
    position = torch.arange(CONTEXT).repeat(TEXTS)
    x = torch.randn(len(position), D_MODEL, generator=torch.Generator().manual_seed(0))
    inside = (position >= 4) & (position <= 7)
    x[:, 0] = 3.0 * inside
    return sample_of(good, x, position, elsewhere=elsewhere())


def elsewhere() -> tuple[torch.Tensor, torch.Tensor]:
    """A second corpus, whose activations lie along the second coordinate."""
    x = torch.randn(TEXTS, D_MODEL, generator=torch.Generator().manual_seed(2))
    x[:, 1] += 3.0
    return x, torch.arange(TEXTS) % TRAINING_CONTEXT


def planted(name, good, sample, value=None, seed=0):
    fault = next(fault for fault in EVERY if fault.name == name)
    value = fault.strengths[0].value if value is None else value
    return fault.into(good, value, sample, seed)


@pytest.mark.parametrize("fault", OF_WEIGHTS, ids=lambda fault: fault.name)
def test_faults_are_planted_into_transcoders(sample, fault):
    """Of another width where they write, with a threshold and a skip term."""
    places = ("blocks.1.mlp.hook_in", "blocks.1.mlp.hook_pre")
    made = transcoder("jumprelu_skip_transcoder", *places, d_out=48)
    written = 2 * torch.randn(len(sample.x), 48, generator=torch.Generator().manual_seed(1))
    of_it = sample_of(made, sample.x, sample.position, written, elsewhere())
    assert of_it.mean_norm_written == pytest.approx(float(written.norm(dim=-1).mean()))
    damaged = fault.into(made, fault.strengths[0].value, of_it, seed=3)
    whole, other = (one.reconstruct(sample.x)[1] for one in (made, damaged))
    assert other.shape == (len(sample.x), 48)
    assert torch.isfinite(other).all()
    assert (other - whole).abs().max() > 1e-4


def test_the_sample_is_of_the_training_context(sample):
    assert int(sample.position.max()) == TRAINING_CONTEXT - 1
    assert len(sample.x) == TEXTS * TRAINING_CONTEXT
    assert 0 < sample.mean_l0 < 64


def test_without_a_training_context_the_sample_is_of_all_that_was_measured(good):
    silent = LoadedSae(replace(good.ref, training_context=None), good.sae)
    position = torch.arange(CONTEXT).repeat(TEXTS)
    everything = sample_of(silent, torch.randn(len(position), D_MODEL), position)
    assert len(everything.x) == TEXTS * CONTEXT
    assert everything.training_context == CONTEXT


@pytest.mark.parametrize("fault", OF_WEIGHTS, ids=lambda fault: fault.name)
def test_a_fault_changes_a_copy_and_can_be_repeated(good, sample, fault):
    before = {name: weight.clone() for name, weight in good.sae.state_dict().items()}
    value = fault.strengths[0].value
    first, again = (fault.into(good, value, sample, seed=3) for _ in range(2))
    for name, weight in good.sae.state_dict().items():
        torch.testing.assert_close(weight, before[name], rtol=0, atol=0)
    for name, weight in first.sae.state_dict().items():
        torch.testing.assert_close(weight, again.sae.state_dict()[name], rtol=0, atol=0)
    damaged, whole = (one.reconstruct(sample.x)[1] for one in (first, good))
    assert first.ref == good.ref
    assert torch.isfinite(damaged).all()
    assert (damaged - whole).abs().max() > 1e-4
    assert fault.summary.endswith((".", ";"))


def test_the_names_are_told_apart_and_each_has_a_listed_strength():
    names = [fault.name for fault in EVERY]
    assert len(set(names)) == len(names)
    assert len(CATALOGUE) == 15
    assert sum(strength.listed for fault in CATALOGUE for strength in fault.strengths) == 18
    assert all(any(strength.listed for strength in fault.strengths) for fault in EVERY)


def test_a_scaled_decoder(good, sample):
    damaged = planted("decoder scaled", good, sample, 0.9)
    torch.testing.assert_close(damaged.sae.W_dec, 0.9 * good.sae.W_dec)


def test_removed_features_are_never_active(good, sample):
    damaged = planted("half of the features dead", good, sample)
    features = damaged.encode(sample.x)
    assert int((features.amax(dim=0) > 0).sum()) <= 32
    kept = features.amax(dim=0) > 0
    torch.testing.assert_close(features[:, kept], good.encode(sample.x)[:, kept])


def test_the_most_frequent_feature_goes_first(good, sample):
    most = int(sample.frequency.argmax())
    damaged = planted("most frequent features removed", good, sample)
    assert float(damaged.encode(sample.x)[:, most].max()) == 0


def test_permuted_rows_are_the_same_rows(good, sample):
    damaged = planted("decoder rows permuted", good, sample, 0.1)
    moved = (damaged.sae.W_dec != good.sae.W_dec).any(dim=-1)
    assert 2 <= int(moved.sum()) <= 6
    torch.testing.assert_close(
        damaged.sae.W_dec[moved].sum(dim=0), good.sae.W_dec[moved].sum(dim=0)
    )


def test_eight_bits_are_255_levels(good, sample):
    damaged = planted("weights rounded", good, sample, 8)
    assert len(damaged.sae.W_enc.unique()) <= 255
    torch.testing.assert_close(damaged.sae.W_enc, good.sae.W_enc, rtol=0, atol=0.01)


def test_half_of_the_active_features_are_kept(good, sample):
    damaged = planted("k of TopK halved", good, sample)
    active = (damaged.encode(sample.x) != 0).sum(dim=-1)
    assert int(active.max()) <= round(sample.mean_l0 / 2)
    topk = LoadedSae(good.ref, sae("topk", HOOK_POINT))
    halved = planted("k of TopK halved", topk, sample_of(topk, sample.x, sample.position))
    assert int((halved.encode(sample.x) != 0).sum(dim=-1).max()) <= topk.sae.cfg.k // 2


def test_an_unfolded_normalisation_sees_activations_at_another_scale(good, sample):
    """The damaged SAE on scaled activations is the good one on its own, at that scale."""
    plain = sae("standard", HOOK_POINT, apply_b_dec_to_input=False)
    plain.b_enc.data[:] = 0
    whole = LoadedSae(good.ref, plain)
    damaged = planted("normalisation not folded", whole, sample)
    scale = D_MODEL**0.5 / sample.mean_norm
    torch.testing.assert_close(
        damaged.encode(scale * sample.x), whole.encode(sample.x), rtol=1e-3, atol=1e-4
    )


def test_one_range_of_positions_is_damaged(good, sample):
    damaged = planted("one position range damaged", good, sample, 1.0)
    error = (damaged.reconstruct(sample.x)[1] - good.reconstruct(sample.x)[1]).norm(dim=-1)
    inside = (sample.position >= 4) & (sample.position <= 7)
    assert float(error[inside].mean()) == pytest.approx(sample.mean_norm, rel=0.3)
    assert float(error[~inside].mean()) < 0.1 * sample.mean_norm


def test_a_lost_threshold_lets_features_through(good, sample):
    jump = LoadedSae(good.ref, sae("jumprelu", HOOK_POINT))
    jump.sae.threshold.data[:] = 0.5
    of_jump = sample_of(jump, sample.x, sample.position)
    damaged = planted("threshold lost", jump, of_jump)
    assert (damaged.encode(sample.x) != 0).sum() > (jump.encode(sample.x) != 0).sum()
    good.sae.b_enc.data[:32] -= 0.5
    relu = planted("threshold lost", good, sample)
    assert float(relu.sae.b_enc.min()) >= 0
    good.sae.b_enc.data[:32] += 0.5


def test_reconstructions_that_are_not_scaled_back(good, sample):
    damaged = planted("activations not scaled back", good, sample)
    torch.testing.assert_close(damaged.sae.W_dec, 0.5 * good.sae.W_dec)
    torch.testing.assert_close(damaged.sae.b_dec, 0.5 * good.sae.b_dec)


def test_a_shard_that_is_read_twice(good, sample):
    damaged = planted("a shard of the weights read twice", good, sample)
    features = damaged.encode(sample.x)
    torch.testing.assert_close(features[:, :32], good.encode(sample.x)[:, :32])
    torch.testing.assert_close(features[:, 32:], features[:, :32])
    torch.testing.assert_close(damaged.sae.W_dec[32:], good.sae.W_dec[:32])


def test_features_that_are_active_in_one_range_of_positions(good, sample):
    damaged = planted("features active in one position range", good, sample)
    more = (damaged.encode(sample.x) != 0).sum(-1) - (good.encode(sample.x) != 0).sum(-1)
    inside = (sample.position >= 4) & (sample.position <= 7)
    # Of the 32 least frequent ones, less what they were active on.
    assert float(more[inside].float().mean()) > 10
    assert float(more[~inside].float().mean()) < 0.5


def test_features_of_the_second_corpus(good, sample):
    foreign = sample.elsewhere > 1.5 * sample.frequency
    assert 0 < int(foreign.sum()) < 64
    there, _ = elsewhere()
    before = good.encode(there)
    removed = planted("features of the second corpus removed", good, sample).encode(there)
    assert float(removed[:, foreign].abs().max()) == 0
    torch.testing.assert_close(removed[:, ~foreign], before[:, ~foreign])
    loose = planted("features of the second corpus let loose", good, sample).encode(there)
    assert bool((loose[:, foreign] >= before[:, foreign]).all())
    assert (loose != 0).sum() > (before != 0).sum()
    torch.testing.assert_close(loose[:, ~foreign], before[:, ~foreign])


def test_what_a_release_cannot_have_is_said(good, sample):
    alone = replace(sample, elsewhere=None)
    with pytest.raises(UserError) as raised:
        planted("features of the second corpus removed", good, alone)
    assert str(raised.value) == "there is no second corpus (--sae-shift)"
    with pytest.raises(UserError) as raised:
        planted("skip term lost", good, sample)
    assert str(raised.value) == "it is no transcoder with a skip term"


def test_a_skip_term_that_is_lost(sample):
    places = ("blocks.1.mlp.hook_in", "blocks.1.mlp.hook_pre")
    made = transcoder("skip_transcoder", *places, d_out=48)
    damaged = planted("skip term lost", made, sample_of(made, sample.x, sample.position))
    lost = made.reconstruct(sample.x)[1] - damaged.reconstruct(sample.x)[1]
    torch.testing.assert_close(lost, sample.x @ made.sae.W_skip.T, rtol=1e-3, atol=1e-3)
