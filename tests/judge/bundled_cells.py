"""A release made of plain numbers: for each check of the suite, a cell that it can judge."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from sae_checks.evals.activity.cells import ActivityCell
from sae_checks.evals.activity.table import Duplicates
from sae_checks.evals.context.cells import Cell
from sae_checks.evals.context.table import ContextTable, PositionSums
from sae_checks.evals.positions.cells import PositionCell
from sae_checks.evals.propagation.cells import PropagationCell, PropagationReleaseCell
from sae_checks.evals.propagation.pairs import PAIR, Pair
from sae_checks.evals.propagation.table import PropagationTable, first_positions
from sae_checks.evals.shift.cells import ShiftCell
from sae_checks.evals.stack.cells import StackCell, StackedSaeCell
from sae_checks.evals.stack.choice import STACK, StackName
from sae_checks.evals.stack.tables import StackTable, StackTaskTable
from sae_checks.evals.tasks.cells import TaskCell
from sae_checks.evals.tasks.release import TaskReleaseCell
from sae_checks.evals.tasks.table import TaskTable
from sae_checks.judge.thresholds_file import CheckRules, read_thresholds
from sae_checks.records import TEXTS as TEXTS_OF_A_CORPUS
from sae_checks.records import (
    DeclaredFigure,
    Intervention,
    ModelLoading,
    PositionRange,
    SaeRef,
)
from sae_checks.records.place import Place
from sae_checks.records.selectors import TASK
from sae_checks.session.suite import BUNDLED_THRESHOLDS, bundled_checks
from tests.measuring import TEXT_NEEDS
from tests.places import cell_on_items, cell_on_texts, declared_cell, place
from tests.stored import ablation_table, activity_table, feature_table

CHECKS = bundled_checks()
THRESHOLDS = read_thresholds(
    BUNDLED_THRESHOLDS, {name: CheckRules(c.unit, c.parameters) for name, c in CHECKS.items()}
)
TEXTS, TRAINING_CONTEXT, CONTEXT, ITEMS = 3, 16, 64, 40
ROW = np.arange(ITEMS)
CHANGE = np.where(ROW % 2, -ROW / 10, 0.1)


def sae(layer: int) -> SaeRef:
    hook = f"blocks.{layer}.hook_resid_pre"
    loading = ModelLoading("tiny")
    return SaeRef(
        hook, hook, layer, "hook_resid_pre", TRAINING_CONTEXT, 2, 8, "jumprelu", loading, "", ""
    )


def table(layer: int, needs: frozenset[str]) -> ContextTable:
    """Only what a check says it needs; past the training context figures are tenfold."""
    times = np.where(np.arange(CONTEXT) < TRAINING_CONTEXT, 1.0, 10.0)
    per_position = {
        "l0": 5 * times,
        "l1": 7 * times,
        "mse": 0.5 * times,
        "norm": times**0,
        "squared_distance": 2 * times**0,
        "reconstruction_norm": 0.8 * times**0,
        "reconstruction_squared_distance": 1.8 * times**0,
        "error_projection": 0.1 * times**0,
        "strength": 10 * times**0,
        "written_square": 30 * times**0,
        "written_error": 0.6 * times**0,
        "directions_written": 10 * times**0,
        "directions_error": 0.2 * times**0,
        "ce_clean": 3 * times**0,
        "ce_sae": 3 + 0.1 * (layer + 1) * times,
        "kl": 0.2 * times,
        "ce_zero": 8 * times**0,
        "ce_mean": 5 * times**0,
        "ce_token_part": 3 + 0.04 * times,
        "ce_mean_position": 3 + 0.04 * times,
        "positions_added": times**0,
        "kl_zero": 4 * times**0,
        "kl_mean": 2 * times**0,
    }
    columns = {
        name: np.tile(values, (TEXTS, 1))
        for name, values in per_position.items()
        if name in needs | {"norm", "positions_added"}
    }
    for name, values in columns.items():
        values[:, 0] = math.nan
        if name.startswith(("ce_", "kl")):
            values[:, -1] = math.nan
    massive = np.zeros((TEXTS, CONTEXT), dtype=bool)
    massive[0, 1] = True
    counts = np.full(CONTEXT, float(TEXTS))
    ordinary = counts - massive.sum(axis=0)
    ordinary[0] = 0
    nothing = np.zeros((CONTEXT, 2))
    sums = PositionSums(ordinary, nothing, massive.sum(axis=0).astype(float), nothing)
    return ContextTable.of(sae(layer), columns, massive, sums if "position_sums" in needs else None)


def task_table(layer: int, needs: frozenset[str]) -> TaskTable:
    """Only what a check says it needs; items 0 to 9 are right clean, of which layer l loses l + 1.

    The odd items' ln p falls by their row / 10, the even ones' rises by 0.1.
    """
    row, change = ROW, CHANGE
    columns = {
        "clean_ln_p": np.full(ITEMS, -2.0),
        "sae_ln_p": change - 2,
        "clean_rank": np.where(row < 10, 1.0, 7.0),
        "sae_rank": np.where((row < 10) & (row > layer), 1.0, 9.0),
        "clean_candidate_right": (row < 20).astype(float),
        "sae_candidate_right": (row < 18).astype(float),
        "clean_logit_difference": np.full(ITEMS, 3.0),
        "sae_logit_difference": np.full(ITEMS, 2.7),
        "prompt_norm": row + 5.0,
        "prompt_mse": row % 20.0,
        "prompt_l0": -row.astype(float),
        "prompt_l1": row * 2.0,
        "prompt_ce_clean": np.full(ITEMS, 4.0),
        "prompt_ce_sae": 4 + row / 100,
    }
    chosen = {name: values for name, values in columns.items() if name in needs}
    return TaskTable.of(
        sae(layer),
        "made-up",
        chosen,
        np.full(ITEMS, 12),
        ("",) * ITEMS,
        feature_table(change) if "features" in needs else None,
        ablation_table(change) if "ablations" in needs else None,
    )


CLASSES = [(ROW > 0) & (ROW < 10), ROW == 0, ROW >= 10]
POSITIONS = {
    **dict.fromkeys(("in_context", "declared_l0", "declared_explained_variance"), (1, 15)),
    **dict.fromkeys(("evenness", "in_training", "shrinkage"), (1, 15)),
    "past_context": (32, 62),
    "sae": (1, 62),
    "release": (1, 62),
    "shift": (1, 15),
    "first_layer": (16, 62),
}
DECLARED = {"declared_l0": 4.0, "declared_explained_variance": 0.8}
FIRST_POSITIONS = 32


def task_cell(name: str, layer: int = 0, needs: frozenset[str] | None = None) -> TaskCell:
    needs = CHECKS[name].needs if needs is None else needs
    return cell_on_items("tiny-release", task_table(layer, needs), name, THRESHOLDS)


def task_release(name: str, needs: frozenset[str] | None = None) -> TaskReleaseCell:
    needs = CHECKS[name].needs if needs is None else needs
    positions = PositionRange(*POSITIONS["release"])
    texts = (
        cell_on_texts("tiny-release", table(layer, needs), "sae", positions, name, THRESHOLDS)
        for layer in range(4)
    )
    cells = tuple(task_cell(name, layer, needs) for layer in range(4))
    return TaskReleaseCell(cells, tuple(texts) if needs & TEXT_NEEDS else ())


def activity_cell(name: str, needs: frozenset[str] | None = None) -> ActivityCell:
    needs = CHECKS[name].needs if needs is None else needs
    active = np.zeros((TEXTS, TRAINING_CONTEXT - 1, 32), dtype=bool)
    active[:, 3, :24] = active[:, 7, :4] = True
    made = activity_table(0, active)
    alike = Duplicates(np.array([5, 6]), np.array([6, 5]), np.full(2, 0.995))
    side = {**made.side, "duplicates": alike}
    made = replace(made, side={key: each for key, each in side.items() if key in needs})
    at = place("tiny-release", made.sae.sae_id, positions=PositionRange(1, 15))
    return ActivityCell(at, made, name, THRESHOLDS)


def cell(name: str, layer: int = 0, needs: frozenset[str] | None = None) -> Cell:
    check = CHECKS[name]
    kind = "sae" if check.cells.whole_release else check.cells.name
    positions = PositionRange(*POSITIONS[check.cells.name])
    made = cell_on_texts(
        "tiny-release",
        table(layer, check.needs if needs is None else needs),
        kind,
        positions,
        name,
        THRESHOLDS,
    )
    if name in DECLARED:
        figure = DeclaredFigure(DECLARED[name], "its cfg.json")
        return declared_cell(made, figure, "tales")
    return made


def position_cell(name: str, needs: frozenset[str] | None = None) -> PositionCell:
    whole = cell(name, 0, needs)
    return PositionCell(whole.place, name, THRESHOLDS, whole)


def shift_cell(name: str, needs: frozenset[str] | None = None) -> ShiftCell:
    first, second = cell(name, 0, needs), cell(name, 1, needs)
    return ShiftCell(first.place, name, THRESHOLDS, first, second)


def pair_cell(
    name: str, needs: frozenset[str] | None = None, layers: tuple[int, int] = (0, 1)
) -> PropagationCell:
    """Two SAEs: what a later one's figures are with an earlier one spliced in, and without."""
    needs = CHECKS[name].needs if needs is None else needs
    share = 0.5 if layers[1] == 2 else 1.0
    figures = {
        "mse": 0.5 * (1 + 0.2 * share),
        "l0": 5 * (1 - 0.2 * share),
        "norm": 1.1,
        "squared_distance": 2.4,
        "direct_mse": 0.5 * 1.05,
        "direct_l0": 5 * 1.4,
        "direct_norm": 0.9,
    }
    clean = first_positions(table(layers[1], needs), FIRST_POSITIONS)
    columns = {
        column: np.where(np.isnan(clean.columns["norm"]), math.nan, value)
        for column, value in figures.items()
        if column in needs | {"norm"}
    }
    spliced = PropagationTable(
        TEXTS_OF_A_CORPUS,
        Intervention((sae(layers[0]),)),
        columns,
        clean.labels,
        clean.side,
        observed=sae(layers[1]),
    )
    ids = Pair(*(sae(layer).sae_id for layer in layers))
    at = Place.of_release("tiny-release").at(PAIR, ids)
    return PropagationCell(at, spliced, clean, name, THRESHOLDS)


