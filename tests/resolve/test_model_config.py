"""What a model's config.json tells before it is loaded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sae_checks.errors import ModelError
from sae_checks.records import ModelLoading
from sae_checks.resolve.model_config import read_model_config
from tests.hub.server import HubServer


def model(folder: Path, config: object) -> ModelLoading:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return ModelLoading(str(folder))


@pytest.mark.parametrize(
    ("config", "context"),
    [
        ({"n_positions": 1024, "n_ctx": 1024}, 1024),
        ({"max_position_embeddings": 8192}, 8192),
        ({"text_config": {"max_position_embeddings": 32768}}, 32768),
        ({"max_seq_len": 2048}, 2048),
        ({"model_type": "mamba"}, None),
    ],
)
def test_the_context(tmp_path: Path, config: object, context: int | None):
    assert read_model_config(model(tmp_path / "model", config)).context == context


def test_the_version_is_that_of_every_file(tmp_path: Path):
    loading = model(tmp_path / "model", {"n_positions": 8})
    versions = {read_model_config(loading).version}
    (tmp_path / "model" / "model.safetensors").write_bytes(b"weights")
    versions.add(read_model_config(loading).version)
    (tmp_path / "model" / "model.safetensors").write_bytes(b"weightz")
    versions.add(read_model_config(loading).version)
    assert len(versions) == 3
    (tmp_path / "model" / ".DS_Store").write_bytes(b"")
    assert read_model_config(loading).version in versions


def test_a_folder_that_is_no_model(tmp_path: Path):
    with pytest.raises(ModelError) as caught:
        read_model_config(ModelLoading(str(tmp_path)))
    assert str(caught.value) == (
        f"folder {tmp_path} is no model that transformers saved (config.json: [Errno 2] No such "
        f"file or directory: '{tmp_path}/config.json'); --sae-model takes such a folder, or a name"
    )


def test_a_folder_with_a_broken_configuration(tmp_path: Path):
    loading = model(tmp_path, [])
    with pytest.raises(ModelError) as caught:
        read_model_config(loading)
    assert str(caught.value) == (
        f"folder {tmp_path} is no model that transformers saved (config.json: no JSON object but "
        "a list); --sae-model takes such a folder, or a name"
    )


def test_a_model_of_the_hub_by_its_alias(hub: HubServer):
    hub.moved["gpt2"] = "openai-community/gpt2"
    folder = hub.root / "models" / "openai-community" / "gpt2"
    model(folder, {"n_positions": 1024})
    found = read_model_config(ModelLoading("gpt2-small"))
    assert found.context == 1024
    assert found.version == hub.repo("models", "openai-community/gpt2", None).commit


@pytest.mark.parametrize("tokens", [0, -1, 10**400])
def test_a_context_that_no_text_has(tmp_path, tokens):
    (tmp_path / "config.json").write_text(json.dumps({"n_positions": tokens}), encoding="utf-8")
    with pytest.raises(ModelError) as caught:
        read_model_config(ModelLoading(str(tmp_path)))
    assert str(caught.value) == (
        f"the config.json of model {str(tmp_path)!r} says n_positions = {tokens!r:.40}, but a "
        "model reads 1 to 2,147,483,647 tokens; restore it, or name another with --sae-model"
    )
