"""Products of cases and numbers of examples: a share in `make test`, all in `make exhaustive`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import hypothesis
import pytest

# Examples of each law; with `pytest --hypothesis-profile=NAME`.
PROFILES = {"quick": 10, "test": 50, "exhaustive": 200, "fuzz": 2_000}


def load_profiles() -> None:
    """Register them, and take that of `make test`."""
    for name, examples in PROFILES.items():
        # How long an example takes says something of the machine, not of the code.
        hypothesis.settings.register_profile(name, deadline=None, max_examples=examples)
    hypothesis.settings.load_profile("test")


def examples(count: int) -> int:
    """So many for `@settings(max_examples=...)` in `make test`; other profiles' in proportion."""
    return max(count * hypothesis.settings.default.max_examples // PROFILES["test"], 1)


def diagonal(
    rows: Sequence[Any],
    columns: Sequence[Any],
    *,
    every: int = 3,
    whole: Collection[Any] = (),
    there: Callable[[Any, Any], bool] = lambda row, column: True,
) -> list[Any]:
    """Cases (row, column) for `parametrize`: a share of them, which has each row and each column.

    Args:
        rows: one factor.
        columns: the other one.
        every: one case of so many is run; the others are marked `exhaustive`.
        whole: rows of which all are run.
        there: whether there is a case; others are left out.
    """
    return [
        case(row, column, run=row in whole or (i + j) % every == 0)
        for i, row in enumerate(rows)
        for j, column in enumerate(columns)
        if there(row, column)
    ]


def every_other(cases: Iterable[Any], every: int = 2) -> list[Any]:
    """Cases of one factor for `parametrize`: the first of each so many is run."""
    return [case(each, run=i % every == 0) for i, each in enumerate(cases)]


def case(*values: Any, run: bool, name: str | None = None) -> Any:
    """A case for `parametrize` that is marked `exhaustive` unless it is to be run."""
    return pytest.param(*values, marks=() if run else pytest.mark.exhaustive, id=name)
