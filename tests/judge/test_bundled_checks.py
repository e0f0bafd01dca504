"""Each check of the suite, on a release made of two plain numbers: one in context, one past it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sae_checks.checking import BUNDLED_THRESHOLDS, bundled_checks
from sae_checks.errors import UserError
from sae_checks.judge.cells import Cell, ReleaseCell
from sae_checks.judge.thresholds_file import CheckRules, read_thresholds
from sae_checks.records import ModelLoading, PositionRange, PositionSums, SaeRef, SaeTable

CHECKS = bundled_checks()
THRESHOLDS = read_thresholds(
    BUNDLED_THRESHOLDS, {name: CheckRules(c.unit, c.parameters) for name, c in CHECKS.items()}
)
TEXTS, TRAINING_CONTEXT, CONTEXT = 3, 16, 64


def table(layer: int, needs: frozenset[str]) -> SaeTable:
    """Only what a check says it needs; past the training context figures are tenfold."""
    hook = f"blocks.{layer}.hook_resid_pre"
    ref = SaeRef(
        hook,
        hook,
        layer,
        "hook_resid_pre",
        TRAINING_CONTEXT,
        2,
        8,
        "standard",
        ModelLoading("tiny"),
        "",
        "",
    )
    times = np.where(np.arange(CONTEXT) < TRAINING_CONTEXT, 1.0, 10.0)
    per_position = {
        "l0": 5 * times,
        "l1": 7 * times,
        "mse": 0.5 * times,
        "norm": times**0,
        "squared_distance": 2 * times**0,
        "ce_clean": 3 * times**0,
        "ce_sae": 3 + 0.1 * (layer + 1) * times,
        "kl": 0.2 * times,
        "ce_zero": 8 * times**0,
        "ce_mean": 5 * times**0,
    }
    columns = {
        name: np.tile(values, (TEXTS, 1))
        for name, values in per_position.items()
        if name in needs | {"norm"}
    }
    for name, values in columns.items():
        values[:, 0] = math.nan
        if name.startswith("ce_") or name == "kl":
            values[:, -1] = math.nan
    massive = np.zeros((TEXTS, CONTEXT), dtype=bool)
    massive[0, 1] = True
    counts = np.full(CONTEXT, float(TEXTS))
    ordinary = counts - massive.sum(axis=0)
    ordinary[0] = 0
    nothing = np.zeros((CONTEXT, 2))
    sums = PositionSums(ordinary, nothing, massive.sum(axis=0).astype(float), nothing)
    return SaeTable(ref, columns, massive, sums if "position_sums" in needs else None)


POSITIONS = {"in_context": (1, 15), "past_context": (32, 62), "sae": (1, 62), "release": (1, 62)}
EXPECTED = {
    "delta_ce": 0.1,
    "delta_ce_growth": 10,
    "usable_context": 1,
    "kl": 0.2,
    "ce_recovered": 0.98,
    "ce_recovered_mean": 0.95,
    "l0": 5,
    "l0_growth": 10,
    "l1_growth": 10,
    "explained_variance": 0.75,
    "mse": 0.5,
    "mse_growth": 10,
    "norm_growth": 1,
    "massive_activations": 1 / (TEXTS * 62),
    "depth_trend_in_context": 1,
    "depth_trend_past_context": 1,
}


def cell(name: str, layer: int = 0) -> Cell:
    check = CHECKS[name]
    kind = "sae" if check.cells == "release" else check.cells
    positions = PositionRange(*POSITIONS[check.cells])
    return Cell("tiny-release", table(layer, check.needs), kind, positions, name, THRESHOLDS)


@pytest.mark.parametrize("name", CHECKS)
def test_check_measures_what_it_says(name) -> None:
    check = CHECKS[name]
    if check.cells == "release":
        estimate = check.function(ReleaseCell(tuple(cell(name, layer) for layer in range(4))))
    else:
        estimate = check.function(cell(name))
    assert estimate.reason == ""
    assert estimate.value == pytest.approx(EXPECTED[name])
    assert check.summary.endswith(".")


@pytest.mark.parametrize("name", sorted(set(CHECKS) - {"norm_growth", "massive_activations"}))
def test_check_needs_no_less_than_it_names(name) -> None:
    """Were a column in `needs` unused, it would be measured for nothing."""
    check = CHECKS[name]
    if check.cells == "release":
        return
    for column in check.needs:
        full = cell(name)
        columns = {key: values for key, values in full.table.columns.items() if key != column}
        sums = None if column == "position_sums" else full.table.position_sums
        less = SaeTable(full.table.sae, columns, full.table.massive, sums)
        poorer = Cell("tiny-release", less, full.kind, full.positions, name, THRESHOLDS)
        with pytest.raises(UserError, match=f"{column} was not measured"):
            check.function(poorer)


def test_figures_without_massive_tokens_tell_those_with_them() -> None:
    for name in ("explained_variance", "mse", "mse_growth", "l1_growth", "norm_growth"):
        notes = dict(CHECKS[name].function(cell(name)).notes)
        assert set(notes) == {"value_all_tokens", "massive_tokens"}
        assert notes["massive_tokens"] == (1 if CHECKS[name].cells == "in_context" else 0)
