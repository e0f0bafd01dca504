"""A measurement of two SAEs on disk, and the store that holds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sae_checks.records import Release
from sae_checks.store import Store
from tests.stored import (
    LOADING,
    provenance,
    sae_ref,
    task_table,
    write_measurement,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A measurement of two SAEs, on texts and on a task."""
    return write_measurement(tmp_path, tasks=[task_table(0), task_table(1)])


@pytest.fixture
def store(folder: Path, tmp_path: Path) -> Store:
    """The store that holds it."""
    saes = (sae_ref(0), sae_ref(1))
    made = Store(tmp_path, Release("made-up", "folder", LOADING, saes), provenance())
    assert made.folder == folder
    return made
