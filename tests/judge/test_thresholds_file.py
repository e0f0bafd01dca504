"""Thresholds files: what is read, and where in the file each value stands."""

from __future__ import annotations

import pytest

from sae_checks.errors import ThresholdsError
from sae_checks.judge.thresholds import (
    CheckLimits,
    Gate,
    KnownFailure,
    Limit,
    Override,
    Thresholds,
)
from sae_checks.judge.thresholds_file import parse_thresholds, read_thresholds
from sae_checks.judge.toml_table import line_of
from sae_checks.records import PositionRange
from tests.judge.thresholds_text import CHECKS, EXAMPLE
from tests.places import where


def test_example() -> None:
    assert parse_thresholds(EXAMPLE, CHECKS) == Thresholds(
        gate=Gate(0.9, 0.03, 0.02, 5, "pass", "fail", known_failures_strict=True),
        checks={
            "delta_ce": CheckLimits(
                Limit("nats", max=0.3, source="a paper", margin=0.05),
                (
                    Override(
                        where(release="gpt2-small-*", layer=(9, 10, 11)),
                        max=0.4,
                        margin=0.1,
                        reason="late layers",
                    ),
                    Override(where(positions=PositionRange(1, 3)), report_only=True),
                ),
            ),
            "delta_ce_growth": CheckLimits(
                Limit("times", max=2, parameters=(("floor", 0.02),), margin=0.2)
            ),
            "depth_trend": CheckLimits(Limit("correlation", report_only=True)),
            "accuracy_drop": CheckLimits(
                Limit("points", max=5, margin=3), (Override(where(task="ioi*"), max=2.0),)
            ),
        },
        known_failures=(
            KnownFailure(
                "delta_ce_growth",
                where(release="tales", sae="blocks.0.*", positions=PositionRange(64, 255)),
                "trained at 64 tokens",
            ),
            KnownFailure("accuracy_drop", where(release="tales", task="cbt-*"), "long prompts"),
        ),
    )


def test_an_empty_file_is_the_defaults() -> None:
    assert parse_thresholds("", CHECKS) == Thresholds()


def test_a_files_messages_name_it(tmp_path) -> None:
    path = tmp_path / "limits.toml"
    path.write_text("[gate]\nconfidence = 2\n")
    with pytest.raises(ThresholdsError) as error:
        read_thresholds(path, CHECKS)
    assert str(error.value) == (
        f"{path}, line 2: confidence of [gate] must lie between 0.5 and 1, got 2"
    )
    with pytest.raises(ThresholdsError, match=r"missing\.toml cannot be read: "):
        read_thresholds(tmp_path / "missing.toml", CHECKS)


def test_toml_errors_keep_their_line() -> None:
    with pytest.raises(ThresholdsError) as error:
        parse_thresholds("[gate]\nconfidence 0.9\n", CHECKS)
    assert str(error.value) == (
        "thresholds.toml is not valid TOML: "
        "Expected '=' after a key in a key/value pair (at line 2, column 12)"
    )


LINES = '''\
# [checks.a]

top = """
[checks.a]
max = 1
"""
[checks.a]  # 7
list = [
    "]", 3,
    [9, 10],
]
max = 2  # 12

[[checks.a.override]]  # 14
layer = 1
[[checks.a.override]]
layer = 2  # 17
inner.deep = { x = 1, y = 2 }  # 18
[checks]  # 19
b = 'text # [checks.c]'  # 20
'''


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top",), 3),
        (("checks",), 7),
        (("checks", "a"), 7),
        (("checks", "a", "list"), 8),
        (("checks", "a", "max"), 12),
        (("checks", "a", "override", 0), 14),
        (("checks", "a", "override", 1), 16),
        (("checks", "a", "override", 1, "layer"), 17),
        (("checks", "a", "override", 1, "inner", "deep", "y"), 18),
        (("checks", "b"), 20),
        ((), 1),
    ],
)
def test_lines_of_values(path, line, newline) -> None:
    assert line_of(LINES.replace("\n", newline), path) == line
