"""Baselines as text files: what is written is read, and diffs read well."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sae_checks.baseline.file import checksum_of, read_baseline, write_baseline
from sae_checks.baseline.identity import Baseline, BaselineSae
from sae_checks.baseline.paired import NO_INFLUENCES, CellValue, Influences, Terms
from sae_checks.records.place import CellKey
from tests.places import cell_key

SAE = "blocks.3.hook_resid_pre"
A = cell_key("delta_ce_growth", SAE, "128:159", "")
A2 = cell_key("delta_ce_growth", SAE, "160:191", "")
A3 = cell_key("delta_ce_growth", SAE, "192:255", "")
B = cell_key("accuracy_drop", SAE, "", "lambada")
BROKEN = cell_key("kl", SAE, "128:159", "")
FLOOR = Terms(2, (("floor", 0.02),))
INFLUENCES = Influences.of([0.25, -0.125, 0.0])
BASELINE = Baseline(
    release="gpt2-small-res-jb",
    written="2026-12-31",
    pairing_terms={
        "provenance.seed": 0,
        "provenance.corpus": "tales",
        "provenance.loading.from_pretrained_kwargs": [["center_writing_weights", True]],
        "texts.fingerprint": None,
    },
    saes=(BaselineSae(SAE, SAE, "abc"),),
    cells={
        A: CellValue(0.1 + 0.2, INFLUENCES, 3, 3104, 3, terms=FLOOR),
        A2: CellValue(1.5, INFLUENCES, 2, 99, 2, terms=FLOOR),
        A3: CellValue(1.5, INFLUENCES, 3, 99, 3, terms=Terms(2, (("floor", 0.3),))),
        B: CellValue(-2.5, Influences.of([0.5, 0]), 1_000, 12_000, 90, "item", grouped=True),
        BROKEN: CellValue(math.nan, NO_INFLUENCES, 97, 3104, 97, reason="kl is not finite"),
    },
)
TEXT = """{
 "format": 3,
 "checksum": "CHECKSUM",
 "release": "gpt2-small-res-jb",
 "written": "2026-12-31",
 "setting": {
  "provenance.corpus": "tales",
  "provenance.loading.from_pretrained_kwargs": [["center_writing_weights", true]],
  "provenance.seed": 0,
  "texts.fingerprint": null
 },
 "saes": [
  ["blocks.3.hook_resid_pre", "blocks.3.hook_resid_pre", "abc"]
 ],
 "checks": [
  ["accuracy_drop", 1, {}, ["sae", "task"]],
  ["delta_ce_growth", 2, {"floor": 0.02}, ["sae", "positions"]],
  ["kl", 1, {}, ["sae", "positions"]]
 ],
 "cells": [
  ["accuracy_drop", ["blocks.3.hook_resid_pre", "lambada"], -2.5, 1000, 12000, 90, "item", \
{"grouped": true}],
  ["delta_ce_growth", ["blocks.3.hook_resid_pre", "128:159"], 0.30000000000000004, 3, 3104, 3, \
"text"],
  ["delta_ce_growth", ["blocks.3.hook_resid_pre", "160:191"], 1.5, 2, 99, 2, "text"],
  ["delta_ce_growth", ["blocks.3.hook_resid_pre", "192:255"], 1.5, 3, 99, 3, "text", \
{"parameters": {"floor": 0.3}}],
  ["kl", ["blocks.3.hook_resid_pre", "128:159"], null, 97, 3104, 97, "text", \
{"reason": "kl is not finite"}]
 ],
 "influences": [
  [-15, "AEAAAA=="],
  [-16, "AEAA4AAA"],
  [-16, "AEAA4AAA"],
  [-16, "AEAA4AAA"],
  [0, ""]
 ]
}
"""
TEXT = TEXT.replace("CHECKSUM", checksum_of(json.loads(TEXT)))


def written(path: Path, baseline: Baseline = BASELINE) -> str:
    write_baseline(path, baseline)
    return path.read_text(encoding="utf-8")


def same(one: CellValue, other: CellValue) -> bool:
    values = one.value == other.value or (math.isnan(one.value) and math.isnan(other.value))
    influences = [(of.influences.exponent, of.influences.steps.tolist()) for of in (one, other)]
    rest = [replace(of, value=0.0, influences=NO_INFLUENCES) for of in (one, other)]
    return values and influences[0] == influences[1] and rest[0] == rest[1]


def test_the_whole_file(tmp_path: Path):
    """In a fixed order, each setting, SAE, cell and cell's influences on a line of its own."""
    assert written(tmp_path / "base.json") == TEXT


def test_what_is_written_is_read(tmp_path: Path):
    written(tmp_path / "base.json")
    found = read_baseline(tmp_path / "base.json")
    assert (found.release, found.pairing_terms, found.saes, found.written) == (
        BASELINE.release,
        BASELINE.pairing_terms,
        BASELINE.saes,
        "2026-12-31",
    )
    assert found.cells.keys() == BASELINE.cells.keys()
    assert all(same(found.cells[key], cell) for key, cell in BASELINE.cells.items())


