"""The key of a measurement: everything that determines its numbers is in it."""

from __future__ import annotations

from dataclasses import fields
from importlib import metadata

import pytest

from sae_checks.records import ModelLoading, provenance
from sae_checks.records.provenance import Provenance
from tests.stored import LOADING
from tests.stored import provenance as made_up

CHANGES: dict[str, object] = {
    "loading": ModelLoading("made-up", from_pretrained_kwargs=(("center_writing_weights", True),)),
    "model_version": "1",
    "corpus": "pydoc",
    "corpus_version": "1",
    "packing": "concatenate",
    "seed": 1,
    "tokens": 1,
    "context": 1,
    "replace_special": True,
    "device": "cuda",
    "dtype": "bfloat16",
}


def test_a_key_is_sixteen_digits_and_the_same_again():
    key = made_up().key
    assert len(key) == 16
    assert int(key, 16) >= 0
    assert made_up().key == key


def test_every_field_is_among_the_changes():
    assert set(CHANGES) == {field.name for field in fields(Provenance)}


@pytest.mark.parametrize("field", CHANGES)
def test_each_field_changes_the_key(field: str):
    assert made_up(**{field: CHANGES[field]}).key != made_up().key


@pytest.mark.parametrize(
    "loading",
    [
        ModelLoading("other"),
        ModelLoading("made-up", model_class_name="AutoModelForCausalLM"),
        ModelLoading("made-up", prepend_bos=False),
    ],
)
def test_each_way_of_loading_changes_the_key(loading: ModelLoading):
    assert made_up(loading=loading).key != made_up(loading=LOADING).key


def test_the_libraries_change_the_key(monkeypatch: pytest.MonkeyPatch):
    before = made_up().key
    monkeypatch.setattr(metadata, "version", lambda name: "0")
    monkeypatch.setattr(
        provenance, "_versions", provenance._versions.__wrapped__
    )  # another process
    assert made_up().key != before


def test_the_definitions_change_the_key(monkeypatch: pytest.MonkeyPatch):
    before = made_up().key
    monkeypatch.setattr(provenance, "DEFINITIONS_VERSION", 0)
    assert made_up().key != before
