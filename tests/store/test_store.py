"""Measurements on disk: found again by what determined them, all or nothing."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sae_checks.errors import StoreError
from sae_checks.evals.context.table import INPUT_NORM, ContextTable
from sae_checks.records import (
    Declared,
    DeclaredFigure,
    Intervention,
    Release,
    SaeRef,
    TableRef,
)
from sae_checks.records.provenance import DEFINITIONS_VERSION
from sae_checks.store import MeasuredDataset, Store, codec
from sae_checks.store.files import owner, sae_folder
from sae_checks.store.integrity import read_sealed
from tests.stored import (
    COLUMNS,
    LOADING,
    ON_TEXTS,
    change_sealed,
    provenance,
    read,
    sae_ref,
    sae_table,
    text_ref,
    write_measurement,
)

TALES = MeasuredDataset(ON_TEXTS, "context", {"corpus": "tales"})


def release(*saes: SaeRef) -> Release:
    return Release("made/up release", "folder", LOADING, saes)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path, release(sae_ref(0), sae_ref(1)), provenance())
    for layer in range(2):
        store.write(text_ref(sae_ref(layer)), sae_table(layer))
    store.write_manifest([TALES], {})
    return store


def refusal(folder: Path) -> str:
    with pytest.raises(StoreError) as caught:
        read(folder)
    return str(caught.value)


def test_the_folder_says_release_and_setting(store: Store, tmp_path: Path):
    key = provenance().key
    assert store.folder == tmp_path / "measurements" / f"made_up_release-{key}"


def test_what_was_written_is_read(store: Store):
    stored = store.read(text_ref(sae_ref(0)))
    assert stored is not None
    assert stored.table.measured == COLUMNS
    np.testing.assert_array_equal(stored.units, np.arange(12))
    np.testing.assert_array_equal(stored.table.columns["l0"], sae_table(0).columns["l0"])


def test_nothing_was_written(tmp_path: Path):
    store = Store(tmp_path, release(sae_ref(0)), provenance())
    assert store.read(text_ref(sae_ref(0))) is None
    assert store.find(text_ref(sae_ref(0)), print) is None
    assert store.read_manifest() is None
    assert store.find_manifest(print) is None
    assert list(tmp_path.iterdir()) == []  # looking for it makes nothing


def test_other_weights_are_another_sae(store: Store):
    """And only that one: the other SAE is still found."""
    changed = replace(sae_ref(0), weights_key="one byte changed")
    assert store.read(text_ref(changed)) is None
    assert store.read(text_ref(sae_ref(1))) is not None
    store.write(text_ref(changed), replace(sae_table(0), intervention=Intervention((changed,))))
    assert store.read(text_ref(changed)) is not None
    assert (
        store.read(text_ref(sae_ref(0))) is not None
    )  # weights that come back need no new measurement


def test_a_transcoder_is_what_it_writes_too(store: Store):
    """The same weights, put elsewhere, are measured again; beside an SAE's, its table has a norm.

    Tables of SAEs are named as if there were no transcoders.
    """
    known = replace(sae_ref(0), location="", loading=replace(LOADING, model_name=""))
    digest = hashlib.sha256(repr(known).encode()).hexdigest()[:12]
    assert sae_folder(sae_ref(0)) == f"{sae_ref(0).sae_id}-{digest}"
    assert "out" not in repr(known)
    refs = [
        replace(sae_ref(0), hook_point_out=f"blocks.{layer}.hook_mlp_out", width_out=8)
        for layer in (0, 1)
    ]
    assert len({sae_folder(ref) for ref in (sae_ref(0), *refs)}) == 3
    of_sae = sae_table(0)
    columns = {**of_sae.columns, INPUT_NORM: 2 * of_sae.columns["norm"]}
    store.write(
        text_ref(refs[0]), replace(of_sae, intervention=Intervention((refs[0],)), columns=columns)
    )
    assert store.read(text_ref(refs[1])) is None
    stored = store.read(text_ref(refs[0]))
    assert stored is not None
    assert stored.table.sae == refs[0]
    np.testing.assert_allclose(stored.table.columns[INPUT_NORM], columns[INPUT_NORM], rtol=1e-6)


def test_the_same_weights_elsewhere_are_the_same_sae(store: Store):
    assert store.read(text_ref(replace(sae_ref(0), location="somewhere else"))) is not None


def test_what_is_declared_of_an_sae_tells_no_measurement_from_another(store: Store):
    says = replace(sae_ref(0), declared=Declared(l0=DeclaredFigure(20.0, "its path")))
    refs = [TableRef(ContextTable, ON_TEXTS, Intervention((sae,))) for sae in (sae_ref(0), says)]
    assert sae_folder(says) == sae_folder(sae_ref(0))
    assert owner("key", refs[0]) == owner("key", refs[1])


def test_another_setting_is_another_folder(store: Store, tmp_path: Path):
    other = Store(tmp_path, store.release, provenance(seed=1))
    assert other.read(text_ref(sae_ref(0))) is None


def test_a_table_takes_the_place_of_an_earlier_one(store: Store):
    columns = {"norm": sae_table(0).columns["norm"]}
    store.write(text_ref(sae_ref(0)), replace(sae_table(0), columns=columns, side={}))
    stored = store.read(text_ref(sae_ref(0)))
    assert stored is not None
    assert stored.table.measured == {"norm"}


def test_a_write_that_fails_leaves_what_was_there(store: Store, monkeypatch: pytest.MonkeyPatch):
    before = sorted(store.folder.rglob("*"))

    def fail(folder: Path, *rest: object) -> None:
        (folder / "tokens.parquet").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(codec, "write_table", fail)
    new = replace(sae_ref(0), weights_key="new")
    for sae in (sae_ref(0), new):
        with pytest.raises(StoreError) as caught:
            store.write(text_ref(sae), replace(sae_table(0), intervention=Intervention((sae,))))
        assert str(caught.value) == (
            f"{store.folder} cannot be measured into ([Errno 28] No space left on device); remove "
            "what is in the way, make room, or name another folder with --sae-store"
        )
    assert sorted(store.folder.rglob("*")) == before
    assert store.read(text_ref(sae_ref(0))) is not None
    assert store.read(text_ref(new)) is None


def test_a_measurement_from_its_folder_alone(store: Store):
    measurement = read(store.folder)
    saes = (sae_ref(0), sae_ref(1))
    assert measurement.release == Release("made/up release", "stored", LOADING, saes, whole=2)
    assert measurement.context == provenance().context
    assert measurement.failures == {}
    assert set(measurement.tables) == {text_ref(sae).key for sae in saes}
    assert measurement.manifest.texts == {"corpus": "tales"}
    assert measurement.manifest.provenance == json.loads(json.dumps(provenance().as_dict()))


def test_failures_are_kept_with_their_reasons(tmp_path: Path):
    folder = write_measurement(tmp_path, layers=3, failures={1: "weights are NaN"})
    measurement = read(folder)
    assert measurement.failures == {"blocks.1.hook_resid_pre": "weights are NaN"}
    assert set(measurement.of(ContextTable)) == {
        "blocks.0.hook_resid_pre",
        "blocks.2.hook_resid_pre",
    }


def test_an_sae_that_no_run_asked_for(store: Store, tmp_path: Path):
    larger = Store(tmp_path, release(sae_ref(0), sae_ref(2)), provenance())
    larger.write_manifest([], {})
    assert read(store.folder).failures == {
        "blocks.2.hook_resid_pre": (f"SAE 'blocks.2.hook_resid_pre' has no table in {store.folder}")
    }


def test_a_run_of_some_saes_forgets_no_other(store: Store, tmp_path: Path):
    some = Store(tmp_path, release(sae_ref(1)), provenance())
    some.write_manifest([], {})
    measurement = read(store.folder)
    assert set(measurement.of(ContextTable)) == {
        "blocks.0.hook_resid_pre",
        "blocks.1.hook_resid_pre",
    }
    assert measurement.manifest.texts == {"corpus": "tales"}  # this run read none


def test_a_failure_is_remembered_until_it_is_mended(store: Store, tmp_path: Path):
    with_third = Store(tmp_path, release(sae_ref(0), sae_ref(2)), provenance())
    with_third.write_manifest([], {sae_ref(2).sae_id: "weights are NaN"})
    with_third.write_manifest([], {})  # a run that did not ask for it
    assert read(store.folder).failures == {sae_ref(2).sae_id: "weights are NaN"}
    with_third.write(text_ref(sae_ref(2)), sae_table(2))
    with_third.write_manifest([], {})
    assert read(store.folder).failures == {}


def test_changed_weights_that_fail_are_not_judged_by_the_old_table(store: Store, tmp_path: Path):
    changed = replace(sae_ref(0), weights_key="changed")
    Store(tmp_path, release(changed, sae_ref(1)), provenance()).write_manifest(
        [], {changed.sae_id: "weights are NaN"}
    )
    measurement = read(store.folder)
    assert set(measurement.of(ContextTable)) == {sae_ref(1).sae_id}
    assert measurement.failures == {changed.sae_id: "weights are NaN"}


@pytest.mark.parametrize("manifest", [None, '{"files": []}'], ids=["none", "another's"])
def test_no_manifest(tmp_path: Path, manifest: str | None):
    if manifest is not None:
        (tmp_path / "manifest.json").write_text(manifest, encoding="utf-8")
    assert refusal(tmp_path) == (
        f"--sae-measurements {tmp_path} is no stored measurement (it has no manifest.json of "
        "sae-checks); a run says in its summary where it stored its tables"
    )


def test_a_broken_manifest(tmp_path: Path):
    (tmp_path / "manifest.json").write_text("{", encoding="utf-8")
    assert refusal(tmp_path) == (
        f"{tmp_path}/manifest.json cannot be read (Expecting property name enclosed in double "
        "quotes: line 1 column 2 (char 1)); restore it, or measure again"
    )


def test_other_definitions(store: Store):
    path = store.folder / "manifest.json"
    change_sealed(path, provenance={**read_sealed(path)["provenance"], "definitions": 0})
    assert refusal(store.folder) == (
        f"{store.folder} was measured by version 0 of the definitions, this is version "
        f"{DEFINITIONS_VERSION}; measure again"
    )


def test_no_table_at_all(tmp_path: Path):
    folder = write_measurement(tmp_path, layers=1, failures={0: "weights are NaN"})
    assert refusal(folder) == f"{folder} holds no table of any SAE; measure again"
