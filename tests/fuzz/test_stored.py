"""Whatever the JSON of a stored measurement says, reading it succeeds or ends in a StoreError."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_checks.baseline.identity import pairing_terms
from sae_checks.store.integrity import write_sealed
from sae_checks.store.recorded import glanced_at
from tests.fuzz.damage import damaged_bytes, damaged_json, refused_or_read, writable
from tests.fuzz.test_documents import fuzzed
from tests.stored import read, task_table, write_measurement


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, bytes]:
    """A stored measurement on texts and on a task: its JSON files, as they were written."""
    folder = write_measurement(
        tmp_path_factory.mktemp("stored"), layers=2, tasks=[task_table(0, "ioi")]
    )
    return {path: path.read_bytes() for path in sorted(folder.rglob("*.json"))}


@fuzzed(80)
@given(data=st.data())
def test_stored_json(measured: dict[Path, bytes], data: st.DataObject):
    """Of a manifest or a table, damaged as a document with a checksum that fits, or as bytes."""
    paths = sorted(measured)
    manifest = next(each for each in paths if each.name == "manifest.json")
    path = data.draw(st.sampled_from(paths))
    if data.draw(st.booleans()):
        path = manifest
    # Drawn from what is held in memory, so that nothing on disk decides what is drawn next.
    damaged = data.draw(
        st.one_of(damaged_json(json.loads(measured[path])), damaged_bytes(measured[path]))
    )
    try:
        _write(path, damaged)
        if path == manifest:
            refused_or_read(lambda: glanced_at(path))
        refused_or_read(lambda: pairing_terms(read(manifest.parent)))
    finally:
        _write(path, measured[path])
    assert {each: each.read_bytes() for each in paths} == measured, "reading wrote"


def _write(path: Path, content: object) -> None:
    """Bytes as they are; a document as text, and an object with a checksum that fits."""
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(written := writable(content), dict):
        write_sealed(path, {key: written[key] for key in written if key != "checksum"})
    else:
        path.write_text(json.dumps(written), encoding="utf-8")


def test_the_valid_one_is_read(measured: dict[Path, bytes]):
    manifest = next(each for each in measured if each.name == "manifest.json")
    assert len(read(manifest.parent).tables) == len(measured) - 1
