"""What a model card says of claims that do not hold, and of figures that end with the measuring."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from sae_checks.judge.verdict import judge
from sae_checks.report.card import card_lines
from sae_checks.session.result import Outcome, RunResult
from tests.report.results import became, estimate, limits, release_result

LAYER = "blocks.0.hook\\_resid\\_pre"


def last_part(result: RunResult) -> list[str]:
    """What follows on the last table."""
    lines = card_lines(result)
    return lines[max(at for at, line in enumerate(lines) if line.startswith("|")) + 2 :]


def with_outcomes(result: RunResult, check: str, **changes: object) -> RunResult:
    """The claims of a check otherwise."""
    return replace(
        result,
        outcomes=tuple(
            replace(each, **changes)  # type: ignore[arg-type]
            if each.check.name == check and each.cell.family == "claim"
            else each
            for each in result.outcomes
        ),
    )


def test_where_every_claim_holds():
    assert last_part(release_result(1, tasks=())) == [
        "Every claim of the gate that has a limit is shown to hold, within its margin."
    ]


def test_claims_that_do_not_hold_stand_by_what_is_known_of_them():
    result = release_result(
        1, tasks=(), broken={("kl", 0): 0.9, ("l2_ratio", 0): 0.1}, undecided=[("delta_ce", 0)]
    )
    result = with_outcomes(result, "l2_ratio", outcome="accepted")
    result = with_outcomes(result, "l0", outcome="error", verdict=None)
    lines = last_part(result)
    assert [line for line in lines if not line.startswith("- ")] == [
        *("Shown to be beyond the limit: 1 claim of the gate.", "", ""),
        *("Known failures that were accepted: 1 claim of the gate.", "", ""),
        *("Neither shown to hold nor to fail: 1 claim of the gate.", "", ""),
        *("Not measured: 1 claim of the gate.", ""),
    ]
    told = [line.partition(":")[0] for line in lines if line.startswith("- ")]
    assert told == [f"- `{check}` of {LAYER}-1" for check in ("kl", "l2_ratio", "delta_ce", "l0")]


def test_an_accepted_claim_that_is_undecided_is_not_called_beyond_its_limit():
    result = release_result(1, tasks=(), undecided=[("delta_ce", 0)])
    for outcome, said in (("failed", "not shown"), ("accepted", "not shown, accepted")):
        (row,) = [
            line
            for line in card_lines(with_outcomes(result, "delta_ce", outcome=outcome))
            if line.startswith(f"| {LAYER} |")
        ]
        assert row.split(" | ")[3].endswith(f"] {said}")


@pytest.mark.parametrize(
    ("value", "low", "high", "shown"),
    [
        (8.0, 8.0, math.inf, "≥ 8"),  # to the end of the 1,024 tokens, of 128 trained on
        (8.0, 2.0, math.inf, "≥ 8 [≥ 2]"),
        (4.0, 2.0, math.inf, "4 [≥ 2]"),
        (4.0, 2.0, 6.0, "4 [2, 6]"),
    ],
)
def test_a_usable_context_that_ends_with_the_measuring_is_a_least(value, low, high, shown):
    result = release_result(1, tasks=())
    (before,) = [each for each in result.outcomes if each.check.name == "usable_context"]
    made = replace(estimate(value), low=low, high=high)
    limit = limits().limit("usable_context", before.cell.place)
    outcome: Outcome = became(before.check, before.cell, judge(made, limit, family="claim"))
    others = [each for each in result.outcomes if each is not before]
    lines = card_lines(replace(result, outcomes=(*others, outcome)))
    (row,) = [line for line in lines if line.startswith(f"| {LAYER} |")]
    assert row.endswith(f" | {shown} |")


def test_what_figures_are_taken_over_is_said_of_each_table():
    result = release_result(1, tasks=["ioi"])
    lines = card_lines(result)
    assert "On the task ioi, over its items:" in lines
    without = [each for each in result.outcomes if each.check.name != "usable_context"]
    assert "On texts, over the positions of the training context:" in (
        card_lines(replace(result, outcomes=tuple(without)))
    )
