from __future__ import annotations

import pytest

from sae_checks.evals import registry
from sae_checks.evals.context.columns import COLUMNS, FLOORS, context_plan
from sae_checks.evals.context.table import POSITION_SUMS
from sae_checks.evals.registry import refuse_unknown
from sae_checks.evals.tasks.columns import offered_columns, task_plan
from sae_checks.measure.plan import Plan


def plan(*columns: str) -> Plan:
    return context_plan(frozenset(columns))


def test_norm_is_always_measured():
    assert plan().names == {"norm"}


@pytest.mark.parametrize(
    ("columns", "encodes", "splices", "unembeds"),
    [
        ((), False, False, False),
        (("squared_distance", POSITION_SUMS), False, False, False),
        (("l0",), True, False, False),
        (("l1",), True, False, False),
        (("mse",), True, False, False),
        (("ce_clean",), False, False, True),
        (("ce_zero", "ce_mean"), False, False, True),
        (("kl_zero",), False, False, True),
        (("reconstruction_norm",), True, False, False),
        (("reconstruction_squared_distance", "error_projection"), True, False, False),
        (("strength", "directions_error"), True, False, False),
        (("ce_sae",), True, True, True),
        (("kl",), True, True, True),
    ],
)
def test_what_columns_take(columns, encodes, splices, unembeds):
    found = plan(*columns)
    assert (found.encodes, found.splices, found.unembeds) == (encodes, splices, unembeds)


def test_position_sums_bring_the_projection_that_their_standard_error_takes():
    assert plan(POSITION_SUMS).names == {"norm", POSITION_SUMS, "offset_projection"}
    assert plan(POSITION_SUMS).in_rows == ("norm", "offset_projection")
    assert plan("squared_distance").names == {"norm", "squared_distance"}


def test_floors():
    for columns in ((), ("ce_mean",), ("ce_zero", "ce_mean")):
        assert tuple(name for name in FLOORS if name in plan("kl", *columns)) == columns


def test_every_column_says_what_it_takes_or_is_of_the_activation_alone():
    """A column that needs the SAE and does not say so would silently never be computed."""
    of_the_activation = {"norm", "squared_distance", "offset_projection", POSITION_SUMS}
    for column in COLUMNS:
        takes = column.needs_features or column.unembeds
        assert takes != (column.name in of_the_activation), column.name


def test_answers_are_always_measured_and_no_task_gives_what_it_lacks():
    assert task_plan(frozenset(), offered_columns("none")).names == {
        *(f"{side}_{what}" for side in ("clean", "sae") for what in ("ln_p", "rank")),
        "losses",
    }
    pair = task_plan(frozenset({"prompt_mse"}), offered_columns("pair")).names
    assert {"clean_logit_difference", "sae_candidate_right", "prompt_mse"} <= pair


def test_ablations_bring_the_scores_that_they_are_chosen_by():
    offered = offered_columns("none") | {"ablations"}
    found = task_plan(frozenset({"ablations"}), offered)
    assert {"features", "ablations"} <= found.names
    assert found.names - found.grown == {"ablations"}


def test_unknown_columns(monkeypatch):
    monkeypatch.setattr(registry, "EVALUATIONS", registry.EVALUATIONS[:2])
    with pytest.raises(ValueError, match=r"^no such column: ") as raised:
        refuse_unknown(frozenset({"loss", "l0", "l2"}))
    assert str(raised.value) == (
        "no such column: l2, loss; there are, per token, l0, l1, mse, norm, reconstruction_norm, "
        "reconstruction_squared_distance, error_projection, strength, written_square, "
        "written_error, directions_written, directions_error, squared_distance, ce_clean, ce_sae, "
        "kl, ce_zero, ce_mean, kl_zero, kl_mean and position_sums, and per item of a task, "
        "clean_ln_p, sae_ln_p, clean_rank, sae_rank, clean_candidate_right, "
        "sae_candidate_right, clean_logit_difference, sae_logit_difference, prompt_l0, prompt_l1, "
        "prompt_mse, prompt_norm, prompt_ce_clean, prompt_ce_sae, features and ablations"
    )
