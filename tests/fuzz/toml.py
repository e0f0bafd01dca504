"""A valid thresholds file that has every kind of table, and strategies that damage it by lines."""

from __future__ import annotations

import re

from hypothesis import strategies as st

THRESHOLDS = """\
extends = true

[gate]
confidence = 0.95
claims_error = 0.04
tasks = 4
undecided_claims = "fail"
known_failures_strict = false

[checks.delta_ce]
unit = "nats"
max = 0.4
margin = 0.05
source = "measured"
regression = {by = 0.02, share = 0.1}
equivalence = {by = 0.001}

[[checks.delta_ce.override]]
layer = [0, 1]
sae = "blocks.*"
positions = "16:31"
max = 0.5
reason = "the first layers are worse"

[[known_failure]]
check = "delta_ce"
release = "release"
sae = "blocks.3.*"
positions = "16:31"
expires = 2099-12-31
bound = 0.7
reason = "is being retrained"
"""

_ODD = (
    '""',
    '" "',
    '"no"',
    "true",
    "[]",
    "{}",
    "[[]]",
    "[true]",
    "0",
    "-1",
    "9" * 400,
    "0x" + "f" * 5_000,
    "-" + "9" * 400,
    "9" * 5_000,
    "[" * 300 + "]" * 300,
    "[" * 50_000 + "]" * 50_000,
    "{a = " * 200 + "1" + "}" * 200,
    "nan",
    "inf",
    "-inf",
    "1e308",
    "1e-320",
    "0.9999999999999999",
    "0.5000000000000001",
    "0.49999999999999994",
    "2026-12-31",
    "2026-12-31T00:00:00",
    "00:00:00",
    '"𝒳"',
    '"\\U0010FFFF"',
    '"16:9999999999999999999999"',
    '"' + "9" * 400 + ":" + "9" * 400 + '"',
    '"' + "x" * 5_000 + '"',
    "{by = nan}",
    "{by = " + "9" * 400 + "}",
    '{worse = "lower", share = -1}',
    "[0, " + "9" * 400 + "]",
)
_LINES = (
    "[checks]",
    "[[checks]]",
    "[[gate]]",
    "[checks.nothing]",
    "[checks.delta_ce.override]",
    "[[known_failure.inner]]",
    "known_failure = 3",
    'gate.tasks = "4"',
    "𝒳 = 1",
    '"" = 1',
    ".".join("a" * 300) + " = 1",
    "[" + ".".join("a" * 3_000) + "]",
    "report_only = true",
    "min = 0.5",
    "release = 7",
)
_ASSIGNED = re.compile(r"^(\w+) = .*$")


@st.composite
def damaged_toml(draw: st.DrawFn, valid: str) -> bytes:
    """A TOML file of which one to three lines are otherwise."""
    lines = valid.splitlines()
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        how = draw(st.sampled_from(("value", "value", "value", "drop", "twice", "line")))
        if how == "drop" and len(lines) > 1:
            del lines[at]
        elif how == "twice":
            lines.insert(at, lines[at])
        elif how == "line":
            lines.insert(at, draw(st.sampled_from(_LINES)))
        else:
            lines[at] = _ASSIGNED.sub(rf"\1 = {_escaped(draw(st.sampled_from(_ODD)))}", lines[at])
    return "\n".join(lines).encode()


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\")
