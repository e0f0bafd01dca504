"""Names of models: TransformerLens's own aliases, read without TransformerLens."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from sae_checks.resolve.directory import read_release, release_names
from sae_checks.resolve.model_name import hub_model_name


def official(name: str) -> str:
    """TransformerLens's answer; a name that it does not know stays as it is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformer_lens.loading_from_pretrained import get_official_model_name

        try:
            return get_official_model_name(name)
        except ValueError:
            return name


def test_every_model_of_the_directory():
    names = sorted({read_release(release)["model"] for release in release_names()})
    assert len(names) > 20
    assert {name: hub_model_name(name) for name in names} == {
        name: official(name) for name in names
    }


@pytest.mark.parametrize("name", ["gpt2-small", "GPT2-Small", "pythia-70m-deduped", "gemma-2b"])
def test_aliases(name: str):
    assert hub_model_name(name) == official(name) != name


def test_a_folder_is_no_alias(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "gpt2-small").mkdir()
    monkeypatch.chdir(tmp_path)
    assert hub_model_name("gpt2-small") == "gpt2-small"


def test_an_unknown_name_stays():
    assert hub_model_name("somebody/My-Model") == "somebody/My-Model"
