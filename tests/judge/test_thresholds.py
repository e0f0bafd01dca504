"""Which limit holds in a cell, and which failures there are accepted."""

from __future__ import annotations

from datetime import date

import pytest

from sae_checks.errors import ThresholdsError
from sae_checks.judge.thresholds import (
    CheckLimits,
    KnownFailure,
    Limit,
    Margin,
    Override,
    Thresholds,
)
from sae_checks.judge.thresholds_file import parse_thresholds
from sae_checks.records import ModelLoading, PositionRange, SaeRef
from tests.judge.thresholds_text import CHECKS, EXAMPLE, HEAD
from tests.places import cell_ref, place, where


def limit(thresholds: Thresholds, **cell) -> Limit:
    return thresholds.limit("delta_ce", place(cell.pop("release", "gpt2-small-res-jb"), **cell))


def test_limits_of_cells() -> None:
    thresholds = parse_thresholds(EXAMPLE, CHECKS)
    assert limit(thresholds, layer=3).max == 0.3
    assert limit(thresholds, layer=9).max == 0.4
    assert limit(thresholds, layer=9).source == "late layers"
    assert limit(thresholds, layer=9, release="gemma").max == 0.3
    assert limit(thresholds, layer=9, positions=PositionRange(2, 3)).report_only
    assert limit(thresholds, layer=9, positions=PositionRange(2, 3)).max is None
    assert limit(thresholds, layer=9, positions=PositionRange(2, 4)).max == 0.4
    assert thresholds.limit("delta_ce_growth", place("any")).parameters == (("floor", 0.02),)


def test_limits_of_tasks() -> None:
    thresholds = parse_thresholds(EXAMPLE, CHECKS)
    of = {
        task: thresholds.limit("accuracy_drop", place("any", task=task)).max
        for task in ("ioi", "ioi-long", "lambada", None)
    }
    assert of == {"ioi": 2, "ioi-long": 2, "lambada": 5, None: 5}


def test_a_check_without_a_limit_is_refused() -> None:
    with pytest.raises(ThresholdsError) as error:
        Thresholds().limit("l0", place("any"))
    assert str(error.value) == (
        "the thresholds have no table [checks.l0]: give it a min or a max, or report_only = true"
    )


def test_overrides_that_contradict_each_other_are_refused() -> None:
    overrides = (Override(where(layer=(1,)), min=2.0), Override(where(site="mlp*"), max=1.0))
    thresholds = Thresholds(checks={"l0": CheckLimits(Limit("features", min=0.0), overrides)})
    assert thresholds.limit("l0", place("any", layer=1, site="attn")).min == 2
    with pytest.raises(ThresholdsError) as error:
        thresholds.limit("l0", place("any", "blocks.1.mlp", 1, "mlp", PositionRange(1, 3), "ioi"))
    assert str(error.value) == (
        "the overrides of l0 that match blocks.1.mlp 1:3 ioi leave min 2 above max 1: "
        "change one of them"
    )


def test_margins_by_what_is_asked() -> None:
    """Worse follows from the limit; what is to be the same may change in no direction."""
    of_override = "[[checks.delta_ce.override]]\nlayer = 1\nequivalence = {share = 0.2}"
    margins = "regression = {by = 0.1}\nequivalence = {by = 0.01, share = 0.02}\n"
    thresholds = parse_thresholds(HEAD + margins + of_override, CHECKS)
    found = limit(thresholds)
    assert found.compared("regression") == Margin("higher", 0.1, 0.0)
    assert found.compared("equivalence") == Margin("either", 0.01, 0.02)
    found = limit(thresholds, layer=1)
    assert found.compared("regression") == Margin("higher", 0.1, 0.0)
    assert found.compared("equivalence") == Margin("either", 0.0, 0.2)
    assert limit(parse_thresholds(EXAMPLE, CHECKS)).compared("equivalence") is None


@pytest.mark.parametrize("question", ["regression", "equivalence"])
def test_known_failures_of_comparisons(question) -> None:
    at = place("any", "blocks.1.hook")
    for check, covers in ((question, True), (f"{question} of l0", True), ("l0", False)):
        text = f"[[known_failure]]\ncheck = '{check}'\nrelease = '*'\nreason = 'r'"
        thresholds = parse_thresholds(text, CHECKS)
        found = thresholds.known_failure(f"{question} of l0", at)
        assert (found is not None) is covers
        assert thresholds.known_failure("regressions of l0", at) is None


