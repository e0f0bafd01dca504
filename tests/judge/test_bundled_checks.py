"""Each check of the suite, on a release made of plain numbers.

On texts there are two per quantity, one in context, one past it; on tasks, one per item.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from sae_checks.errors import UserError
from sae_checks.evals.activity.cells import ActivityCell
from sae_checks.evals.activity.table import Duplicates
from sae_checks.evals.context.cells import Cell, ReleaseCell
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
from sae_checks.judge.ranks import rank_association, rank_effect
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
EXPECTED = {
    "delta_ce": 0.1,
    "delta_ce_growth": 10,
    "usable_context": 1,
    "kl": 0.2,
    "ce_recovered": 0.98,
    "ce_recovered_mean": 0.95,
    "l0": 5,
    "declared_l0": 5 / 4,
    "declared_explained_variance": 0.75 - 0.8,
    "l0_growth": 10,
    "l1_growth": 10,
    "explained_variance": 0.75,
    "mse": 0.5,
    "mse_growth": 10,
    "l2_ratio": 0.8,
    "relative_reconstruction_bias": 0.64 / ((1 + 0.64 - 0.5) / 2),
    "cosine_similarity": (1 + 0.64 - 0.5) / 2 / 0.8,
    "best_scale": (2 + 1.8 - 0.5) / 2 / 1.8,
    "shrinkage": (2 + 1.8 - 0.5) / 2 / 1.8,
    # Five features of strength 2 in the mean: (0.6 - 2 * 0.2) / (30 - 2 * 10).
    "decoder_scale": 1 + 0.2 / 10,
    "rescaling_gain": (1.65 - 1.8) ** 2 / (1.8 * 2),
    "constant_error": 0.1**2 / 0.5,
    "kl_recovered": 1 - 0.2 / 4,
    "kl_recovered_mean": 1 - 0.2 / 2,
    "delta_ce_evenness": 1,
    "l0_evenness": 1,
    "mse_evenness": 1,
    "norm_growth": 1,
    "massive_activations": 1 / (TEXTS * 62),
    "depth_trend_in_context": 1,
    "depth_trend_past_context": 1,
    "accuracy_drop": 100 * 1 / ITEMS,
    "candidate_accuracy_drop": 100 * 2 / ITEMS,
    "delta_ln_p": (20 * 0.1 - 0.1 * (1 + 39) * 10) / ITEMS,
    "prompt_delta_ce": 39 / 2 / 100,
    "logit_difference_kept": 0.9,
    "norm_correlation_l0": -1,
    "norm_correlation_l1": 1,
    "norm_correlation_mse": rank_association(ROW * 1.0, ROW % 20.0),
    "norm_correlation_delta_ln_p": rank_association(ROW * 1.0, CHANGE),
    # Of the classes, both holds items 1 to 9, clean_only item 0, and neither 10 to 39.
    "class_effect_mse": rank_effect(ROW % 20.0, CLASSES),
    "class_effect_delta_ce": rank_effect(ROW / 100, CLASSES),
    "class_effect_delta_ln_p": rank_effect(CHANGE, CLASSES),
    # Features are active on every 1st to 8th item, from item 0 on: the even ones only where ln p
    # rises; 1, 3, 5 and 7 on 20, 7, 4 and 3 rising items of 40, 14, 8 and 6.
    "positive_features": 4 / 8,
    "always_active_harmful": 0,
    "ablated_best": -0.05,
    "ablated_worst": 0.2,
    # Of 32 features 24 are active, on one token of each text of 15; 4 of them on two. 2 are alike.
    "alive_features": 24 / 32,
    "silent_features": 8 / 32,
    "dense_features": 4 / 32,
    "duplicate_features": 2 / 24,
    "layer_agreement": rank_association(CHANGE, CHANGE),  # of ties, half the items
    "rank_agreement": 1,
    # On the second corpus the layer after it stands in: 0.1 nats more, all else alike.
    "shift_delta_ce": 0.1,
    "shift_explained_variance": 0,
    "shift_l0": 1,
    "shift_ce_clean": 0,
    # Past the training context, 0.4 nats without positions in the place of 1.
    "position_share": 0.6,
    "mean_position_share": 0.6,
    # Of a pair, the later SAE's squared error is 0.6 against 0.5, its L0 4 against 5, ...
    "propagation_mse": 0.2,
    "propagation_l0": -0.2,
    "propagation_norm": 0.1,
    "propagation_explained_variance": 1 - 0.6 / 2.4,
    "propagation_direct_mse": 0.05,
    "propagation_direct_l0": 0.4,
    "propagation_direct_norm": -0.1,
    # ... and of a release of three, the last one's grow half as much.
    "propagation_mse_after": 0.15,
    "propagation_mse_at": 0.2,
    "propagation_l0_after": -0.1,
    "propagation_l0_at": -0.1,
    # Of a stack whose prefix up to layer l loses 0.1 (l + 1), as SAE l does by itself.
    "stack_delta_ce": 0.3,
    "stack_kl": 0.2,
    "stack_superadditivity": 0.3 / (0.1 + 0.2 + 0.3),
    "stack_contribution": 0.1,
    "stack_accuracy_drop": 100 * 1 / ITEMS,
    "stack_delta_ln_p": (20 * 0.1 - 0.1 * (1 + 39) * 10) / ITEMS,
}
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


@pytest.mark.parametrize("name", CHECKS)
def test_check_measures_what_it_says(name) -> None:
    check = CHECKS[name]
    if check.cells.name == "release":
        estimate = check.function(ReleaseCell(tuple(cell(name, layer) for layer in range(4))))
    elif check.cells.name in BESIDE:
        estimate = check.function(BESIDE[check.cells.name](name))
    elif check.cells.name == "task":
        estimate = check.function(task_cell(name))
    elif check.cells.name == "task_release":
        estimate = check.function(task_release(name))
    else:
        estimate = check.function(cell(name))
    assert estimate.reason == ""
    assert estimate.value == pytest.approx(EXPECTED[name])
    assert check.summary.endswith(".")


# Of `norm` alone, which is always measured.
OF_NORM = {"norm_growth", "massive_activations", "propagation_norm"}


@pytest.mark.parametrize("name", sorted(set(CHECKS) - OF_NORM))
def test_check_needs_no_less_than_it_names(name) -> None:
    """Were a column in `needs` unused, it would be measured for nothing."""
    check = CHECKS[name]
    if check.cells.name == "release":
        return
    for column in check.needs - {"norm"}:
        if check.cells.name.startswith("task"):
            make = task_cell if check.cells.name == "task" else task_release
            poorer = make(name, needs=check.needs - {column})
            with pytest.raises(UserError, match=f"{column} was not measured"):
                check.function(poorer)
            continue
        if check.cells.name in BESIDE:
            with pytest.raises(UserError, match=f"{column} was not measured"):
                check.function(BESIDE[check.cells.name](name, check.needs - {column}))
            continue
        full = cell(name)
        columns = {key: values for key, values in full.table.columns.items() if key != column}
        sums = None if column == "position_sums" else full.table.position_sums
        less = ContextTable.of(full.table.sae, columns, full.table.massive, sums)
        poorer = replace(full, table=less)
        with pytest.raises(UserError, match=f"{column} was not measured"):
            check.function(poorer)


def test_figures_without_massive_tokens_tell_those_with_them() -> None:
    of_shrinkage = ("l2_ratio", "relative_reconstruction_bias", "cosine_similarity", "best_scale")
    of_squares = ("explained_variance", "rescaling_gain", "constant_error", "mse", "mse_growth")
    for name in (*of_shrinkage, *of_squares, "l1_growth", "norm_growth"):
        notes = dict(CHECKS[name].function(cell(name)).notes)
        assert set(notes) == {"value_all_tokens", "massive_tokens"}
        assert notes["massive_tokens"] == (1 if CHECKS[name].cells.name == "in_context" else 0)


@pytest.mark.parametrize(
    ("written", "read", "judged"),
    [(1.5, 1.2, "norm"), (1.1, 1.2, "input_norm"), (1.2, 0.5, "input_norm"), (0.4, 2.0, "norm")],
)
def test_of_a_transcoders_norms_the_one_that_changes_more_is_judged(written, read, judged) -> None:
    """Whether it grows or shrinks, where it is read or where it is written."""
    full = cell("norm_growth")
    columns = dict(full.table.columns)
    past = np.arange(CONTEXT) >= full.table.sae.training_context
    for name, times in (("norm", written), ("input_norm", read)):
        columns[name] = np.where(past, times, 1.0) * np.isfinite(full.table.columns["norm"])
        columns[name][:, 0] = math.nan
    transcoders = replace(full, table=ContextTable.of(full.table.sae, columns, full.table.massive))
    estimate = CHECKS["norm_growth"].function(transcoders)
    assert estimate.value == pytest.approx({"norm": written, "input_norm": read}[judged])
    assert dict(estimate.notes)["norm"] == judged


def test_a_norm_that_is_broken_where_it_is_read_is_judged() -> None:
    full = cell("norm_growth")
    columns = dict(full.table.columns)
    columns["input_norm"] = np.where(np.isnan(columns["norm"]), math.nan, math.inf)
    broken = replace(full, table=ContextTable.of(full.table.sae, columns, full.table.massive))
    estimate = CHECKS["norm_growth"].function(broken)
    assert math.isnan(estimate.value)
    assert estimate.reason.startswith("input_norm is not finite on ")
