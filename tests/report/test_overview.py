"""The verdict, the matrix and the groups of failures that every report is made of."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from sae_checks import check
from sae_checks.judge.topics import TOPICS
from sae_checks.records import Release
from sae_checks.report.overview.causes import CAUSES
from sae_checks.report.overview.groups import failure_groups, undecided_groups
from sae_checks.report.overview.levels import LEVELS, level, worst
from sae_checks.report.overview.matrix import labels, matrix
from sae_checks.report.overview.repeat import command_of, whole_command
from sae_checks.report.overview.verdict import run_verdict
from sae_checks.session.suite import bundled_checks
from tests import stored
from tests.places import cell_ref
from tests.report.results import outcome, release_result, run_result, sae_ref

GROWTH = {("delta_ce_growth", layer): 40.0 * (4 - layer) for layer in range(4)}


def test_every_bundled_check_has_a_topic_of_the_suite_and_every_topic_a_check():
    found = {each.about for each in bundled_checks().values()} | {"vs baseline"}
    assert found == {topic.name for topic in TOPICS}


def test_a_headline_is_a_check_of_its_topic():
    checks = bundled_checks()
    for topic in TOPICS[:-1]:
        assert checks[topic.headline].about == topic.name
    assert not TOPICS[-1].headline  # of comparisons


def test_a_check_of_ones_own_is_a_column_named_after_its_file():
    """Its file is this one."""

    @check(cells="in_context", needs=("l0",), unit="features", max=5, margin=1)
    def check_mine(cell):
        return cell.mean("l0")

    mine = outcome(check_mine.sae_check, cell_ref("in_context", "made-up", sae_ref(0)), 7.0)
    run = release_result(2)
    found = matrix(replace(run, outcomes=(mine, *run.outcomes)))
    assert found.topics[-1] == "test overview"
    assert [square.level for square in found.column("test overview")] == ["failed"]


def test_rows_are_in_the_order_of_layers_and_several_stand_behind():
    refs = [sae_ref(10), sae_ref(2), sae_ref(0)]
    found = matrix(release_result(refs=refs))
    assert [row.label for row in found.rows] == [
        *("0 resid_pre", "2 resid_pre", "10 resid_pre"),
        *("pairs of SAEs", "stack of 3 SAEs", "whole release"),
    ]
    assert [row.kind for row in found.rows] == ["sae"] * 3 + ["several"] * 2 + ["release"]
    assert found.rows[3].squares.keys() == {"propagation"}


def test_saes_of_one_layer_and_site_are_told_apart_and_stay_in_the_releases_order():
    refs = [replace(sae_ref(0), sae_id=f"l0_{width}") for width in (10, 9)]
    assert [row.label for row in matrix(release_result(refs=refs)).rows[:2]] == ["l0_10", "l0_9"]


def test_a_square_counts_all_its_tests_once():
    run = release_result(3, broken=GROWTH, undecided=[("kl", 2)])
    squares = [square for row in matrix(run).rows for square in row.squares.values()]
    assert sum(sum(square.counts.values()) for square in squares) == len(run.outcomes)
    assert {id(o) for s in squares for o in s.outcomes} == {id(o) for o in run.outcomes}


def test_a_square_shows_its_worst_claim():
    """Of a failure; where all is well the figure is that of the topic's headline."""
    rows = matrix(release_result(3, broken={**GROWTH, ("kl", 1): 0.9})).rows
    square = rows[1].squares["loss in context"]
    assert (square.level, square.value, square.unit) == ("failed", 0.9, "nats")
    assert square.shown.cell.family == "claim"
    well = rows[0].squares["loss in context"]
    assert (well.level, well.shown.check.name) == ("passed", "delta_ce")
    assert well.value == pytest.approx(0.125)


