"""Whether records that were read from JSON hold what their annotations say."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import fields
from functools import cache
from types import UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints


def refuse_other_types(record: Any) -> None:
    """Refuse a dataclass's instance that holds values of other types than it says.

    Looked at are the classes of the fields themselves: what lists and mappings hold is not. A whole
    number is a float too; a boolean is neither.

    Raises:
        TypeError: names the first such field.
    """
    for name, kinds in _kinds(type(record)).items():  # type: ignore[arg-type]  # classes are hashable
        value = getattr(record, name)
        right = isinstance(value, kinds) and (not isinstance(value, bool) or bool in kinds)
        if not right:
            raise TypeError(f"{name} is {value!r:.40}")
        if isinstance(value, int) and abs(value) >= 10**300:
            raise TypeError(f"{name} is a number of {len(str(abs(value)))} digits")


@cache
def _kinds(record: Hashable) -> dict[str, tuple[type, ...]]:
    """By field, the classes that its value may have."""
    hints = get_type_hints(record)
    return {each.name: _classes(hints[each.name]) for each in fields(cast(Any, record))}


def _classes(hint: Any) -> tuple[type, ...]:
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return tuple(kind for each in get_args(hint) for kind in _classes(each))
    if origin is Literal:
        return tuple({type(each) for each in get_args(hint)})
    kind = origin or hint
    if kind is float:
        return (float, int)
    return (Mapping,) if kind is Mapping else (kind,)
