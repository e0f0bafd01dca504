"""A thresholds file laid over the shipped one: what it says counts, the rest stays as shipped.

A key that the table of a check sets holds for all its cells, so that it takes the key's place in
the shipped overrides too; the file's own overrides come after those and so win.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from sae_checks.judge.thresholds import QUESTIONS, KnownFailure, Limit
from sae_checks.judge.toml_table import TomlTable

_ENDS = ("min", "max")


@dataclass(frozen=True)
class Shipped:
    """What a thresholds file is laid over.

    Attributes:
        root: of the shipped file.
        defaults: limits of checks that have no table there, as their decorators say them.
    """

    root: TomlTable
    defaults: Mapping[str, Limit]

    def of_check(self, check: str) -> TomlTable:
        """The shipped table of a check; an empty one where it has none."""
        tables = self.root.table("checks")
        found = tables.table(check)
        if check in tables.values or check not in self.defaults:
            return found
        return replace(found, values=_as_values(self.defaults[check]))


def laid_over(table: TomlTable, shipped: TomlTable) -> TomlTable:
    """The table of a check with the shipped one beneath, but for what contradicts it."""
    own, beneath = table.values, {**shipped.values}
    for question in QUESTIONS:  # in which direction worse is follows from the shipped limit
        if question in beneath:
            beneath[question] = _directed(question, beneath[question], shipped.values)
    for key in _contradicted(own):
        beneath.pop(key, None)
    changed = {key for key in own if key != "override" and own[key] != shipped.values.get(key)}
    if changed - {"source", "unit", *QUESTIONS}:
        beneath["source"] = _source(table.file, shipped.values, changed)
    beneath.pop("override", None)
    return replace(table, beneath=beneath)


def shipped_overrides(table: TomlTable, shipped: TomlTable) -> Iterator[TomlTable]:
    """The shipped overrides of a check, without what the table of the check sets itself."""
    own = table.values
    gone = {*own, *_contradicted(own)} - {"override"}
    for each in shipped.tables("override"):
        values = {key: value for key, value in each.values.items() if key not in gone}
        for question in QUESTIONS:
            if question in values:
                values[question] = _directed(question, values[question], shipped.values)
        lost = gone & each.values.keys()
        if lost & {*_ENDS, "report_only"}:  # its reason is that of numbers that no longer count
            values.pop("reason", None)
        if lost & {*_ENDS} and not values.keys() & {*_ENDS}:
            values.pop("margin", None)  # it was of the numbers that no longer count
        yield replace(each, values=values)


def with_shipped_failures(
    own: tuple[KnownFailure, ...], shipped: tuple[KnownFailure, ...]
) -> tuple[KnownFailure, ...]:
    """The file's own accepted failures first, then those shipped ones that it has not itself."""
    named = [(each.check, each.where) for each in own]
    return (*own, *(each for each in shipped if (each.check, each.where) not in named))


def differs(table: TomlTable, shipped: TomlTable) -> bool:
    """Whether what the table of a check says differs from what is shipped, reasons aside."""
    own, values = _numbers(table.values), _numbers(shipped.values)
    if any(own[key] != values.get(key) for key in own):
        return True
    known = [_numbers(each.values) for each in shipped.tables("override")]
    said = [_numbers(each.values) for each in table.tables("override")]
    gone = {*own, *_contradicted(own)}
    lost = [each for each in known if gone & each.keys() and each not in said]
    return bool(lost) or any(each not in known for each in said)


def _numbers(values: Mapping[str, object]) -> dict[str, object]:
    return {key: values[key] for key in values.keys() - {"source", "reason", "unit", "override"}}


def _contradicted(own: Mapping[str, object]) -> tuple[str, ...]:
    """The shipped keys that do not go with what a table says itself."""
    if own.get("report_only") is True:
        return (*_ENDS, "margin")
    return ("report_only",) if any(end in own for end in _ENDS) else ()


def _directed(question: str, margin: object, limit: Mapping[str, object]) -> object:
    """A margin that says in which direction worse is, as its own table's limit told."""
    single = ("min" in limit) != ("max" in limit)
    if question != "regression" or not isinstance(margin, dict) or not single:
        return margin
    return {"worse": "lower" if "min" in limit else "higher", **margin}


def _source(file: str, shipped: Mapping[str, object], changed: set[str]) -> str:
    """Where the numbers of a changed table come from, in place of the shipped source."""
    was = [f"{key} {shipped[key]}" for key in ("min", "max", "margin") if key in shipped]
    others = sorted(changed - {"min", "max", "margin", "report_only", "source", "unit", *QUESTIONS})
    was += [f"{key} {shipped[key]}" for key in others if key in shipped]
    return f"{file}; shipped: {', '.join(was) or 'no limit'}"


def _as_values(limit: Limit) -> dict[str, object]:
    """A limit as its table in a file would say it."""
    values: dict[str, object] = {"unit": limit.unit}
    ends = {"min": limit.min, "max": limit.max, "margin": limit.margin or None}
    values |= {key: value for key, value in ends.items() if value is not None}
    return values | ({"report_only": True} if limit.report_only else {})
