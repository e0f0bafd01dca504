"""What is known of conversion functions is what sae_lens's own code does."""

from __future__ import annotations

import ast
import importlib.util
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from sae_checks.records import Declared, DeclaredFigure, SaeRef
from sae_checks.resolve import describe, find
from sae_checks.resolve.conversions import CONVERSIONS, OWN_LAYOUT, conversion_named
from sae_checks.resolve.describe import _Source
from sae_checks.resolve.directory import named, read_release, release_names
from sae_checks.resolve.hook_point import choose_name

# The whole directory takes seconds to parse.
release_named = cache(read_release)
METADATA = ("context_size", "dataset_path", "prepend_bos")


def loaders() -> ast.Module:
    spec = importlib.util.find_spec("sae_lens")
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent / "loading" / "pretrained_sae_loaders.py"
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def written() -> dict[str, dict[str, ast.expr]]:
    """By conversion function, the values that its configuration getter gives metadata."""
    functions, getters = {}, {}
    for node in loaders().body:
        if isinstance(node, ast.FunctionDef):
            functions[node.name] = node
        elif isinstance(node, ast.AnnAssign) and "CONFIG_GETTERS" in ast.unparse(node.target):
            assert isinstance(node.value, ast.Dict)
            pairs = zip(node.value.keys, node.value.values, strict=True)
            getters = {ast.literal_eval(k): ast.unparse(v) for k, v in pairs if k is not None}
    return {name: dict(_entries(functions[getter])) for name, getter in getters.items()}


def _entries(function: ast.FunctionDef) -> Iterator[tuple[str, ast.expr]]:
    for node in ast.walk(function):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant):
                    yield key.value, value


def test_all_conversion_functions_of_the_directory_are_known():
    used = {release_named(name).get("conversion_func") for name in release_names()} - {None}
    assert used == set(CONVERSIONS)
    assert conversion_named(None) == OWN_LAYOUT
    assert conversion_named("new_transcoder").kind(named(read_release("gemma-2b-res-jb"))[0]) == (
        "transcoder"
    )


@pytest.mark.parametrize("name", CONVERSIONS)
def test_constants_are_not_declared(name: str):
    values, conversion = written()[name], CONVERSIONS[name]
    constants = {
        key
        for key in METADATA
        if isinstance(value := values.get(key), ast.Constant) and value.value is not None
    }
    absent = {
        key
        for key in METADATA
        if key not in values
        or (isinstance(value := values[key], ast.Constant) and value.value is None)
    }
    if name == "mwhanna_transcoder":
        assert ast.unparse(values["context_size"]) == "wandb_cfg_info['batch_size']['value']"
        constants.add("context_size")
    assert conversion.assumed - {"model_name"} == constants
    assert conversion.unwritten == absent


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """sae_lens's loaders find the files of a folder alone, and made-up shapes of tensors."""
    from huggingface_hub.utils import EntryNotFoundError
    from sae_lens.loading import pretrained_sae_loaders as module

    def download(repo_id: str, filename: str, force_download: bool = False) -> str:
        path = tmp_path / Path(filename).name
        if not path.exists():
            raise EntryNotFoundError(filename)
        return str(path)

    shapes = {"w_enc": [8, 32], "w_dec": [32, 8]}
    monkeypatch.setattr(module, "hf_hub_download", download)
    monkeypatch.setattr(module, "get_safetensors_tensor_shapes", lambda *_: shapes)
    return tmp_path


BY_NAMES = ("gemma_2", "gemma_2_transcoder", "gemma_3", "deepseek_r1", "goodfire", "qwen_scope")


@pytest.mark.parametrize("name", BY_NAMES)
def test_sites_kinds_and_models_by_names_are_the_loaders(name: str, no_network: Path):
    from sae_lens.loading.pretrained_sae_loaders import NAMED_PRETRAINED_SAE_CONFIG_GETTERS

    getter, conversion = NAMED_PRETRAINED_SAE_CONFIG_GETTERS[name], CONVERSIONS[name]
    count = 0
    for release in release_names():
        description = release_named(release)
        if description.get("conversion_func") != name:
            continue
        for entry in named(description):
            config = getter(entry.repo_id, entry.path, "cpu", False, None)
            site = conversion.site(entry)
            read = choose_name(config["hook_name"], config.get("hf_hook_name"))
            assert read in (site, f"blocks.{layer(config)}.{site}", hugging_face(config, site))
            assert conversion.kind(entry) == {
                "jumprelu_transcoder": "transcoder",
                "jumprelu_skip_transcoder": "skip transcoder",
            }.get(config["architecture"], "SAE")
            assert config["model_name"].rpartition("/")[2] == (
                conversion.model(entry.repo_id) or description["model"].rpartition("/")[2]
            )
            count += 1
    assert count > 0


