"""Baselines as text files: what is written is read, and diffs read well."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_checks.baseline import Baseline, BaselineSae
from sae_checks.checking import CellKey
from sae_checks.errors import BaselineError
from sae_checks.judge.paired import Replicated
from sae_checks.store.baseline_file import read_baseline, write_baseline

A = CellKey("delta_ce", "blocks.3.hook_resid_pre", "128:159", "")
B = CellKey("accuracy_drop", "blocks.3.hook_resid_pre", "", "lambada")
BROKEN = CellKey("kl", "blocks.3.hook_resid_pre", "128:159", "")
BASELINE = Baseline(
    release="gpt2-small-res-jb",
    setting={
        "provenance.seed": 0,
        "provenance.corpus": "tales",
        "provenance.loading.from_pretrained_kwargs": [["center_writing_weights", True]],
        "texts.fingerprint": None,
    },
    saes=(BaselineSae("blocks.3.hook_resid_pre", "blocks.3.hook_resid_pre", "abc"),),
    cells={
        A: Replicated(0.1 + 0.2, np.array([0.00123456, -1e-9, 0.0]), 97, 3104),
        B: Replicated(-2.5, np.array([0.5]), 1_000, 12_000, "item"),
        BROKEN: Replicated(math.nan, np.array([]), 97, 3104, reason="kl is not finite"),
    },
)
TEXT = """{
 "format": 1,
 "release": "gpt2-small-res-jb",
 "setting": {
  "provenance.corpus": "tales",
  "provenance.loading.from_pretrained_kwargs": [["center_writing_weights", true]],
  "provenance.seed": 0,
  "texts.fingerprint": null
 },
 "saes": [
  ["blocks.3.hook_resid_pre", "blocks.3.hook_resid_pre", "abc"]
 ],
 "cells": [
  ["accuracy_drop", "blocks.3.hook_resid_pre", "", "lambada", -2.5, 1000, 12000, "item", [0.5]],
  ["delta_ce", "blocks.3.hook_resid_pre", "128:159", "", 0.30000000000000004, 97, 3104, "text", \
[0.001235, -1e-09, 0.0]],
  ["kl", "blocks.3.hook_resid_pre", "128:159", "", null, 97, 3104, "text", [], "kl is not finite"]
 ]
}
"""


def written(path: Path, baseline: Baseline = BASELINE) -> str:
    write_baseline(path, baseline)
    return path.read_text(encoding="utf-8")


def test_the_whole_file(tmp_path: Path):
    """In a fixed order, each setting, SAE and cell on a line of its own."""
    assert written(tmp_path / "base.json") == TEXT
    json.loads(TEXT)


def test_what_is_written_is_read(tmp_path: Path):
    written(tmp_path / "base.json")
    found = read_baseline(tmp_path / "base.json")
    assert (found.release, found.setting, found.saes) == (
        BASELINE.release,
        BASELINE.setting,
        BASELINE.saes,
    )
    assert found.cells.keys() == BASELINE.cells.keys()
    # Values are exact, since differences are taken of them; moves only make a standard error.
    assert found.cells[A].value == 0.1 + 0.2
    assert found.cells[A].moves.tolist() == [0.001235, -1e-9, 0.0]
    assert (found.cells[A].texts, found.cells[A].tokens) == (97, 3104)
    assert (found.cells[A].unit_name, found.cells[A].reason) == ("text", "")
    assert found.cells[B].unit_name == "item"


def test_undefined_values_keep_their_reason(tmp_path: Path):
    written(tmp_path / "base.json")
    found = read_baseline(tmp_path / "base.json").cells[BROKEN]
    assert math.isnan(found.value)
    assert found.moves.shape == (0,)
    assert found.reason == "kl is not finite"


def test_the_order_of_cells_does_not_matter(tmp_path: Path):
    turned = replace(
        BASELINE,
        cells=dict(reversed(BASELINE.cells.items())),
        setting=dict(reversed(BASELINE.setting.items())),
    )
    assert written(tmp_path / "other.json", turned) == TEXT


def test_reading_and_writing_again_changes_nothing(tmp_path: Path):
    written(tmp_path / "base.json")
    assert written(tmp_path / "again.json", read_baseline(tmp_path / "base.json")) == TEXT


def test_one_cell_that_changes_is_one_line_that_changes(tmp_path: Path):
    changed = {**BASELINE.cells, A: replace(BASELINE.cells[A], value=0.4)}
    before = TEXT.splitlines()
    after = written(tmp_path / "base.json", replace(BASELINE, cells=changed)).splitlines()
    differ = [line for line in range(len(before)) if before[line] != after[line]]
    assert len(after) == len(before)
    assert [before[line].split(",")[0] for line in differ] == ['  ["delta_ce"']


@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(math.nan)), max_size=20),
)
def test_values_are_exact_and_moves_are_near(tmp_path_factory, value, moves):
    path = tmp_path_factory.mktemp("baseline") / "base.json"
    cell = Replicated(value, np.array(moves, dtype=float), 97, 3104)
    write_baseline(path, replace(BASELINE, cells={A: cell}))
    found = read_baseline(path).cells[A]
    assert found.value == value
    np.testing.assert_allclose(found.moves, cell.moves, rtol=5.1e-4, atol=1e-320)


def test_folders_are_made_and_nothing_else_is_left(tmp_path: Path):
    path = tmp_path / "baselines" / "deep" / "base.json"
    written(path)
    written(path)
    assert [each.name for each in path.parent.iterdir()] == ["base.json"]


def test_a_baseline_of_nothing(tmp_path: Path):
    nothing = Baseline("empty", {}, (), {})
    write_baseline(tmp_path / "base.json", nothing)
    found = read_baseline(tmp_path / "base.json")
    assert (found.release, found.setting, found.saes, found.cells) == ("empty", {}, (), {})


def refusal(path: Path) -> str:
    with pytest.raises(BaselineError) as caught:
        read_baseline(path)
    return str(caught.value)


def test_another_format_is_refused(tmp_path: Path):
    path = tmp_path / "base.json"
    path.write_text(TEXT.replace('"format": 1', '"format": 2'), encoding="utf-8")
    assert refusal(path) == (
        f"the baseline {path} is of format 2, this is format 1; write it anew with "
        "--sae-baseline-update"
    )


HINT = "restore it, or write it anew with --sae-baseline-update"


def test_a_missing_file_is_told(tmp_path: Path):
    path = tmp_path / "base.json"
    assert refusal(path) == (
        f"the baseline {path} cannot be read (FileNotFoundError: [Errno 2] No such file or "
        f"directory: '{path}'); {HINT}"
    )


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda text: text[: len(text) // 2], "JSONDecodeError: "),
        (lambda text: "", "JSONDecodeError: Expecting value"),
        (lambda text: "[]", "TypeError: list indices must be integers"),
        (lambda text: "{}", "KeyError: 'format'"),
        (lambda text: text.replace('"cells"', '"cell"'), "KeyError: 'cells'"),
        (lambda text: text.replace(', "abc"', ""), "TypeError: "),
        (lambda text: text.replace("-2.5, ", ""), "ValueError: not enough values to unpack"),
        (lambda text: text.replace("-2.5", '"much"'), "ValueError: could not convert string"),
        # As a merge leaves it.
        (lambda text: text.replace("  [", "<<<<<<< HEAD\n  [", 1), "JSONDecodeError: "),
    ],
    ids=["cut", "empty", "list", "no_format", "no_cells", "short_sae", "short", "text", "merge"],
)
def test_a_damaged_file_is_told(tmp_path: Path, damage, why: str):
    path = tmp_path / "base.json"
    path.write_text(damage(TEXT), encoding="utf-8")
    told = refusal(path)
    assert told.startswith(f"the baseline {path} cannot be read ({why}")
    assert told.endswith(f"); {HINT}")


def test_what_is_no_text_is_told(tmp_path: Path):
    path = tmp_path / "base.json"
    path.write_bytes(b"\xff\xfe\x00")
    assert "cannot be read (UnicodeDecodeError: " in refusal(path)
