"""Entries made of failures: read back, each accepts its own cell and nothing that is worse."""

from __future__ import annotations

import tomllib
from datetime import date
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sae_checks.judge.estimate import Estimate, undefined
from sae_checks.judge.thresholds import KnownFailure, Limit
from sae_checks.judge.thresholds_file import CheckRules, parse_thresholds
from sae_checks.judge.verdict import Verdict, judge
from sae_checks.records import PositionRange
from sae_checks.report.accepting import known_failure_entries
from sae_checks.session.result import Outcome
from sae_checks.session.suite import bundled_checks
from tests import stored
from tests.places import cell_ref, where

TODAY = date(2026, 1, 31)
CHECKS = bundled_checks()
SAE = stored.sae_ref(3)
AT_MOST = Limit("nats", max=0.35, margin=0.01)
AT_LEAST = Limit("fraction", min=0.9, margin=0.01)


def estimate(value: float, reach: float) -> Estimate:
    return Estimate(value, value - reach, value + reach, reach / 2, 97, 3104)


def failing(
    value: float,
    limit: Limit = AT_MOST,
    reach: float = 0.01,
) -> Verdict:
    """Its own interval reaches half as far as the one of all cells together."""
    verdict = judge(estimate(value, reach / 2), limit, estimate(value, reach))
    assert not verdict.holds
    return verdict


def outcome(verdict: Verdict, check: str = "delta_ce", **cell: Any) -> Outcome:
    made = {"kind": "in_context", "release": "made-up", "sae": SAE, "positions": None} | cell
    return Outcome(CHECKS[check], cell_ref(**made), "failed", verdict)


def entries(*outcomes: Outcome) -> list[dict[str, Any]]:
    return tomllib.loads(known_failure_entries(outcomes, TODAY)).get("known_failure", [])


def accepted(*outcomes: Outcome) -> tuple[KnownFailure, ...]:
    """As a thresholds file is read that has these entries."""
    rules = {name: CheckRules(check.unit) for name, check in CHECKS.items()}
    return parse_thresholds(known_failure_entries(outcomes, TODAY), rules).known_failures


def test_the_whole_entry():
    one = outcome(failing(0.5), positions=PositionRange(8, 15))
    assert known_failure_entries([one], TODAY) == (
        "[[known_failure]]\n"
        'check = "delta_ce"\n'
        'release = "made-up"\n'
        'sae = "blocks.3.hook_resid_pre"\n'
        'positions = "8:15"\n'
        "bound = 0.51\n"
        "expires = 2026-05-01\n"
        'reason = "to be reviewed: 0.5 nats is above the maximum of 0.35 nats (interval 0.495 to '
        '0.505, 0.49 to 0.51 with all cells of the release in view, 97 texts, 3,104 tokens)"\n'
    )


def test_only_failures_are_written():
    verdict = failing(0.5)
    others = [
        Outcome(CHECKS["kl"], outcome(verdict).cell, said, verdict)
        for said in (
            *("passed", "accepted", "error", "unexpectedly passed"),
            *("undecided", "not applicable"),
        )
    ]
    assert known_failure_entries(others, TODAY) == ""
    assert [each["check"] for each in entries(*others, outcome(verdict), *others)] == ["delta_ce"]


def test_what_a_cell_lacks_its_entry_lacks():
    release = outcome(failing(0.5), "depth_trend_in_context", kind="release", sae=None)
    task = outcome(failing(0.5), "delta_ln_p", kind="task", task="ioi")
    first, second = entries(release, task)
    assert first.keys() == {"check", "release", "bound", "expires", "reason"}
    assert second.keys() == {*first, "sae", "task"}
    assert second["task"] == "ioi"


def test_names_stand_for_themselves():
    """However much they look like globs, or like the end of a TOML string."""
    name = 'a*[b]?"\\ü'
    one = outcome(failing(0.5), release=name, kind="task", task=name)
    (entry,) = accepted(one)
    assert entry.matches("delta_ce", one.cell.place)
    other = outcome(failing(0.5), release=name.replace("*", "x"), kind="task", task=name)
    assert not entry.matches("delta_ce", other.cell.place)


def test_an_undefined_value_has_no_bound():
    (entry,) = entries(outcome(judge(undefined("no tokens"), AT_MOST)))
    assert "bound" not in entry
    assert entry["reason"] == "to be reviewed: undefined: no tokens"


@pytest.mark.parametrize(
    ("value", "limit", "bound"),
    [(0.5, AT_MOST, 0.51), (0.5, AT_LEAST, 0.49), (-3.0, Limit("x", min=0, max=1), -3.01)],
)
def test_the_bound_is_the_far_end_of_the_wider_interval(value, limit, bound):
    (entry,) = entries(outcome(failing(value, limit)))
    assert entry["bound"] == pytest.approx(bound)


values = st.floats(0.36, 1e4)


@given(values, st.one_of(st.just(0.0), st.floats(0, 0.004)), st.sampled_from([-1.0, 1.0]))
@example(1.23449, 0.0, 1.0)
@example(1.2345501, 0.0, -1.0)
def test_an_entry_accepts_the_failure_that_it_was_made_of(value, reach, sign):
    """Rounding never takes the value itself out: not even where the interval is of no width."""
    limit = Limit("nats", max=0.35) if sign > 0 else Limit("nats", min=-0.35)
    one = outcome(failing(sign * value, limit, reach))
    (entry,) = accepted(one)
    assert entry.matches("delta_ce", one.cell.place)
    assert not entry.exceeded(sign * value, limit)
    # What is clearly worse is not accepted.
    assert entry.exceeded(sign * (value + reach) * 1.002, limit)


@pytest.mark.parametrize(("value", "limit"), [(0.34, AT_MOST), (0.91, AT_LEAST)])
def test_an_undecided_value_within_its_limit_is_accepted_until_it_is_worse(value, limit):
    """The bound lies beyond the limit, on the side on which it fails."""
    one = outcome(failing(value, limit, reach=0.06))
    assert one.verdict is not None
    assert one.verdict.status == "undecided"
    (entry,) = accepted(one)
    worse = 1 if limit.max is not None else -1
    assert not entry.exceeded(value, limit)
    assert not entry.exceeded(value - worse * 0.1, limit)  # better, and as undecided as before
    assert entry.exceeded(value + worse * 0.1, limit)


def test_a_hand_written_bound_accepts_what_is_undecided_within_the_limit():
    """0.34 is no further beyond the maximum of 0.35 than 0.5 is."""
    entry = KnownFailure("delta_ce", where(release="made-up"), "known", bound=0.5)
    assert not entry.exceeded(0.34, AT_MOST)
    assert not KnownFailure("delta_ce", where(release="made-up"), "known", bound=0.8).exceeded(
        0.91, AT_LEAST
    )