def hugging_face(config: dict[str, Any], site: str | None) -> str:
    return f"model.layers.{layer(config)}.{site}"


def layer(config: dict[str, Any]) -> str:
    return str(config["hook_name"]).split(".")[1] if "." in config["hook_name"] else ""


def described(release: str, sae_id: str, monkeypatch: pytest.MonkeyPatch) -> SaeRef:
    """As a run describes it, with what sae_lens's conversion makes of the files at hand."""
    from sae_lens.loading.pretrained_sae_loaders import load_sae_config_from_huggingface

    class Source:
        notes: tuple[str, ...] = ()

        def read(self, entry: Any) -> tuple[dict[str, Any], str]:
            return load_sae_config_from_huggingface(release, entry.sae_id), "key"

    monkeypatch.setattr(_Source, "of", classmethod(lambda cls, listing: Source()))
    from sae_checks.resolve import choose

    (sae,) = describe(choose(find(release), (sae_id,))).saes
    return sae


def test_a_constant_context_and_data_set_are_not_declared(
    no_network: Path, monkeypatch: pytest.MonkeyPatch
):
    sae = described("gemma-scope-9b-it-res-canonical", "layer_9/width_16k/canonical", monkeypatch)
    assert sae.training_context is None
    assert sae.dataset == "monology/pile-uncopyrighted"
    assert sae.declared == Declared(l0=DeclaredFigure(88.0, "its path"))
    assert (sae.loading.model_name, sae.loading.prepend_bos) == ("gemma-2-9b-it", True)


def test_a_path_counts_before_the_directorys_copy(
    no_network: Path, monkeypatch: pytest.MonkeyPatch
):
    name, sae_id = "gemma-scope-9b-pt-res-canonical", "layer_20/width_524k/canonical"
    (copy,) = [each["l0"] for each in read_release(name)["saes"] if each["id"] == sae_id]
    sae = described(name, sae_id, monkeypatch)
    assert copy == 78
    assert sae.declared.l0 == DeclaredFigure(48.0, "its path")


def test_the_directorys_model_stands_where_a_loader_cuts_its_name(
    no_network: Path, monkeypatch: pytest.MonkeyPatch
):
    trainer = {
        "layer": 3,
        "dict_class": "BatchTopKSAE",
        "activation_dim": 4096,
        "dict_size": 131072,
        "lm_name": "meta-llama/Llama-3.1-8B-Instruct",
    }
    content = {"trainer": trainer, "buffer": {"ctx_len": 2048}}
    (no_network / "config.json").write_text(json.dumps(content), encoding="utf-8")
    release = "llama-3.1-8b-instruct-andyrdt"
    sae = described(release, "resid_post_layer_3_trainer_1", monkeypatch)
    assert sae.loading.model_name == "meta-llama/Llama-3.1-8B-Instruct"
    assert sae.training_context == 2048  # as the release's own file says
    assert (sae.declared.dataset, sae.declared.l0) == (None, None)


def test_the_directorys_model_stands_where_a_loader_names_another(
    no_network: Path, monkeypatch: pytest.MonkeyPatch
):
    content = {"d_model": 4096, "expansion_factor": 8, "hook_point_in": "blocks.0.hook_resid_post"}
    (no_network / "config.json").write_text(json.dumps(content), encoding="utf-8")
    sae = described("llama_scope_r1_distill", "l0r_800m_slimpajama", monkeypatch)
    assert sae.loading.model_name == "deepseek-ai/DeepSeek-R1-Distill-Llama-8B"
    assert sae.training_context is None


@pytest.mark.parametrize(
    ("release", "targets"),
    [
        ("gpt2-small-res-jb", False),
        ("gemma-scope-2b-pt-res", False),
        ("gemma-2b-it-res-jb", False),  # one SAE, one value: nothing tells
        ("gemma-scope-2-1b-pt-res", True),
        ("gpt2-small-resid-post-v5-32k", True),
        ("qwen-scope-3-8b-base-w64k-l50", True),
        ("gemma-3-1b-res-matryoshka-dc", True),
    ],
)
def test_targets_are_told_from_what_was_measured(release: str, targets: bool):
    assert {entry.target_l0 for entry in find(release).entries} == {targets}