def test_an_overrides_limit_makes_a_report_a_gate() -> None:
    override = Override(where(sae="blocks.1.*"), max=3.0)
    thresholds = Thresholds(
        checks={"l0": CheckLimits(Limit("features", report_only=True), (override,))}
    )
    assert not thresholds.limit("l0", place("any", "blocks.1.hook")).report_only
    assert thresholds.limit("l0", place("any", "blocks.2.hook")).report_only
    assert thresholds.limit("l0", place("any")).report_only  # a release is no SAE that matches


def test_known_failures() -> None:
    thresholds = parse_thresholds(EXAMPLE, CHECKS)
    known = thresholds.known_failures[0]
    inside, outside = PositionRange(64, 79), PositionRange(32, 64)
    sae = "blocks.0.hook_resid_pre"
    covered = {"release": "tales", "sae": sae, "positions": inside}
    assert thresholds.known_failure("delta_ce_growth", place(**covered)) is known
    assert thresholds.known_failure("l0", place(**covered)) is None
    for change in (
        {"positions": outside},
        {"positions": None},
        {"release": "Tales"},
        {"sae": None},
    ):
        assert thresholds.known_failure("delta_ce_growth", place(**covered | change)) is None
    everywhere = KnownFailure("l0", where(release="*"), "why")
    assert everywhere.matches("l0", place("any"))
    assert everywhere.matches("l0", place(**covered))
    assert everywhere.matches("l0", place("any", task="ioi"))


def test_a_known_failure_of_all_saes_is_of_the_release_too() -> None:
    for sae, covers in (('sae = "*"\n', True), ("", True), ('sae = "?*"\n', False)):
        text = f'[[known_failure]]\ncheck = "l0"\nrelease = "*"\nreason = "r"\n{sae}'
        (entry,) = parse_thresholds(text, CHECKS).known_failures
        assert entry.matches("l0", place("any", "blocks.1.hook"))
        assert entry.matches("l0", place("any")) is covers


def test_known_failures_of_tasks() -> None:
    thresholds = parse_thresholds(EXAMPLE, CHECKS)
    known = thresholds.known_failures[1]
    for at, covers in [
        (place("tales", "blocks.0.hook_resid_pre", task="cbt-common-nouns"), True),
        (place("tales", task="cbt-common-nouns"), True),
        (place("tales", task="lambada"), False),
        (place("tales"), False),
    ]:
        assert thresholds.known_failure("accuracy_drop", at) is (known if covers else None)


@pytest.mark.parametrize(
    ("positions", "task", "shown"),
    [
        (None, None, "blocks.1.mlp"),
        (PositionRange(1, 3), None, "blocks.1.mlp-1:3"),
        (None, "ioi", "blocks.1.mlp-ioi"),
    ],
)
def test_a_cells_place(positions, task, shown) -> None:
    loading = ModelLoading("tiny")
    sae = SaeRef("blocks.1.mlp", "blocks.1.mlp", 1, "mlp", 4, 2, 8, "standard", loading, "", "")
    cell = cell_ref("sae", "any", sae, positions, task)
    assert str(cell) == shown
    of_sae = place("any", "blocks.1.mlp", 1, "mlp", positions, task, "blocks.1.mlp", "standard")
    assert cell.place == of_sae
    whole = cell_ref("release", "any", None, positions, task)
    assert str(whole) == shown.replace("blocks.1.mlp", "any")
    assert whole.place == place("any", positions=positions, task=task)


def test_of_several_accepted_failures_the_narrowest_counts() -> None:
    """A claim's entry covers the ranges within it too: theirs have bounds of their own."""
    claim = KnownFailure(
        "l0", where(release="*", positions=PositionRange(64, 254)), "claim", bound=2.0
    )
    part = KnownFailure(
        "l0", where(release="*", positions=PositionRange(128, 254)), "range", bound=3.0
    )
    every = KnownFailure("l0", where(release="*"), "all")
    thresholds = Thresholds(known_failures=(every, claim, part))
    for positions, found in (((128, 254), part), ((64, 254), claim), ((1, 63), every)):
        at = place("any", "sae", positions=PositionRange(*positions))
        assert thresholds.known_failure("l0", at) is found
    at = place("any", "sae", positions=PositionRange(128, 254))
    limit = Limit("features", max=1.0, margin=0.1)
    assert thresholds.accepts("l0", at, 2.5, limit, date(2026, 1, 1))
    assert not thresholds.accepts("l0", at, 3.5, limit, date(2026, 1, 1))
