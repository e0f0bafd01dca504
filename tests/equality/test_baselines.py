"""Baseline files compared: every cell's value with all its digits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.equality.baselines import compare_baselines
from tests.equality.comparison import EqualityError

CELLS = [
    ["kl", "a", "1:15", "", 0.1, 8, 120, 8, "text"],
    ["accuracy_drop", "a", "", "t", None, 8, 0, 8, "item", {"reason": "r"}],
]
CONTENT = {
    "format": 2,
    "checksum": "x",
    "written": "2026-01-01",
    "release": "r",
    "cells": CELLS,
    "influences": [[-3, "AA"], [-4, "BB"]],
}


def write(path: Path, **changed: object) -> Path:
    path.write_text(json.dumps({**CONTENT, **changed}), encoding="utf-8")
    return path


def compare(tmp_path: Path, **changed: object):
    return compare_baselines(write(tmp_path / "a.json"), write(tmp_path / "b.json", **changed))


def test_equal_files_of_other_days(tmp_path):
    found = compare(tmp_path, written="2026-01-02", checksum="y", format=3)
    assert (found.compared, found.differences) == (1 + 2 * 3, 0)


def test_the_last_digit_of_a_value(tmp_path):
    changed = [*CELLS[0]]
    changed[4] = 0.10000000000000002
    found = compare(tmp_path, cells=[changed, CELLS[1]])
    assert dict(found.differing) == {"value": 1}
    assert found.first == ("kl a 1:15, value: 0.1 became 0.10000000000000002",)


def test_influences_and_cells(tmp_path):
    found = compare(tmp_path, influences=[[-3, "AA"], [-4, "BC"]])
    assert found.first == ('accuracy_drop a t, influences: [-4, "BB"] became [-4, "BC"]',)
    found = compare(tmp_path, cells=CELLS[:1], influences=[[-3, "AA"]], release="s")
    assert dict(found.differing) == {"release": 1, "value": 1, "counts": 1, "influences": 1}
    assert found.first[:2] == (
        'file, release: "r" became "s"',
        "accuracy_drop a t, value: null became nothing",
    )


def test_another_file_is_refused(tmp_path):
    path = write(tmp_path / "a.json", cells=CELLS[:1])
    with pytest.raises(EqualityError, match="is not one of cells with influences: "):
        compare_baselines(path, path)
