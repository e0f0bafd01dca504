"""Reading a thresholds file: TOML to `Thresholds`, or one sentence on what is wrong and where.

The file is refused before anything is loaded. docs/thresholds.md describes its tables and keys.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import cast, get_args

from sae_checks.errors import ThresholdsError
from sae_checks.judge.entries_table import (
    either,
    known_failure_of,
    override_of,
    parameters_of,
    settings_of,
)
from sae_checks.judge.limits_table import (
    bounds,
    equivalence_margin,
    excess,
    refuse_no_margin,
    regression_margin,
)
from sae_checks.judge.overlay import (
    Shipped,
    differs,
    laid_over,
    shipped_overrides,
    with_shipped_failures,
)
from sae_checks.judge.thresholds import (
    QUESTIONS,
    Changes,
    CheckLimits,
    Gate,
    Limit,
    Override,
    Thresholds,
    UndecidedPolicy,
)
from sae_checks.judge.toml_table import TomlTable, must_be_one_of
from sae_checks.records.selectors import (
    SELECTORS,
    Selector,
)

# The tails of distributions are computed to there and no further.
_LEAST_ERROR = 1e-9
_MOST_TASKS = 1_000


@dataclass(frozen=True)
class CheckRules:
    """What a check allows in its table: its unit and the names of its own parameters."""

    unit: str
    parameters: tuple[str, ...] = ()


def read_thresholds(
    path: Path,
    checks: Mapping[str, CheckRules],
    selectors: Sequence[Selector] = SELECTORS,
    shipped: Shipped | None = None,
) -> Thresholds:
    """The thresholds in a file.

    Args:
        path: of the file.
        checks: all checks there are, by name.
        selectors: all that the place of a cell may have.
        shipped: what the file is laid over, unless it says `extends = false`.

    Raises:
        ThresholdsError: it cannot be read, or is malformed.
    """
    return _parsed(read_table(path), checks, selectors, shipped)


def parse_thresholds(
    text: str,
    checks: Mapping[str, CheckRules],
    name: str = "thresholds.toml",
    selectors: Sequence[Selector] = SELECTORS,
    shipped: Shipped | None = None,
) -> Thresholds:
    """The thresholds in a TOML text; `name` is what messages call it."""
    return _parsed(_root(text, name), checks, selectors, shipped)


def read_table(path: Path) -> TomlTable:
    """The whole of a TOML file.

    Raises:
        ThresholdsError: it cannot be read, or is no TOML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ThresholdsError(f"{path} cannot be read: {error}") from error
    return _root(text, str(path))


def _root(text: str, name: str) -> TomlTable:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ThresholdsError(f"{name} is not valid TOML: {error}") from error
    except RecursionError as error:
        raise ThresholdsError(f"{name} nests tables or lists too deeply to be read") from error
    except ValueError as error:  # of an integer that Python takes for an attack
        raise ThresholdsError(f"{name} holds a number that cannot be read: {error}") from error
    return TomlTable(document, (), text, name)


def _parsed(
    root: TomlTable,
    checks: Mapping[str, CheckRules],
    selectors: Sequence[Selector],
    shipped: Shipped | None,
) -> Thresholds:
    root.allow("extends", "gate", "checks", "known_failure")
    tables = root.table("checks")
    for check in tables.values:
        tables.known(check, checks, "check")
    if shipped is not None and root.flag("extends") is not False:
        return _laid_over(root, shipped, checks, selectors)
    return Thresholds(
        gate=_gate(root.table("gate")),
        checks={
            check: _check(tables.table(check), checks[check], selectors) for check in tables.values
        },
        known_failures=tuple(
            known_failure_of(each, checks, selectors) for each in root.tables("known_failure")
        ),
    )


def _laid_over(
    root: TomlTable,
    shipped: Shipped,
    checks: Mapping[str, CheckRules],
    selectors: Sequence[Selector],
) -> Thresholds:
    """What the file says, and for the rest what is shipped."""
    base = _parsed(shipped.root, checks, selectors, None)
    tables, gate = root.table("checks"), root.table("gate")
    made = _gate(replace(gate, beneath=shipped.root.table("gate").values))
    own = tuple(known_failure_of(each, checks, selectors) for each in root.tables("known_failure"))
    changed, said = [], {}
    for check in tables.values:
        table, beneath = tables.table(check), shipped.of_check(check)
        said[check] = _check(table, checks[check], selectors, beneath)
        if differs(table, beneath):
            changed.append(check)
    return Thresholds(
        gate=made,
        checks={**base.checks, **said},
        known_failures=with_shipped_failures(own, base.known_failures),
        changes=Changes(
            checks=tuple(changed),
            gate=tuple(
                key.name
                for key in fields(Gate)
                if getattr(made, key.name) != getattr(base.gate, key.name)
            ),
            known_failures=sum(each not in base.known_failures for each in own),
        ),
    )


