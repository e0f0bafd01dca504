"""The numbers of a table of limits: ends, margins, and how far from a baseline a cell may be."""

from __future__ import annotations

from typing import NoReturn, get_args

from sae_checks.judge.thresholds import Direction, Limit, Margin
from sae_checks.judge.toml_table import TomlTable, must_be_one_of


def bounds(table: TomlTable) -> tuple[float | None, float | None, bool | None]:
    """min, max and report_only of a check or an override, which must not contradict each other."""
    minimum, maximum = table.number("min"), table.number("max")
    report_only = table.flag("report_only")
    if minimum is not None and maximum is not None and minimum > maximum:
        _refuse_crossed(table, minimum, maximum)
    if report_only and (minimum is not None or maximum is not None):
        table.refuse("report_only", "is true, but there is also a limit: keep one of the two")
    return minimum, maximum, report_only


def _refuse_crossed(table: TomlTable, minimum: float, maximum: float) -> NoReturn:
    """Refuse the end that the file itself says."""
    if "min" not in table.values:
        table.refuse("max", f"is {maximum:g}, below the shipped min, which is {minimum:g}")
    shipped = "" if "max" in table.values else "the shipped "
    table.refuse("min", f"is {minimum:g}, above {shipped}max, which is {maximum:g}")


def excess(table: TomlTable) -> float | None:
    """The margin: how far beyond its limit a value may lie before it matters."""
    margin = table.number("margin")
    if margin is not None and margin <= 0:
        table.refuse("margin", f"must be above 0, got {margin:g}")
    return margin


def refuse_no_margin(table: TomlTable, limit: Limit) -> None:
    """A limit without a margin could be shown to hold by no sample that lies near it."""
    if not limit.report_only and not limit.margin:
        table.refuse(
            None,
            "lacks margin: every limit says, in its own unit, the smallest excess over it that "
            "would matter; a cell passes when it is shown to lie within limit and margin",
        )


def regression_margin(
    table: TomlTable, minimum: float | None, maximum: float | None
) -> Margin | None:
    """What `regression = {...}` allows; a single limit says in which direction worse is."""
    if table.get("regression") is None:
        return None
    inner = table.table("regression")
    inner.allow("worse", "by", "share")
    by, share = _by_and_share(inner)
    worse = inner.text("worse")
    if worse is None and (minimum is None) == (maximum is None):
        inner.refuse(None, "lacks worse, which no single limit tells: higher, lower or either")
    if worse is None:
        worse = "lower" if maximum is None else "higher"
    direction: Direction | None = next((d for d in get_args(Direction) if d == worse), None)
    if direction is None:
        inner.refuse("worse", must_be_one_of(worse, get_args(Direction)))
    return Margin(direction, by, share)


def equivalence_margin(table: TomlTable) -> Margin | None:
    """What `equivalence = {...}` allows: what is to be the same may change in no direction."""
    if table.get("equivalence") is None:
        return None
    inner = table.table("equivalence")
    inner.allow("by", "share")
    return Margin("either", *_by_and_share(inner))


def _by_and_share(table: TomlTable) -> tuple[float, float]:
    by, share = table.number("by"), table.number("share")
    if by is None and share is None:
        table.refuse(None, "allows nothing: give it by, share or both")
    for key, value in (("by", by), ("share", share)):
        if value is not None and value < 0:
            table.refuse(key, f"must be 0 or more, got {value:g}")
    return by or 0.0, share or 0.0