def pair_release(name: str, needs: frozenset[str] | None = None) -> PropagationReleaseCell:
    return PropagationReleaseCell(
        tuple(pair_cell(name, needs, layers) for layers in ((0, 1), (0, 2), (1, 2)))
    )


def stack_cell(name: str, needs: frozenset[str] | None = None) -> StackCell | TaskCell:
    check = CHECKS[name]
    needs = check.needs if needs is None else needs
    place = Place.of_release("tiny-release").at(STACK, StackName(("first", "last")))
    stack = Intervention(tuple(sae(layer) for layer in range(3)))
    if check.cells.name == "stack_task":
        of_one = task_table(0, needs)
        of_all = StackTaskTable(of_one.dataset, stack, of_one.columns, of_one.labels)
        return TaskCell(place.at(TASK, "made-up"), of_all, name, THRESHOLDS)
    alone = tuple(table(layer, needs) for layer in range(3))
    prefixes = tuple(
        StackTable("texts", stack, each.columns, each.labels, observed=each.sae) for each in alone
    )
    positions = PositionRange(*POSITIONS["in_context"])
    return StackedSaeCell(place, name, THRESHOLDS, positions, prefixes, alone, index=1)


# Cells that are more than one `Cell`, by their kinds.
BESIDE = {
    "activity": activity_cell,
    "first_layer": position_cell,
    "propagation": pair_cell,
    "propagation_direct": pair_cell,
    "propagation_release": pair_release,
    "shift": shift_cell,
    **dict.fromkeys(("stack", "stack_beside_saes", "stacked_sae", "stack_task"), stack_cell),
}