def _gate(table: TomlTable) -> Gate:
    if "undecided" in table.values:
        table.refuse(
            "undecided",
            "is now undecided_claims and undecided_ranges, since an undecided claim is no longer a "
            f"pass: give each of them {either(get_args(UndecidedPolicy))}",
        )
    default = Gate()
    table.allow(*(each.name for each in fields(Gate)))
    confidence = table.number("confidence")
    if confidence is not None and not 0.5 < confidence < 1:
        table.refuse("confidence", f"must lie between 0.5 and 1, got {confidence:g}")
    if confidence is not None and confidence > 1 - _LEAST_ERROR:
        table.refuse(
            "confidence", f"must be {1 - _LEAST_ERROR} or less, which no sample can tell from 1"
        )
    tasks = table.integers("tasks")
    if tasks is not None and (len(tasks) != 1 or tasks[0] < 1):
        table.refuse("tasks", f"must be a whole number of 1 or more, got {table.values['tasks']}")
    if tasks is not None and tasks[0] > _MOST_TASKS:
        table.refuse("tasks", f"must be {_MOST_TASKS:,} or less")
    strict = table.flag("known_failures_strict")
    return Gate(
        confidence=default.confidence if confidence is None else confidence,
        claims_error=_error(table, "claims_error", default.claims_error),
        ranges_error=_error(table, "ranges_error", default.ranges_error),
        tasks=default.tasks if tasks is None else tasks[0],
        undecided_claims=_policy(table, "undecided_claims", default.undecided_claims),
        undecided_ranges=_policy(table, "undecided_ranges", default.undecided_ranges),
        known_failures_strict=default.known_failures_strict if strict is None else strict,
    )


def _error(table: TomlTable, key: str, default: float) -> float:
    error = table.number(key)
    if error is not None and not 0 < error < 0.5:
        table.refuse(key, f"must lie between 0 and 0.5, got {error:g}")
    if error is not None and error < _LEAST_ERROR:
        table.refuse(key, f"must be {_LEAST_ERROR:g} or more, got {error:g}; no sample shows less")
    return default if error is None else error


def _policy(table: TomlTable, key: str, default: UndecidedPolicy) -> UndecidedPolicy:
    text = table.text(key)
    for choice in get_args(UndecidedPolicy):
        if text == choice:
            return cast(UndecidedPolicy, choice)
    if text is not None:
        table.refuse(key, must_be_one_of(text, get_args(UndecidedPolicy)))
    return default


def _check(
    table: TomlTable,
    rules: CheckRules,
    selectors: Sequence[Selector],
    shipped: TomlTable | None = None,
) -> CheckLimits:
    if shipped is not None:
        table = laid_over(table, shipped)
    legal = ("min", "max", "margin", "unit", "source", "report_only", "override")
    table.allow(*legal, *QUESTIONS, *rules.parameters)
    unit = table.text("unit")
    if unit != rules.unit:
        found = "is missing" if unit is None else f'is "{unit}"'
        table.refuse("unit", f'{found}, but this check measures in "{rules.unit}"')
    minimum, maximum, report_only = bounds(table)
    if minimum is None and maximum is None and not report_only:
        table.refuse(None, "limits nothing: give it a min or a max, or report_only = true")
    for name in rules.parameters:
        if table.number(name) is None:
            table.refuse(None, f"lacks {name}, which this check needs")
    limit = Limit(
        unit=rules.unit,
        min=minimum,
        max=maximum,
        report_only=bool(report_only),
        parameters=parameters_of(table, rules.parameters),
        source=table.text("source") or "",
        margin=excess(table) or 0.0,
        regression=regression_margin(table, minimum, maximum),
        equivalence=equivalence_margin(table),
    )
    refuse_no_margin(table, limit)
    overrides = [
        override_of(each, limit, rules.parameters, selectors) for each in table.tables("override")
    ]
    if shipped is not None:
        overrides = [*_shipped_overrides(table, shipped, limit, rules, selectors), *overrides]
    return CheckLimits(limit, tuple(overrides))


def _shipped_overrides(
    table: TomlTable,
    shipped: TomlTable,
    limit: Limit,
    rules: CheckRules,
    selectors: Sequence[Selector],
) -> list[Override]:
    """What is left of the shipped overrides; the file is refused where they do not fit it."""
    found = []
    for each in shipped_overrides(table, shipped):
        if not set(settings_of(rules.parameters)) & each.values.keys():
            continue
        try:
            found.append(override_of(each, limit, rules.parameters, selectors))
        except ThresholdsError as error:
            table.refuse(
                None, f"does not go with a shipped override ({error}): set here what it sets, too"
            )
    return found
