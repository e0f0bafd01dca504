"""The decorator that makes a function a check of the suite."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

from sae_checks.evals.registry import kind_named, refuse_unknown
from sae_checks.judge.check import Check
from sae_checks.judge.estimate import Estimate
from sae_checks.judge.thresholds import Limit
from sae_checks.judge.topics import spaced

_Function = TypeVar("_Function", bound=Callable[..., Estimate])
_PREFIX = "check_"


def check(
    *,
    cells: str,
    needs: tuple[str, ...] = (),
    unit: str,
    parameters: tuple[str, ...] = (),
    beyond_training: bool = False,
    min: float | None = None,
    max: float | None = None,
    margin: float | None = None,
    definition: int = 1,
    limits: tuple[str, ...] = (),
    topic: str = "",
    best: float | None = None,
) -> Callable[[_Function], _Function]:
    """Make a function `check_<name>(cell) -> Estimate` a check of the suite.

    Args:
        cells: the kind of cells that it is asked about, one test each: "in_context", "sae",
            "task", ...; docs/writing-a-check.md lists them, with what the function is given.
        needs: the columns that it uses beside `norm`, so that no more than these are measured.
        unit: of the estimate; the thresholds file must agree.
        parameters: names of numbers that it reads with `cell.parameter(name)`.
        beyond_training: for cells of "sae" and "release": it asks about positions past the training
            context, and is asked only where such were measured.
        min: the smallest value allowed, where the thresholds file has no table for the check.
        max: the largest one; with neither, and no table, the check is report-only.
        margin: the smallest excess over them that would matter; a limit needs one.
        definition: of what it computes; raise it when that changes, so that no figure is compared
            with a baseline that was computed otherwise.
        limits: names of other checks whose limits it reads with `cell.limit(name)`: its figures
            depend on them as on a parameter.
        topic: what it asks about, as reports group checks, such as "loss in context"; without it
            the name of its file, without "check_".
        best: the value at which the figure is best, where its limit has one side and going on past
            that value is no better: a comparison then tells of an improvement only nearer to it.

    Raises:
        ValueError: the function's name does not begin with "check_", there are no such cells, a
            column does not exist, a limit has no margin above 0, or `best` is no finite number.
    """

    def mark(function: _Function) -> _Function:
        kind = kind_named(cells)
        refuse_unknown(frozenset(needs))  # here and now, not when measuring
        if best is not None and (isinstance(best, bool) or not _is_finite(best)):
            raise ValueError(f"best is a finite number, got {best!r}")
        if not function.__name__.startswith(_PREFIX):
            raise ValueError(f"a check's name begins with {_PREFIX!r}, got {function.__name__!r}")
        name = function.__name__.removeprefix(_PREFIX)
        default = _default_limit(name, unit, min, max, margin)
        made = Check(
            name,
            function,
            kind,
            frozenset(needs),
            unit,
            parameters,
            beyond_training,
            # Parameters have no defaults but those of the thresholds file.
            None if parameters else default,
            definition=definition,
            limits=limits,
            topic=topic or _of_file(function.__module__),
            best=best,
        )
        function.sae_check = made  # type: ignore[attr-defined]
        return function

    return mark


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _of_file(module: str) -> str:
    """The topic of checks that name none."""
    return spaced(module.rpartition(".")[2].removeprefix(_PREFIX))


def _default_limit(
    name: str, unit: str, low: float | None, high: float | None, margin: float | None
) -> Limit:
    """What a check holds cells to where the thresholds have no table for it."""
    limited = low is not None or high is not None
    if limited and (margin is None or margin <= 0):
        raise ValueError(
            f"check_{name} has a limit and so needs a margin above 0: the smallest excess over the "
            f"limit that would matter, in its unit; got {margin}"
        )
    return Limit(unit, low, high, report_only=not limited, margin=margin or 0.0)


def check_of(function: object) -> Check | None:
    """The check that a function was made into, or None."""
    found = getattr(function, "sae_check", None)
    return found if isinstance(found, Check) else None


__all__ = ["check", "check_of"]
