"""A thresholds file that says only what differs: it is laid over the shipped one."""

from __future__ import annotations

import pytest

from sae_checks.errors import ThresholdsError
from sae_checks.judge.overlay import Shipped
from sae_checks.judge.thresholds import Changes, Gate, KnownFailure, Limit, Margin, Thresholds
from sae_checks.judge.thresholds_file import CheckRules, parse_thresholds
from sae_checks.judge.toml_table import TomlTable
from sae_checks.records import PositionRange
from tests.places import place, where

CHECKS = {
    "delta_ce": CheckRules("nats"),
    "growth": CheckRules("times", ("floor",)),
    "alive": CheckRules("fraction"),
    "mine": CheckRules("features"),
}

SHIPPED = """\
[gate]
claims_error = 0.03

[checks.delta_ce]
max = 0.35
margin = 0.05
unit = "nats"
regression = {by = 0.01}
source = "a paper"

[[checks.delta_ce.override]]
positions = "1:3"
max = 0.5
margin = 0.1
reason = "few tokens"

[checks.growth]
max = 2
margin = 0.2
unit = "times"
floor = 0.02

[checks.alive]
report_only = true
unit = "fraction"

[[checks.alive.override]]
release = "tales"
min = 0.6
margin = 0.05

[[known_failure]]
check = "growth"
release = "tales"
reason = "short training context"
"""

WHOLE = place("mine", "blocks.0", 0, "hook_resid_pre")
FIRST = place("mine", "blocks.0", 0, "hook_resid_pre", PositionRange(1, 3))
TALES = place("tales", "blocks.0", 0, "hook_resid_pre")


def laid_over(text: str, shipped: str = SHIPPED) -> Thresholds:
    import tomllib

    root = TomlTable(tomllib.loads(shipped), (), shipped, "thresholds.toml")
    defaults = {"mine": Limit("features", max=10, margin=1)}
    return parse_thresholds(text, CHECKS, "limits.toml", shipped=Shipped(root, defaults))


def refusal(text: str) -> str:
    with pytest.raises(ThresholdsError) as error:
        laid_over(text)
    return str(error.value)


def test_an_empty_file_changes_nothing():
    shipped = parse_thresholds(SHIPPED, CHECKS)
    empty = laid_over("")
    assert empty.changes == Changes()
    assert (empty.gate, empty.checks) == (shipped.gate, shipped.checks)
    assert empty.known_failures == shipped.known_failures


def test_a_copy_of_the_shipped_file_changes_nothing():
    copy = laid_over(SHIPPED)
    assert copy.changes == Changes()
    assert copy.known_failures == parse_thresholds(SHIPPED, CHECKS).known_failures
    for at in (WHOLE, FIRST, TALES):
        for check in ("delta_ce", "growth", "alive"):
            assert copy.limit(check, at) == laid_over("").limit(check, at)


def test_one_number_is_changed_and_the_rest_stays():
    found = laid_over("[checks.delta_ce]\nmax = 0.2\n")
    assert found.limit("delta_ce", WHOLE) == Limit(
        "nats",
        max=0.2,
        margin=0.05,
        source="limits.toml; shipped: max 0.35, margin 0.05",
        regression=Margin("higher", by=0.01),
    )
    assert found.limit("growth", WHOLE) == laid_over("").limit("growth", WHOLE)
    assert found.changes == Changes(checks=("delta_ce",))


def test_a_number_of_the_file_holds_where_the_shipped_overrides_have_another():
    """Their margin was of the number that no longer counts; what else they set stays."""
    first = laid_over("[checks.delta_ce]\nmax = 0.9\n").limit("delta_ce", FIRST)
    assert (first.max, first.margin) == (0.9, 0.05)
    assert first.source == "limits.toml; shipped: max 0.35, margin 0.05"


def test_a_number_equal_to_the_shipped_one_changes_what_its_overrides_had():
    found = laid_over("[checks.delta_ce]\nmax = 0.35\n")
    assert found.limit("delta_ce", FIRST).max == 0.35
    assert found.changes == Changes(checks=("delta_ce",))


def test_an_override_of_the_file_comes_after_the_shipped_ones():
    text = '[[checks.delta_ce.override]]\npositions = "1:3"\nmax = 0.7\nreason = "ours"\n'
    found = laid_over(text)
    first = found.limit("delta_ce", FIRST)
    assert (first.max, first.margin, first.source) == (0.7, 0.1, "ours")
    assert found.limit("delta_ce", WHOLE) == laid_over("").limit("delta_ce", WHOLE)
    assert found.changes == Changes(checks=("delta_ce",))


def test_report_only_takes_a_limit_away_everywhere():
    found = laid_over("[checks.delta_ce]\nreport_only = true\n")
    for at in (WHOLE, FIRST):
        limit = found.limit("delta_ce", at)
        assert limit.report_only
        assert (limit.min, limit.max, limit.margin) == (None, None, 0.0)
        assert limit.regression == Margin("higher", by=0.01)
    assert found.limit("alive", TALES).min == 0.6
    none = laid_over("[checks.alive]\nreport_only = true\n")
    assert none.limit("alive", TALES).report_only
    assert none.changes == Changes(checks=("alive",))


