"""Selectors: the named parts of the place of a cell, and the patterns that match them.

Test ids, overrides, accepted failures, JUnit properties and the keys of a baseline are all made of
selectors. A value is text, a whole number, or an object whose `str()` is how it is written; it is
never empty and never None: what a cell lacks, its place does not have.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from sae_checks.records import PositionRange


@dataclass(frozen=True)
class Glob:
    """Matches a value as it is written, with case: "blocks.3.*"."""

    text: str

    @classmethod
    def of(cls, value: object) -> Glob:
        """The one that matches a value as it is written, and no other."""
        return cls("".join(f"[{sign}]" if sign in "*?[" else sign for sign in str(value)))

    def matches(self, value: object) -> bool:
        """Whether a value is one of those that are meant."""
        return fnmatchcase(str(value), self.text)

    @property
    def positions(self) -> float:
        """How many positions it covers: all."""
        return math.inf

    @property
    def toml(self) -> str:
        """As a thresholds file has it."""
        return toml_text(self.text)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class OneOf:
    """Matches whole numbers: those that are named."""

    numbers: tuple[int, ...]

    @classmethod
    def of(cls, value: int) -> OneOf:
        """The one that matches a number, and no other."""
        return cls((value,))

    def matches(self, value: object) -> bool:
        """Whether a value is one of those that are meant."""
        return value in self.numbers

    @property
    def positions(self) -> float:
        """How many positions it covers: all."""
        return math.inf

    @property
    def toml(self) -> str:
        """As a thresholds file has it."""
        return str(list(self.numbers))

    def __str__(self) -> str:
        return ", ".join(map(str, self.numbers))


@dataclass(frozen=True)
class Inside:
    """Matches ranges of positions that lie wholly inside one."""

    outer: PositionRange

    @classmethod
    def of(cls, value: PositionRange) -> Inside:
        """The narrowest one that matches a range; it matches the ranges within it too."""
        return cls(value)

    def matches(self, value: object) -> bool:
        """Whether a value is one of those that are meant."""
        outer = self.outer
        return (
            isinstance(value, PositionRange)
            and outer.first <= value.first
            and value.last <= outer.last
        )

    @property
    def positions(self) -> float:
        """How many positions it covers, but for one."""
        return self.outer.last - self.outer.first

    @property
    def toml(self) -> str:
        """As a thresholds file has it."""
        return toml_text(str(self.outer))

    def __str__(self) -> str:
        return str(self.outer)


Pattern = Glob | OneOf | Inside


@dataclass(frozen=True)
class Selector:
    """One named part of a place. Two of one name are the same.

    Attributes:
        name: in the thresholds file, and of `Place[name]`.
        pattern: of which kind the patterns are that match it; None: the thresholds file has none.
        properties: names of the JUnit properties that it gives, each with how a value is written.
        names_cell: whether test ids, accepted failures and keys of a baseline have it; False where
            another selector tells it, as the SAE tells its layer.
        renamed: a value with the ids of SAEs replaced by those of a mapping, or None where one has
            none; None itself for a selector that holds no ids of SAEs.
        dataset: whether it tells on which data was measured.
        key: how a baseline writes a value, where its name does not tell it from all others.
        title: of the one block that summaries make of all its cells; "": each value has a block.
    """

    name: str
    pattern: type[Glob] | type[OneOf] | type[Inside] | None = field(default=Glob, compare=False)
    properties: tuple[tuple[str, Callable[[Any], str]], ...] = field(default=(), compare=False)
    names_cell: bool = field(default=True, compare=False)
    renamed: Callable[[Any, Mapping[str, str]], Any] | None = field(default=None, compare=False)
    dataset: bool = field(default=False, compare=False)
    title: str = field(default="", compare=False)
    key: Callable[[Any], str] = field(default=str, compare=False)


def _of_match(sae_id: str, matches: Mapping[str, str]) -> str | None:
    return matches.get(sae_id)


RELEASE = Selector("release", properties=(("release", str),))
SAE = Selector("sae", properties=(("sae", str),), renamed=_of_match)
LAYER = Selector("layer", OneOf, (("layer", str),), names_cell=False)
SITE = Selector("site", names_cell=False)
TRAINED_AS = Selector("trained_as", names_cell=False)
HOOK = Selector("hook", None, (("hook", str),), names_cell=False)
POSITIONS = Selector(
    "positions",
    Inside,
    (
        ("first_position", lambda positions: str(positions.first)),
        ("last_position", lambda positions: str(positions.last)),
    ),
)
TASK = Selector("task", properties=(("task", str),), dataset=True)

# Those of places on one SAE, in texts or on the items of a task. An evaluation may have others.
SELECTORS = (RELEASE, SAE, LAYER, SITE, HOOK, TRAINED_AS, POSITIONS, TASK)


def property_names(selectors: Iterable[Selector]) -> list[str]:
    """The JUnit properties that selectors give."""
    return [name for selector in selectors for name, _ in selector.properties]


def toml_text(text: str) -> str:
    """A text as TOML writes it; JSON's escapes are TOML's, but for signs beyond 16 bits."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
