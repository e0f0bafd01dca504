"""Loading SAEs, of every architecture that sae_lens can run, and refusing damaged ones."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from sae_checks.errors import SaeError
from sae_checks.load.sae import is_out_of_memory, load_sae
from tests.builders import D_MODEL, release, sae, sae_ref, transcoder

HOOK_POINT = "blocks.1.hook_resid_pre"
ARCHITECTURES = (
    "standard",
    "gated",
    "jumprelu",
    "topk",
    "abstopk",
    "matching_pursuit",
    "temporal",
)


def load(folder, hook_point=HOOK_POINT, **settings):
    ref = sae_ref(hook_point, location=str(folder))
    return load_sae(release(ref), ref, **settings)


def message_of(folder):
    with pytest.raises(SaeError) as raised:
        load(folder)
    return str(raised.value)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_was_saved_is_loaded(tmp_path, architecture):
    made = sae(architecture, HOOK_POINT)
    made.save_model(tmp_path)
    loaded = load(tmp_path)
    x = torch.randn(2, 10, D_MODEL, generator=torch.Generator().manual_seed(0))
    features, reconstruction = loaded.reconstruct(x)
    torch.testing.assert_close(features, made.encode(x))
    torch.testing.assert_close(reconstruction, made(x))
    assert features.shape == (2, 10, 64)
    assert reconstruction.shape == x.shape
    assert loaded.sequence_aware == (architecture == "temporal")
    assert not any(parameter.requires_grad and made.training for parameter in made.parameters())


def test_no_architecture_is_left_out():
    from sae_lens.registry import SAE_CLASS_REGISTRY

    saes = {name for name in SAE_CLASS_REGISTRY if "transcoder" not in name}
    assert saes <= set(ARCHITECTURES)


@pytest.mark.parametrize("architecture", [name for name in ARCHITECTURES if name != "temporal"])
@pytest.mark.parametrize("normalized", ["none", "constant_norm_rescale", "layer_norm"])
@pytest.mark.parametrize("minus_bias", [False, True], ids=["x", "x - b_dec"])
def test_every_way_to_prepare_activations(tmp_path, architecture, normalized, minus_bias):
    if architecture == "matching_pursuit" and not minus_bias:
        return  # sae_lens's always takes it off
    settings = {"normalize_activations": normalized, "apply_b_dec_to_input": minus_bias}
    made = sae(architecture, HOOK_POINT, **settings)
    made.save_model(tmp_path)
    x = 3 * torch.randn(2, 10, D_MODEL, generator=torch.Generator().manual_seed(0))
    features, reconstruction = load(tmp_path).reconstruct(x)
    torch.testing.assert_close(features, made.encode(x))
    torch.testing.assert_close(reconstruction, made(x))
    assert features.any()


@pytest.mark.parametrize("tied", [False, True], ids=["untied", "tied"])
@pytest.mark.parametrize("novel", ["relu", "topk"])
def test_temporal_saes_of_every_kind(tmp_path, tied, novel):
    settings = {
        "tied_weights": tied,
        "sae_diff_type": novel,
        "normalize_activations": "constant_scalar_rescale",
        "activation_normalization_factor": 0.3,
    }
    made = sae("temporal", HOOK_POINT, **settings)
    made.save_model(tmp_path)
    loaded = load(tmp_path)
    x = torch.randn(2, 10, D_MODEL, generator=torch.Generator().manual_seed(0))
    features, reconstruction = loaded.reconstruct(x)
    torch.testing.assert_close(features, made.encode(x))
    torch.testing.assert_close(reconstruction, made(x))
    plain = sae("temporal", HOOK_POINT, **settings | {"activation_normalization_factor": 1.0})
    assert not torch.allclose(plain.encode(x), features)


@pytest.mark.parametrize("architecture", ["standard", "gated", "jumprelu", "topk"])
@pytest.mark.parametrize("normalized", ["none", "constant_norm_rescale", "layer_norm"])
def test_few_active_features_are_decoded_as_many_are(tmp_path, architecture, normalized):
    """What sae_lens reconstructs, by a product that skips the features that are off."""
    made = sae(architecture, HOOK_POINT, normalize_activations=normalized)
    made.save_model(tmp_path)
    loaded = load(tmp_path)
    x = torch.randn(4, 40, D_MODEL, generator=torch.Generator().manual_seed(0))
    weights = loaded.sae.state_dict()
    for name in {"b_enc", "b_mag"} & weights.keys():
        weights[name] -= 4.0  # lets next to nothing through
    seen = []
    decode, loaded.sae.decode = loaded.sae.decode, lambda f: seen.append(f.layout) or decode(f)
    if architecture == "topk":
        loaded.sae.activation_fn.k = 1
    features, reconstruction = loaded.reconstruct(x)
    assert 0 < (features != 0).float().mean() < 0.02
    assert seen == [torch.sparse_csr]
    torch.testing.assert_close(reconstruction, loaded.sae(x))


@pytest.mark.parametrize("few", [False, True], ids=["many", "few"])
@pytest.mark.parametrize("normalized", ["none", "constant_norm_rescale", "layer_norm"])
@pytest.mark.parametrize(
    "architecture",
    ["transcoder", "skip_transcoder", "jumprelu_transcoder", "jumprelu_skip_transcoder"],
)
def test_a_transcoder_makes_what_its_own_forward_pass_makes(
    tmp_path, architecture, normalized, few
):
    """W_skip and what `encode` scales included, whether few features are active or many."""
    made = transcoder(
        architecture, HOOK_POINT, "blocks.1.hook_mlp_out", 48, normalize_activations=normalized
    ).sae
    made.save_model(tmp_path)
    loaded = load(tmp_path)
    if few:
        loaded.sae.b_enc.data -= 4.0  # lets next to nothing through
    x = torch.randn(4, 40, D_MODEL, generator=torch.Generator().manual_seed(0))
    features, output = loaded.reconstruct(x)
    assert ((features != 0).float().mean() < 0.02) == few
    assert output.shape == (4, 40, 48)
    torch.testing.assert_close(output, loaded.sae(x))
    if "skip" in architecture:
        left_out = loaded.sae.decode(loaded.sae.encode(x))
        assert (output - left_out).norm() > 0.1 * output.norm()


def test_a_batchtopk_sae_is_a_jumprelu_one(tmp_path):
    """sae_lens saves a trained BatchTopK SAE for inference as JumpReLU; that is what is loaded."""
    from sae_lens import BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig

    trained = BatchTopKTrainingSAE(BatchTopKTrainingSAEConfig(d_in=D_MODEL, d_sae=64, k=6))
    trained.topk_threshold.fill_(0.3)
    trained.save_inference_model(tmp_path)
    loaded = load(tmp_path)
    assert loaded.sae.cfg.architecture() == "jumprelu"
    features = loaded.encode(10 * torch.randn(100, D_MODEL))
    assert features[features != 0].min() > 0.3


def test_a_matryoshka_sae_is_a_jumprelu_one(tmp_path):
    """Its levels matter in training only; loaded are all of them together."""
    from sae_lens import MatryoshkaBatchTopKTrainingSAE, MatryoshkaBatchTopKTrainingSAEConfig

    config = MatryoshkaBatchTopKTrainingSAEConfig(
        d_in=D_MODEL,
        d_sae=64,
        k=6,
        matryoshka_widths=[16, 64],
        rescale_acts_by_decoder_norm=False,
    )
    trained = MatryoshkaBatchTopKTrainingSAE(config)
    trained.topk_threshold.fill_(0.3)
    trained.save_inference_model(tmp_path)
    loaded = load(tmp_path)
    assert loaded.sae.cfg.architecture() == "jumprelu"
    x = 10 * torch.randn(100, D_MODEL, generator=torch.Generator().manual_seed(0))
    features, reconstruction = loaded.reconstruct(x)
    pre = (x - trained.b_dec) @ trained.W_enc + trained.b_enc
    expected = torch.where(pre > 0.3, pre, 0.0)
    torch.testing.assert_close(features, expected)
    torch.testing.assert_close(reconstruction, expected @ trained.W_dec + trained.b_dec)


def test_heads_stay_side_by_side(tmp_path):
    hook_point = "blocks.1.attn.hook_z"
    made = sae("standard", hook_point, reshape_activations="hook_z")
    made.save_model(tmp_path)
    x = torch.randn(2, 5, D_MODEL)
    loaded = load(tmp_path, hook_point)
    torch.testing.assert_close(
        loaded.reconstruct(x)[1], made(x.reshape(2, 5, 4, 8)).reshape(x.shape)
    )


def test_the_dtype_asked_for(tmp_path):
    sae("standard", HOOK_POINT).save_model(tmp_path)
    loaded = load(tmp_path, dtype="bfloat16")
    assert loaded.encode(torch.randn(3, D_MODEL)).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("name", "value", "said"), [("W_dec", torch.nan, "2,048"), ("b_enc", torch.inf, "64")]
)
def test_weights_that_are_not_finite(tmp_path, name, value, said):
    made = sae("standard", HOOK_POINT)
    getattr(made, name).data.flatten()[:3] = value
    made.save_model(tmp_path)
    assert message_of(tmp_path) == (
        f"SAE '{HOOK_POINT}' has weights that are not finite: 3 of {said} values of {name} are NaN "
        "or infinite; a gate cannot judge it"
    )


def test_an_infinite_threshold_is_a_feature_switched_off(tmp_path):
    made = sae("jumprelu", HOOK_POINT)
    made.threshold.data[:5] = torch.inf
    made.save_model(tmp_path)
    assert (load(tmp_path).encode(torch.randn(50, D_MODEL))[:, :5] == 0).all()
    made.threshold.data[0] = torch.nan
    made.save_model(tmp_path)
    assert "1 of 64 values of threshold are NaN" in message_of(tmp_path)


def damaged(reason, folder):
    return (
        f"SAE '{HOOK_POINT}' cannot be loaded from {folder}: {reason}; "
        "its files are damaged or not sae_lens's, save or download them again"
    )


def test_truncated_weights(tmp_path):
    sae("standard", HOOK_POINT).save_model(tmp_path)
    weights = tmp_path / "sae_weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    reason = "Error while deserializing header: incomplete metadata, file not fully covered"
    assert message_of(tmp_path) == damaged(reason, tmp_path)


def test_no_weights(tmp_path):
    sae("standard", HOOK_POINT).save_model(tmp_path)
    (tmp_path / "sae_weights.safetensors").unlink()
    message = message_of(tmp_path)
    assert message.startswith(f"SAE '{HOOK_POINT}' cannot be loaded from {tmp_path}: ")
    assert "sae_weights.safetensors" in message


def test_weights_of_another_shape(tmp_path):
    sae("standard", HOOK_POINT).save_model(tmp_path)
    config = tmp_path / "cfg.json"
    config.write_text(config.read_text().replace('"d_sae": 64', '"d_sae": 128'))
    reason = (
        "Error(s) in loading state_dict for StandardSAE: size mismatch for W_dec: copying a param "
        "with shape torch.Size([64, 32]) from checkpoint, the shape in current model is "
        "torch.Size([128, 32])"
    )
    assert message_of(tmp_path) == damaged(reason, tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda tensors: tensors.pop("b_dec"), 'Missing key(s) in state_dict: "b_dec"'),
        (
            lambda tensors: tensors.update(b_other=torch.zeros(3)),
            'Unexpected key(s) in state_dict: "b_other"',
        ),
    ],
)
def test_which_tensor_is_missing_or_too_many_is_said(tmp_path, change, said):
    sae("standard", HOOK_POINT).save_model(tmp_path)
    weights = tmp_path / "sae_weights.safetensors"
    tensors = load_file(weights)
    change(tensors)
    save_file(tensors, weights)
    reason = f"Error(s) in loading state_dict for StandardSAE: {said}"
    assert message_of(tmp_path) == damaged(reason, tmp_path)


def test_one_that_cannot_encode_a_token(tmp_path):
    sae("topk", HOOK_POINT).save_model(tmp_path)
    config = tmp_path / "cfg.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"k": 10**9}))
    assert message_of(tmp_path) == (
        f"SAE '{HOOK_POINT}' cannot encode an activation of width 32: selected index k out of "
        "range; its cfg.json does not go with its weights, save it again"
    )


def test_an_architecture_that_sae_lens_does_not_know(tmp_path):
    sae("standard", HOOK_POINT).save_model(tmp_path)
    config = tmp_path / "cfg.json"
    config.write_text(config.read_text().replace('"standard"', '"quantum"'))
    assert message_of(tmp_path).startswith(f"SAE '{HOOK_POINT}' cannot be loaded from {tmp_path}: ")


def failing_with(monkeypatch, error):
    """sae_lens raises this, whatever it is asked to load."""
    import sae_lens

    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(sae_lens.SAE, "load_from_disk", fail)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "MemoryError"),
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nSee below"),
            "CUDA out of memory. Tried to allocate 2 GiB",
        ),
        (RuntimeError("CUDA error: out of memory"), "CUDA error: out of memory"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8"),
            "DefaultCPUAllocator: can't allocate memory: you tried to allocate 8",
        ),
    ],
)
def test_no_memory_is_no_damaged_file(monkeypatch, tmp_path, error, reason):
    failing_with(monkeypatch, error)
    with pytest.raises(SaeError) as raised:
        load(tmp_path, device="cuda:1")
    assert str(raised.value) == (
        f"SAE '{HOOK_POINT}' does not fit into the memory of cuda:1 ({reason}); free some of it, "
        "or choose another --sae-device or a smaller --sae-dtype"
    )


def test_torch_says_that_there_is_no_memory_in_words_that_are_known():
    with pytest.raises(RuntimeError) as raised:
        torch.empty(10**15)
    assert is_out_of_memory(raised.value)
    assert not is_out_of_memory(RuntimeError("Error(s) in loading state_dict"))
    assert not is_out_of_memory(ValueError("out of memory"))


@pytest.mark.parametrize(
    "error",
    [
        TypeError("load_from_disk() got an unexpected keyword argument 'dtype'"),
        AttributeError("module 'sae_lens' has no attribute 'x'"),
        NotImplementedError("not yet"),
        RecursionError("too deep"),
        RuntimeError("CUDA error: device-side assert triggered"),
        AssertionError("never"),
        ImportError("no module"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_bug_keeps_its_traceback(monkeypatch, tmp_path, error):
    failing_with(monkeypatch, error)
    with pytest.raises(type(error)) as raised:
        load(tmp_path)
    assert raised.value is error


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "cfg.json").write_text("{"),
        lambda folder: (folder / "cfg.json").write_bytes(b"\xff\xfe"),
        lambda folder: (folder / "cfg.json").unlink(),
        lambda folder: (folder / "sae_weights.safetensors").write_bytes(b""),
        lambda folder: (folder / "sae_weights.safetensors").write_bytes(b"x" * 100),
    ],
    ids=["cut off", "binary", "no config", "empty", "junk"],
)
def test_damaged_files_are_called_so(tmp_path, change):
    sae("standard", HOOK_POINT).save_model(tmp_path)
    change(tmp_path)
    message = message_of(tmp_path)
    assert message.startswith(f"SAE '{HOOK_POINT}' cannot be loaded from {tmp_path}: ")
    assert message.endswith(
        "; its files are damaged or not sae_lens's, save or download them again"
    )
