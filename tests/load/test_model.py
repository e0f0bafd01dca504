"""Loading language models from folders, as releases ask for it."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch

from sae_checks.errors import ModelError
from sae_checks.load.model import load_model, torch_device
from sae_checks.records import ModelLoading
from tests.builders import hugging_face_model, word_tokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("model")
    hugging_face_model("gpt2").save_pretrained(path)
    word_tokenizer("a b c").save_pretrained(path)
    return path


def loading(folder, model_class="HookedTransformer", **kwargs):
    return ModelLoading(str(folder), model_class, tuple(sorted(kwargs.items())))


def message_of(wanted):
    with pytest.raises(ModelError) as raised:
        load_model(wanted)
    return str(raised.value)


@pytest.mark.parametrize("center", [False, True])
def test_a_folder(folder, center):
    model = load_model(loading(folder, center_writing_weights=center))
    assert model.centered == center
    assert (model.n_layers, model.context, model.device.type) == (3, 32, "cpu")
    assert model.tokenizer.bos_token_id == 0
    tokens = torch.tensor([[0, 5, 6]])
    expected = hugging_face_model("gpt2")(tokens).logits
    torch.testing.assert_close(model.unembed(model.clean(tokens, []).final), expected)


def test_the_dtype_asked_for(folder):
    assert load_model(loading(folder), dtype="bfloat16").hf.dtype == torch.bfloat16


def test_options_that_change_nothing(folder):
    kwargs = {"fold_ln": True, "center_unembed": True, "fold_value_biases": False}
    assert not load_model(loading(folder, **kwargs)).centered


@pytest.mark.parametrize("option", ["fold_value_biases", "refactor_factored_attn_matrices"])
def test_options_that_would_change_what_saes_see(folder, option):
    assert message_of(loading(folder, **{option: True})) == (
        f"model '{folder}' wants to be loaded with {option}=True, which changes what its SAEs see "
        "and which sae-checks does not reproduce; supported is center_writing_weights"
    )


def test_a_model_class_that_is_not_supported(folder):
    assert message_of(loading(folder, "HookedProxyLM")) == (
        f"model '{folder}' wants the model class 'HookedProxyLM'; supported are HookedTransformer "
        "and AutoModelForCausalLM"
    )


def test_a_folder_without_a_model(tmp_path):
    message = message_of(loading(tmp_path))
    assert message.startswith(f"model folder {tmp_path} cannot be loaded by transformers: ")


def test_a_model_that_is_nowhere(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    message = message_of(loading("no-such-owner/no-such-model"))
    assert message.startswith(
        "model 'no-such-owner/no-such-model' (no-such-owner/no-such-model on the hub) cannot be "
        "loaded: it is not there, not cached, or there is no network ("
    )
    assert message.endswith("); a local copy can be named with --sae-model FOLDER")


@pytest.mark.parametrize("device", ["cuda:99", "abacus"])
def test_a_device_that_is_absent(device):
    with pytest.raises(ModelError) as raised:
        torch_device(device)
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    has = ", ".join(["cpu", *(name for name, there in present.items() if there)])
    assert str(raised.value) == (
        f"--sae-device '{device}' is not available on this machine; it has {has}"
    )


def test_code_of_a_model_is_refused_where_it_would_be_loaded(folder, tmp_path):
    """Of a hub model's tokenizer, say, whose small files are first read here."""
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    path = tmp_path / "tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config |= {"tokenizer_class": "Foreign", "auto_map": {"AutoTokenizer": [None, "code.Foreign"]}}
    path.write_text(json.dumps(config), encoding="utf-8")
    assert message_of(loading(tmp_path)) == (
        f"model '{tmp_path}' brings Python code of its own (auto_map in its tokenizer_config.json "
        "names code.Foreign) for the tokenizer class 'Foreign', which transformers does not know; "
        "sae-checks runs no code of models, name one that transformers knows with --sae-model"
    )


def test_transformers_is_told_to_run_no_code(folder, monkeypatch):
    """Whatever of a model's files was not looked at: it is never asked."""
    import transformers

    told = []
    for name in ("AutoTokenizer", "AutoModelForCausalLM"):
        auto = getattr(transformers, name)
        original = auto.from_pretrained

        def recorded(source, original=original, **options):
            told.append(options["trust_remote_code"])
            return original(source, **options)

        monkeypatch.setattr(auto, "from_pretrained", recorded)
    load_model(loading(folder))
    assert told == [False, False]


def test_weights_that_are_no_weights_are_told_and_not_run(folder, tmp_path):
    """A pickle may hold calls; transformers reads it without making any."""
    made, ran = tmp_path / "model", tmp_path / "ran"
    shutil.copytree(folder, made)
    (made / "model.safetensors").unlink()

    class Call:
        def __reduce__(self):
            return Path.touch, (ran,)

    (made / "pytorch_model.bin").write_bytes(pickle.dumps(Call()))
    told = message_of(loading(made))
    assert told.startswith(f"model folder {made} cannot be loaded by transformers: ")
    assert not ran.exists()


@pytest.mark.parametrize("layers", ["three", None, []])
def test_a_config_of_other_types_is_told(folder, tmp_path, layers):
    made = tmp_path / "model"
    shutil.copytree(folder, made)
    config = json.loads((made / "config.json").read_text())
    (made / "config.json").write_text(json.dumps(config | {"n_layer": layers}))
    told = message_of(loading(made))
    assert told.startswith(f"model folder {made} cannot be loaded by transformers: ")


@pytest.mark.parametrize("device", ["cpu", "cpu:0"])
def test_the_processor_has_one_name(device: str):
    assert torch_device(device) == torch.device("cpu")


def test_a_device_that_computes_nothing():
    with pytest.raises(ModelError) as caught:
        torch_device("meta")
    assert str(caught.value) == (
        "--sae-device 'meta': nothing is computed there; name cpu, cuda, cuda:1, mps or auto"
    )