def test_a_limit_of_what_is_only_reported():
    found = laid_over("[checks.alive]\nmin = 0.9\nmargin = 0.02\n")
    assert found.limit("alive", WHOLE) == Limit(
        "fraction", min=0.9, margin=0.02, source="limits.toml; shipped: no limit"
    )
    assert found.limit("alive", TALES).min == 0.9


def test_a_second_end_keeps_the_direction_of_the_shipped_regression():
    limit = laid_over("[checks.delta_ce]\nmin = -1\n").limit("delta_ce", WHOLE)
    assert (limit.min, limit.max, limit.regression) == (-1, 0.35, Margin("higher", by=0.01))


def test_a_parameter():
    found = laid_over("[checks.growth]\nfloor = 0.1\n")
    assert found.limit("growth", WHOLE) == Limit(
        "times",
        max=2,
        margin=0.2,
        parameters=(("floor", 0.1),),
        source="limits.toml; shipped: max 2, margin 0.2, floor 0.02",
    )
    assert found.changes == Changes(checks=("growth",))


def test_keys_of_gate_one_by_one():
    found = laid_over("[gate]\ntasks = 6\n")
    assert found.gate == Gate(claims_error=0.03, tasks=6)
    assert found.changes == Changes(gate=("tasks",))


def test_accepted_failures_of_the_file_come_first():
    """One that is shipped too is there once."""
    entry = '[[known_failure]]\ncheck = "growth"\nrelease = "{}"\nreason = "ours"\n'
    found = laid_over(entry.format("mine") + entry.format("tales"))
    assert found.known_failures == (
        KnownFailure("growth", where(release="mine"), "ours"),
        KnownFailure("growth", where(release="tales"), "ours"),
    )
    assert found.changes == Changes(known_failures=2)
    other = laid_over(entry.format("mine"))
    assert [each.reason for each in other.known_failures] == ["ours", "short training context"]


def test_a_check_of_ones_own_keeps_what_its_decorator_says():
    found = laid_over("[checks.mine]\nmax = 7\n")
    assert found.limit("mine", WHOLE) == Limit(
        "features", max=7, margin=1, source="limits.toml; shipped: max 10, margin 1"
    )
    assert found.changes == Changes(checks=("mine",))


def test_a_file_that_stands_alone():
    text = 'extends = false\n[checks.delta_ce]\nmax = 0.2\nmargin = 0.1\nunit = "nats"\n'
    assert laid_over(text) == parse_thresholds(text, CHECKS)
    assert laid_over(text).changes is None
    with pytest.raises(ThresholdsError, match=r"the thresholds have no table \[checks.growth\]"):
        laid_over(text).limit("growth", WHOLE)
    assert laid_over("extends = true\n").changes == Changes()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "extends = 1\n",
            "limits.toml, line 1: extends of the file must be true or false, got 1",
        ),
        (
            "\n[checks.delta_cee]\nmax = 1\n",
            'limits.toml, line 2: "delta_cee" is no check of [checks] (did you mean delta_ce?); '
            "legal: alive, delta_ce, growth, mine",
        ),
        (
            "[checks.delta_ce]\nmaxx = 1\n",
            'limits.toml, line 2: "maxx" is no key of [checks.delta_ce] (did you mean max?); '
            "legal: equivalence, margin, max, min, override, regression, report_only, source, unit",
        ),
        (
            '[checks.delta_ce]\nmax = 1\nunit = "times"\n',
            'limits.toml, line 3: unit of [checks.delta_ce] is "times", but this check measures in '
            '"nats"',
        ),
        (
            "[checks.delta_ce]\nmin = 1\n",
            "limits.toml, line 2: min of [checks.delta_ce] is 1, above the shipped max, which is "
            "0.35",
        ),
        (
            "[checks.alive]\nmin = 0.9\n",
            "limits.toml, line 1: [checks.alive] lacks margin: every limit says, in its own unit, "
            "the smallest excess over it that would matter; a cell passes when it is shown to lie "
            "within limit and margin",
        ),
        (
            "[checks.alive]\nreport_only = false\n",
            "limits.toml, line 1: [checks.alive] limits nothing: give it a min or a max, or "
            "report_only = true",
        ),
        (
            "[checks.alive]\nmax = 0.4\nmargin = 0.1\n",
            "limits.toml, line 1: [checks.alive] does not go with a shipped override "
            "(thresholds.toml, line 27: [[checks.alive.override]] leaves min 0.6 above max 0.4): "
            "set here what it sets, too",
        ),
        (
            "\n[gate]\nconfidence = 2\n",
            "limits.toml, line 3: confidence of [gate] must lie between 0.5 and 1, got 2",
        ),
        (
            '[[known_failure]]\ncheck = "growth"\n',
            "limits.toml, line 1: [[known_failure]] lacks release and reason",
        ),
    ],
)
def test_what_is_refused_names_its_own_file_and_line(text, message):
    assert refusal(text) == message


def test_a_max_below_the_shipped_min():
    shipped = SHIPPED.replace("max = 2\n", "min = 1\n")
    with pytest.raises(ThresholdsError) as error:
        laid_over("[checks.growth]\nmax = 0.5\n", shipped)
    assert str(error.value) == (
        "limits.toml, line 2: max of [checks.growth] is 0.5, below the shipped min, which is 1"
    )
