"""Each check of the suite, on a release made of plain numbers.

On texts there are two per quantity, one in context, one past it; on tasks, one per item.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from sae_checks.errors import UserError
from sae_checks.evals.context.cells import ReleaseCell
from sae_checks.evals.context.table import ContextTable
from sae_checks.judge.ranks import rank_association, rank_effect
from tests.judge.bundled_cells import (
    BESIDE,
    CHANGE,
    CHECKS,
    CLASSES,
    CONTEXT,
    ITEMS,
    ROW,
    TEXTS,
    cell,
    task_cell,
    task_release,
)

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