def test_levels_from_bad_to_good():
    run = release_result(2, broken={("kl", 0): 0.9}, undecided=[("delta_ce", 0)])
    broken = replace(run.outcomes[0], outcome="error", verdict=None)
    ranked = [worst([broken, *run.outcomes]), worst(run.outcomes)]
    assert [level(each) for each in ranked] == ["not measurable", "failed"]
    assert LEVELS.index("insufficient evidence") < LEVELS.index("accepted")


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({}, "passed", "passed: {asked} of {asked} claims hold"),
        (
            {"broken": {("kl", 0): 0.9}},
            "failed",
            "FAILED: 1 claim and 8 ranges failed; {all_but_one} of {asked} claims hold",
        ),
        (
            {"undecided": [("kl", 0)]},
            "insufficient evidence",
            "INSUFFICIENT EVIDENCE: 1 claim undecided for lack of evidence; 8 ranges undecided; "
            "{all_but_one} of {asked} claims hold",
        ),
    ],
)
def test_the_verdict_in_a_sentence(changes, status, said):
    run = release_result(2, **changes)
    claims = [o for o in run.outcomes if o.cell.family == "claim" and o.verdict is not None]
    asked = sum(not o.verdict.limit.report_only for o in claims if o.verdict is not None)
    found = run_verdict(run)
    assert found.status == status
    assert found.sentence == said.format(asked=asked, all_but_one=asked - 1)


def test_a_run_without_a_test_has_measured_nothing():
    found = run_verdict(run_result())
    assert (found.status, found.sentence) == ("not measurable", "NOT MEASURABLE: no test ran")


def test_what_cannot_be_measured_is_no_pass():
    run = release_result(2)
    first, *others = run.outcomes
    broken = replace(first, outcome="error", verdict=None)
    assert run_verdict(replace(run, outcomes=(broken, *others))).status == "not measurable"
    failed = release_result(2, broken={("kl", 0): 0.9})
    assert run_verdict(replace(failed, outcomes=(broken, *failed.outcomes))).status == "failed"


def test_failures_of_one_cause_are_one_group():
    broken = {**GROWTH, ("l0_growth", 1): 50.0, ("l2_ratio", 2): 0.5}
    growth, short = failure_groups(release_result(6, broken=broken))
    assert growth.name == "grows past the training context"
    assert [sae.layer for sae in growth.saes] == [0, 1, 2, 3]
    assert (growth.claims, len(growth.outcomes), growth.positions) == (5, 45, (128, 1022))
    loss, active = growth.figures
    assert (loss.check, loss.lowest, loss.highest, loss.unit) == (
        "delta_ce_growth",
        40,
        160,
        "times",
    )
    assert (active.check, active.lowest, active.highest) == ("l0_growth", 50, 50)
    assert growth.worst.verdict is not None
    assert growth.worst.verdict.estimate.value == 160
    assert (short.name, short.claims) == ("reconstructions are too short", 1)


def test_every_failure_is_in_one_group():
    broken = {(name, layer): 1e4 for name in bundled_checks() for layer in (-1, 0, 1)}
    run = release_result(3, broken=broken)
    grouped = [id(o) for group in failure_groups(run) for o in group.outcomes]
    assert sorted(grouped) == sorted(id(o) for o in run.outcomes if o.outcome == "failed")


@pytest.mark.parametrize(
    ("broken", "cause"),
    [
        # Of a neighbouring layer's weights: its reconstructions still serve the model.
        ({"explained_variance": -1.4, "best_scale": 0.33, "delta_ce": 0.8}, "not an SAE of these"),
        ({"explained_variance": 0.1, "ce_recovered": 0.2, "mse_growth": 9}, "not an SAE of these"),
        ({"best_scale": 0.33, "l2_ratio": 0.5}, "reconstructions are too long"),
        ({"l2_ratio": 0.5, "rescaling_gain": 0.2}, "reconstructions are too short"),
        ({"decoder_scale": 0.9, "best_scale": 0.9}, "the decoder is scaled"),
    ],
)
def test_one_cause_explains_what_it_makes_fail_together(broken, cause):
    run = release_result(2, broken={(check, 0): value for check, value in broken.items()})
    (group,) = failure_groups(run)
    assert group.name.startswith(cause)


