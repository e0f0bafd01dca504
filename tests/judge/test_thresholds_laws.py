"""Thresholds files of any content."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sae_checks.errors import ThresholdsError
from sae_checks.judge.thresholds import (
    CheckLimits,
    Gate,
    KnownFailure,
    Limit,
    Override,
    Thresholds,
)
from sae_checks.judge.thresholds_file import CheckRules, parse_thresholds
from sae_checks.judge.toml_table import line_of
from sae_checks.records import PositionRange
from tests.judge.thresholds_text import CHECKS
from tests.places import place, where

numbers = st.one_of(st.integers(-1000, 1000), st.floats(-1e6, 1e6)).map(float)
strings = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
ranges = st.tuples(st.integers(1, 500), st.integers(0, 500)).map(
    lambda pair: PositionRange(pair[0], pair[0] + pair[1])
)


excesses = st.floats(1e-3, 1e3)


@st.composite
def bounds(draw):
    low, high = sorted([draw(numbers), draw(numbers)])
    return draw(st.sampled_from([(low, None), (None, high), (low, high)]))


@st.composite
def limits(draw, rules: CheckRules) -> Limit:
    parameters = tuple((name, draw(numbers)) for name in sorted(rules.parameters))
    if draw(st.booleans()):
        return Limit(rules.unit, None, None, True, parameters, draw(strings))
    return Limit(rules.unit, *draw(bounds()), False, parameters, draw(strings), draw(excesses))


@st.composite
def overrides(draw, limit: Limit) -> Override:
    low, high = draw(st.one_of(st.just((None, None)), bounds()))
    override = Override(
        where(
            release=draw(st.none() | strings),
            sae=draw(st.none() | strings),
            layer=draw(st.none() | st.lists(st.integers(0, 40), min_size=1).map(tuple)),
            site=draw(st.none() | strings),
            positions=draw(ranges),
            task=draw(st.none() | strings),
        ),
        min=low,
        max=high,
        report_only=True if low is None and high is None else draw(st.sampled_from([None, False])),
        parameters=draw(st.sampled_from([(), limit.parameters])),
        reason=draw(strings.filter(str.strip)),
        margin=draw(excesses),
    )
    result = override.apply(limit)
    assume(result.min is None or result.max is None or result.min <= result.max)
    return override


@st.composite
def thresholds_of(draw) -> Thresholds:
    checks = {}
    for name in draw(st.lists(st.sampled_from(sorted(CHECKS)), unique=True)):
        limit = draw(limits(CHECKS[name]))
        checks[name] = CheckLimits(limit, tuple(draw(st.lists(overrides(limit), max_size=2))))
    known = st.builds(
        KnownFailure,
        check=st.sampled_from(sorted(CHECKS)),
        where=st.builds(
            where,
            release=strings.filter(bool),
            sae=st.none() | strings.filter(lambda text: text != "*"),  # which is as without
            positions=st.none() | ranges,
            task=st.none() | strings,
        ),
        reason=strings.filter(str.strip),
    )
    gate = st.builds(
        Gate,
        confidence=st.floats(0.51, 0.99),
        claims_error=st.floats(0.001, 0.49),
        ranges_error=st.floats(0.001, 0.49),
        tasks=st.integers(1, 9),
        undecided_claims=st.sampled_from(["fail", "pass"]),
        undecided_ranges=st.sampled_from(["fail", "pass"]),
        known_failures_strict=st.booleans(),
    )
    return Thresholds(draw(gate), checks, tuple(draw(st.lists(known, max_size=2))))


def written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(value)


def rendered(header: str, record: object) -> str:
    """A record as a TOML table: its fields are the table's keys."""
    fields = dict(vars(record))
    fields.update(fields.pop("parameters", ()))
    lines = [f"{name} = {pattern.toml}" for name, pattern in fields.pop("where", {}).items()]
    if fields.get("margin") == 0:  # of what is only reported
        del fields["margin"]
    lines += [f"{key} = {written(value)}" for key, value in fields.items() if value is not None]
    return "\n".join([header, *lines, ""])


def to_toml(thresholds: Thresholds) -> str:
    parts = [rendered("[gate]", thresholds.gate)]
    for name, check in thresholds.checks.items():
        parts.append(rendered(f"[checks.{name}]", check.limit))
        parts += [rendered(f"[[checks.{name}.override]]", each) for each in check.overrides]
    parts += [rendered("[[known_failure]]", each) for each in thresholds.known_failures]
    return "\n".join(parts)


@given(thresholds_of())
def test_what_is_written_parses_back(thresholds) -> None:
    assert parse_thresholds(to_toml(thresholds), CHECKS) == thresholds


@given(thresholds_of(), st.text("abcdefghijklmnop_", min_size=1, max_size=9), st.data())
def test_a_junk_key_is_named_with_its_line(thresholds, junk, data) -> None:
    legal = "gate checks known_failure confidence undecided known_failures_strict min max unit"
    legal += " margin tasks equivalence regression"
    legal += " source report_only override floor release sae layer site positions task reason check"
    assume(junk not in legal.split())
    lines = to_toml(thresholds).split("\n")
    headers = [number for number, line in enumerate(lines) if line.startswith("[")]
    at = data.draw(st.sampled_from(headers)) + 1
    lines.insert(at, f"{junk} = 1")
    with pytest.raises(ThresholdsError) as error:
        parse_thresholds("\n".join(lines), CHECKS)
    assert f'line {at + 1}: "{junk}" is no key of {lines[at - 1]}' in str(error.value)


@given(st.lists(numbers, min_size=1, max_size=6), st.lists(st.booleans(), min_size=6, max_size=6))
def test_the_last_override_that_matches_wins(values, matching) -> None:
    each = tuple(
        Override(where(layer=(3 if matches else 4,)), max=value)
        for value, matches in zip(values, matching, strict=False)
    )
    thresholds = Thresholds(checks={"l0": CheckLimits(Limit("features", max=7.5), each)})
    winners = [value for value, matches in zip(values, matching, strict=False) if matches]
    assert thresholds.limit("l0", place("any", layer=3)).max == (winners[-1] if winners else 7.5)


@given(thresholds_of(), st.data())
def test_every_line_is_found(thresholds, data) -> None:
    text = to_toml(thresholds)
    for name in tomllib.loads(text).get("checks", {}):
        line = line_of(text, ("checks", name, "unit"))
        assert text.split("\n")[line - 1].startswith("unit = ")
        assert f"[checks.{name}]" in text.split("\n")[:line]
