"""The entries of a thresholds file: overrides of a check's limit, and accepted failures."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from sae_checks.judge.limits_table import (
    bounds,
    equivalence_margin,
    excess,
    refuse_no_margin,
    regression_margin,
)
from sae_checks.judge.thresholds import QUESTIONS, KnownFailure, Limit, Override
from sae_checks.judge.toml_table import TomlTable, must_be_one_of
from sae_checks.records.selectors import SAE, Glob, Inside, OneOf, Pattern, Selector


def settings_of(parameters: Sequence[str]) -> tuple[str, ...]:
    """What an override may set."""
    return ("min", "max", "margin", "report_only", *QUESTIONS, *parameters)


def override_of(
    table: TomlTable, limit: Limit, parameters: Sequence[str], selectors: Sequence[Selector]
) -> Override:
    """An override of a check's limit, from its table in the file.

    Args:
        table: an entry of `[[checks.NAME.override]]`.
        limit: what it overrides.
        parameters: the names of the check's own parameters.
        selectors: by which it may select cells.

    Raises:
        ThresholdsError: it selects or sets nothing, or what does not go together.
    """
    legal = [each.name for each in selectors if each.pattern is not None]
    settings = settings_of(parameters)
    table.allow(*legal, *settings, "reason")
    _refuse_blank(table, "reason", ", or leave it out")
    if not set(legal) & set(table.values):
        table.refuse(None, f"selects nothing: give it {either(legal)}")
    if not set(settings) & set(table.values):
        table.refuse(None, f"sets nothing: give it {either(settings)}")
    minimum, maximum, report_only = bounds(table)
    override = Override(
        _patterns(table, selectors),
        min=minimum,
        max=maximum,
        report_only=report_only,
        parameters=parameters_of(table, parameters),
        reason=table.text("reason") or "",
        margin=excess(table),
        regression=regression_margin(table, limit.min, limit.max),
        equivalence=equivalence_margin(table),
    )
    result = override.apply(limit)
    if result.min is not None and result.max is not None and result.min > result.max:
        table.refuse(None, f"leaves min {result.min:g} above max {result.max:g}")
    if result.min is None and result.max is None and not result.report_only:
        table.refuse("report_only", "is false, but there is no min or max to judge by")
    refuse_no_margin(table, result)
    return override


def known_failure_of(
    table: TomlTable, checks: Collection[str], selectors: Sequence[Selector]
) -> KnownFailure:
    """An accepted failure, from its table in the file.

    Args:
        table: an entry of `[[known_failure]]`.
        checks: the names of all checks.
        selectors: by which cells are named.

    Raises:
        ThresholdsError: it lacks something, or names no check.
    """
    naming = [each for each in selectors if each.names_cell]
    table.allow("check", *(each.name for each in naming), "reason", "expires", "bound")
    check, release, reason = (table.text(key) for key in ("check", "release", "reason"))
    if not check or not release or not reason:
        missing = [key for key in ("check", "release", "reason") if not table.values.get(key)]
        table.refuse(None, f"lacks {' and '.join(missing)}")
    _refuse_blank(table, "reason")
    asked = (f"{question} of " for question in QUESTIONS)
    named = next((check.removeprefix(each) for each in asked if check.startswith(each)), check)
    if check not in QUESTIONS and named not in checks:
        table.refuse("check", must_be_one_of(check, (*checks, *QUESTIONS)))
    where = _patterns(table, naming)
    if where.get(SAE.name) == Glob("*"):  # as without it, the release as a whole too
        del where[SAE.name]
    return KnownFailure(
        check,
        where,
        reason,
        expires=table.date("expires"),
        bound=table.number("bound"),
    )


def _refuse_blank(table: TomlTable, key: str, or_else: str = "") -> None:
    """Refuse a text that is there and says nothing; `or_else` is what may be done instead."""
    text = table.text(key)
    if text is not None and not text.strip():
        table.refuse(key, f"is blank: say in a few words why{or_else}")


def _patterns(table: TomlTable, selectors: Iterable[Selector]) -> dict[str, Pattern]:
    """The patterns of a table, by the names of their selectors."""
    found = {each.name: _pattern(table, each) for each in selectors}
    return {name: pattern for name, pattern in found.items() if pattern is not None}


def _pattern(table: TomlTable, selector: Selector) -> Pattern | None:
    name = selector.name
    if selector.pattern is Glob and (text := table.text(name)) is not None:
        return Glob(text)
    if selector.pattern is OneOf and (numbers := table.integers(name)) is not None:
        return OneOf(numbers)
    if selector.pattern is Inside and (positions := table.positions(name)) is not None:
        return Inside(positions)
    return None


def parameters_of(table: TomlTable, parameters: Sequence[str]) -> tuple[tuple[str, float], ...]:
    """The check's own parameters that a table sets, by name."""
    found = ((name, table.number(name)) for name in sorted(parameters))
    return tuple((name, value) for name, value in found if value is not None)


def either(names: Iterable[str]) -> str:
    """Names as a message lists what is allowed: "a, b or c"."""
    *first, last = names
    return f"{', '.join(first)} or {last}"