def test_the_order_of_cells_does_not_matter(tmp_path: Path):
    turned = replace(
        BASELINE,
        cells=dict(reversed(BASELINE.cells.items())),
        pairing_terms=dict(reversed(BASELINE.pairing_terms.items())),
    )
    assert written(tmp_path / "other.json", turned) == TEXT


def test_reading_and_writing_again_changes_nothing(tmp_path: Path):
    written(tmp_path / "base.json")
    assert written(tmp_path / "again.json", read_baseline(tmp_path / "base.json")) == TEXT


def test_one_value_that_changes_is_one_line_that_changes_beside_the_checksum(tmp_path: Path):
    changed = {**BASELINE.cells, A: replace(BASELINE.cells[A], value=0.4)}
    before = TEXT.splitlines()
    after = written(tmp_path / "base.json", replace(BASELINE, cells=changed)).splitlines()
    differ = [line for line in range(len(before)) if before[line] != after[line]]
    assert len(after) == len(before)
    assert [before[line].split(",")[0].split(":")[0] for line in differ] == [
        ' "checksum"',
        '  ["delta_ce_growth"',
    ]


@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20),
)
def test_cells_come_back_to_the_last_bit(tmp_path_factory, value, influences):
    """So that the release they were made of differs from them by exactly 0."""
    path = tmp_path_factory.mktemp("baseline") / "base.json"
    cell = CellValue(value, Influences.of(influences), 1, 3104, 1)
    write_baseline(path, replace(BASELINE, cells={A: cell}))
    assert same(read_baseline(path).cells[A], cell)


def test_cells_of_a_check_may_be_named_by_other_selectors_than_most(tmp_path: Path):
    """As where a kind of cells was given another selector: then the cell's row says which."""
    of_pair = CellKey("delta_ce_growth", (("pair", "a->b"), ("positions", "4:7")))
    cells = {**BASELINE.cells, of_pair: BASELINE.cells[A]}
    text = written(tmp_path / "base.json", replace(BASELINE, cells=cells))
    row = (
        '  ["delta_ce_growth", ["a->b", "4:7"], 0.30000000000000004, 3, 3104, 3, "text", '
        '{"selectors": ["pair", "positions"]}]'
    )
    assert row in text.replace("],\n", "]\n").splitlines()
    assert [line for line in TEXT.splitlines() if "checksum" not in line and line not in text] == []
    assert read_baseline(tmp_path / "base.json").cells.keys() == cells.keys()


written_values = st.text(min_size=1, max_size=3)
named_places = st.dictionaries(
    st.sampled_from(["sae", "pair", "positions", "task"]), written_values
).map(lambda values: tuple(values.items()))


@given(st.sets(st.builds(CellKey, st.sampled_from(["kl", "l0"]), named_places), max_size=6))
def test_keys_of_any_selectors_come_back(tmp_path_factory, keys):
    path = tmp_path_factory.mktemp("baseline") / "base.json"
    cell = CellValue(0.5, INFLUENCES, 3, 99, 3, grouped=True)
    write_baseline(path, replace(BASELINE, cells=dict.fromkeys(keys, cell)))
    assert read_baseline(path).cells.keys() == keys


def test_folders_are_made_and_nothing_else_is_left(tmp_path: Path):
    path = tmp_path / "baselines" / "deep" / "base.json"
    written(path)
    written(path)
    assert [each.name for each in path.parent.iterdir()] == ["base.json"]


def test_a_baseline_of_nothing(tmp_path: Path):
    nothing = Baseline("empty", {}, (), {})
    write_baseline(tmp_path / "base.json", nothing)
    found = read_baseline(tmp_path / "base.json")
    assert (found.release, found.pairing_terms, found.saes, found.cells) == ("empty", {}, (), {})


def test_a_large_release_takes_less_than_a_megabyte(tmp_path: Path):
    """12 SAEs, each of 90 cells of 97 texts and 10 cells of 1,000 items."""
    generator = np.random.default_rng(0)
    cells = {}
    for layer in range(12):
        sae = f"blocks.{layer}.hook_resid_pre"
        for number in range(100):
            units = 97 if number < 90 else 1_000
            name, task = ("text", "") if number < 90 else ("item", "lambada")
            key = cell_key(f"explained_variance_{number}", sae, "512:1022", task)
            influences = Influences.of(generator.normal(0, 1e-3, units))
            value = float(generator.normal())
            cells[key] = CellValue(value, influences, units, 49_567, units, name)
    saes = tuple(BaselineSae(f"blocks.{i}.hook_resid_pre", "", "0" * 64) for i in range(12))
    path = tmp_path / "base.json"
    write_baseline(path, replace(BASELINE, saes=saes, cells=cells))
    assert path.stat().st_size <= 1_000_000
    found = read_baseline(path)
    assert all(same(found.cells[key], cell) for key, cell in cells.items())
