"""JSON of the store with fitting checksums that holds something else than the store writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sae_checks.baseline.identity import pairing_terms
from sae_checks.errors import BaselineError, StoreError
from tests.stored import change_sealed, read, write_measurement


def refusal(folder: Path) -> str:
    with pytest.raises(StoreError) as caught:
        read(folder)
    return str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("units", None),
        ("units", [[0, 10**12]]),
        ("units", [["a", "b"]]),
        ("units", [[5, 2]]),
        ("positions", 10**12),
        ("positions", True),
        ("columns", {}),
        ("labels", []),
        ("labels", {"document": "words"}),
        ("side", None),
        ("side", {"position_sums": []}),
        ("files", "words"),
        ("files", {"tokens.parquet": None}),
        ("before", None),
        ("replaces", 10**12),
        ("complete", "no"),
        ("description", []),
    ],
)
def test_a_table_that_says_something_else(tmp_path: Path, key: str, value: Any):
    folder = write_measurement(tmp_path, layers=1)
    (path,) = folder.glob("context/texts/*/table.json")
    change_sealed(path, **{key: value})
    told = refusal(folder)
    assert told.startswith(f"{path} says ")
    assert told.endswith("; restore it, or measure again")


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("context", 10**400, "context is a number of 401 digits"),
        ("context", "words", "context is 'words'"),
        ("adaptive", None, "adaptive is None"),
        ("provenance", [], "provenance is []"),
        ("release", {}, "release is {}"),
        ("release_saes", True, "release_saes is True"),
    ],
)
def test_a_manifest_that_says_something_else(tmp_path: Path, key: str, value: Any, why: str):
    folder = write_measurement(tmp_path, layers=1)
    path = folder / "manifest.json"
    change_sealed(path, **{key: value})
    assert refusal(folder) == f"{path} holds no manifest ({why}); restore it, or measure again"


@pytest.mark.parametrize("name", ["../elsewhere", "/etc", "a\x00", "x" * 5_000, ""])
def test_folders_that_the_store_never_has(tmp_path: Path, name: str):
    folder = write_measurement(tmp_path, layers=1)
    path = folder / "manifest.json"
    datasets = json.loads(path.read_text(encoding="utf-8"))["datasets"]
    change_sealed(path, datasets=[{**datasets[0], "folder": name}])
    assert "which the store never has" in refusal(folder)


def test_side_tables_that_there_are_none_of(tmp_path: Path):
    folder = write_measurement(tmp_path, layers=1)
    (path,) = folder.glob("context/texts/*/table.json")
    record = next(iter(json.loads(path.read_text(encoding="utf-8"))["side"].values()))
    change_sealed(path, side={"": record})
    assert refusal(folder) == (
        f"{path} says side tables that no such table has; restore it, or measure again"
    )


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"saes": None}, "does not say whose table it holds"),
        ({"saes": [1]}, "does not say whose table it holds"),
        ({"observed": 5}, "does not say which SAE was observed"),
    ],
)
def test_a_table_of_several_that_says_nothing_of_them(tmp_path: Path, changed: Any, told: str):
    folder = write_measurement(tmp_path, layers=2)
    path = next(folder.glob("stack/texts/*+*/table.json"))
    change_sealed(path, **changed)
    assert refusal(folder) == f"{path.parent} {told}; restore it, or measure again"


def test_a_table_of_one_sae_twice(tmp_path: Path):
    folder = write_measurement(tmp_path, layers=2)
    path = next(folder.glob("stack/texts/*+*/table.json"))
    first, second = json.loads(path.read_text(encoding="utf-8"))["saes"]
    change_sealed(path, saes=[first, second, first])
    assert refusal(folder) == (
        f"{path.parent} says that it is of SAEs that cannot be spliced in at once; restore it, or "
        "measure again"
    )


@pytest.mark.parametrize("name", ["a\x00.parquet", "a\ud800.parquet"])
def test_files_that_no_disk_can_have(tmp_path: Path, name: str):
    folder = write_measurement(tmp_path, layers=1)
    (path,) = folder.glob("context/texts/*/table.json")
    record = next(iter(json.loads(path.read_text(encoding="utf-8"))["files"].values()))
    change_sealed(path, files={name: record})
    assert "cannot be read" in refusal(folder)


@pytest.mark.parametrize("key", ["corpus", "model_version"])
def test_a_manifest_that_leaves_out_what_decides_pairing(tmp_path: Path, key: str):
    """Two that both leave it out would pair."""
    folder = write_measurement(tmp_path, layers=1)
    path = folder / "manifest.json"
    provenance = json.loads(path.read_text(encoding="utf-8"))["provenance"]
    del provenance[key]
    change_sealed(path, provenance=provenance)
    assert refusal(folder) == (
        f"{path} holds no manifest (its provenance has no {key}); restore it, or measure again"
    )


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"loading": {}}, "its provenance has no model_name"),
        ({"loading": None}, "of its provenance, 'NoneType' object is not subscriptable"),
        ({"corpus": None}, "of its provenance, corpus is None"),
        ({"tokens": None}, "of its provenance, tokens is None"),
    ],
)
def test_a_manifest_with_half_of_what_decides_pairing(tmp_path: Path, changes, told: str):
    folder = write_measurement(tmp_path, layers=1)
    path = folder / "manifest.json"
    provenance = json.loads(path.read_text(encoding="utf-8"))["provenance"]
    change_sealed(path, provenance={**provenance, **changes})
    assert refusal(folder) == f"{path} holds no manifest ({told}); restore it, or measure again"


def test_a_manifest_without_a_fingerprint_of_its_texts_is_not_paired(tmp_path: Path):
    folder = write_measurement(tmp_path, layers=1)
    path = folder / "manifest.json"
    datasets = json.loads(path.read_text(encoding="utf-8"))["datasets"]
    for each in datasets:
        del each["description"]["fingerprint"]
    change_sealed(path, datasets=datasets)
    with pytest.raises(BaselineError) as caught:
        pairing_terms(read(folder))
    assert str(caught.value) == (
        "a manifest does not say which texts were measured, so that they cannot be paired; "
        "measure again"
    )