def test_what_no_cause_explains_stands_under_its_check():
    @check(cells="in_context", needs=("l0",), unit="features", max=5, margin=1, topic="mine")
    def check_mine(cell):
        return cell.mean("l0")

    mine = outcome(check_mine.sae_check, cell_ref("in_context", "made-up", sae_ref(0)), 7.0)
    (group,) = failure_groups(run_result(outcomes=(mine,)))
    assert (group.cause, group.name) == (None, "mine")


def test_undecided_claims_say_what_would_decide_them():
    (group,) = undecided_groups(release_result(2, undecided=[("delta_ce", 1)]))
    assert group.level == "insufficient evidence"
    assert math.isfinite(group.units_to_decide)
    assert group.units_to_decide > 97


def test_causes_have_names_of_their_own_and_say_what_to_do():
    assert len({cause.name for cause in CAUSES}) == len(CAUSES)
    assert all(cause.means and cause.remedy for cause in CAUSES)


def test_the_command_that_shows_more():
    """It is the run's own, without what writes files, for the group's checks and SAEs alone."""
    given = ("checks/", "--sae", "made up", "-n2", "-q", "--junitxml=a.xml", "--sae-accept", "b")
    run = release_result(2, broken={("kl", 0): 0.9}, invocation=given)
    (group,) = failure_groups(run)
    assert command_of(group, run) == (
        "pytest checks/ --sae 'made up' -k 'check_kl and blocks.0.hook_resid_pre' -v"
    )
    assert whole_command(run).startswith("pytest checks/ --sae 'made up' -n2")
    assert whole_command(replace(run, invocation=())) == "pytest checks/ --sae made-up"


@pytest.mark.parametrize("given", [(), ("-q", "--sae-task", "ioi", "-k", "kl")])
def test_a_run_of_the_command_line_is_repeated_by_the_same_command(given):
    """Which names neither the suite nor settings by their paths."""
    program = ("sae-checks", "gate", "made up")
    run = release_result(2, broken={("kl", 0): 0.9}, program=program, invocation=given)
    (group,) = failure_groups(run)
    kept = " --sae-task ioi" if given else ""
    assert command_of(group, run) == (
        f"sae-checks gate 'made up'{kept} -k 'check_kl and blocks.0.hook_resid_pre' -v"
    )
    assert whole_command(run) == " ".join(["sae-checks gate 'made up'", *given])


def test_stored_tables_that_were_judged_without_pytest_are_judged_again():
    run = release_result(2)
    facts = replace(run.facts, stored=(Path("tables"), None))
    assert whole_command(replace(run, facts=facts)) == "sae-checks judge tables"


@pytest.mark.parametrize(
    ("writes", "label"),
    [
        ("blocks.3.hook_mlp_out", "3 resid_mid->mlp_out"),
        ("blocks.5.hook_mlp_out", "3 resid_mid->blocks.5.hook_mlp_out"),
    ],
)
def test_a_transcoder_is_called_by_where_it_reads_and_where_it_writes(writes: str, label: str):
    """The block where it writes is said if it is another one."""
    reads = {"hook_point": "blocks.3.hook_resid_mid", "site": "hook_resid_mid"}
    one = replace(sae_ref(3), **reads, hook_point_out=writes, architecture="transcoder")
    assert labels(Release("made-up", "folder", stored.LOADING, (one,))) == {one.sae_id: label}


def test_of_causes_with_as_many_claims_the_one_furthest_beyond_its_limit_comes_first():
    mild, grave = (
        [outcome(name, cell_ref("in_context", "made-up", sae_ref(layer)), value)]
        for name, layer, value in (("l2_ratio", 0, 0.8), ("delta_ce", 1, 40.0))
    )
    for outcomes in (mild + grave, grave + mild):
        first, second = failure_groups(run_result(outcomes=tuple(outcomes)))
        assert (first.worst, second.worst) == (*grave, *mild)
