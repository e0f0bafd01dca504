"""A TOML table that knows where it stands in its file, and so what to say when it is wrong."""

from __future__ import annotations

import math
import tomllib
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from difflib import get_close_matches
from typing import NoReturn

from sae_checks.errors import ThresholdsError, UserError
from sae_checks.records import PositionRange
from sae_checks.records.ranges import parse_range

# Keys, and indices into arrays of tables: ("checks", "delta_ce", "override", 1, "layer").
TomlPath = tuple[str | int, ...]


@dataclass(frozen=True)
class TomlTable:
    """One table of a file. Getters give None for an absent key and refuse a wrong type.

    Attributes:
        values: what stands in the file.
        path: to the table.
        text_of_file: all of it, to say in which line something stands.
        file: what messages call it.
        beneath: values of another file, for keys that this one leaves out.
    """

    values: dict[str, object]
    path: TomlPath
    text_of_file: str
    file: str
    beneath: Mapping[str, object] = field(default_factory=dict)

    def get(self, key: str) -> object | None:
        """A value as it is, else the one beneath, else None."""
        return self.values.get(key, self.beneath.get(key))

    def allow(self, *keys: str) -> None:
        """Refuse every key but these."""
        for key in self.values:
            self.known(key, keys, "key")

    def known(self, key: str, legal: Iterable[str], kind: str) -> None:
        """Refuse a key that is not legal, with the nearest legal one."""
        choices = sorted(set(legal))
        if key in choices:
            return
        nearest = get_close_matches(key, choices, n=1)
        hint = f" (did you mean {nearest[0]}?)" if nearest else ""
        where = f" of {self._title()}" if self.path else ""
        self._fail(
            (*self.path, key),
            f'"{key}" is no {kind}{where}{hint}; legal: {", ".join(choices) or "none"}',
        )

    def table(self, key: str) -> TomlTable:
        """A table within this one; an empty one where it is absent."""
        value = self.values.get(key, self.beneath.get(key, {}))
        if not isinstance(value, dict):
            self.refuse(key, f"must be a table, got {_shown(value)}")
        return TomlTable(value, (*self.path, key), self.text_of_file, self.file)

    def tables(self, key: str) -> list[TomlTable]:
        """An array of tables; none where it is absent."""
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            self.refuse(key, f"must be an array of tables, written [[{self._dotted(key)}]]")
        return [
            TomlTable(each, (*self.path, key, index), self.text_of_file, self.file)
            for index, each in enumerate(value)
        ]

    def number(self, key: str) -> float | None:
        """A finite number; a boolean is none."""
        value = self.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.refuse(key, f"must be a number, got {_shown(value)}")
        try:
            number = float(value)
        except OverflowError:  # of an integer: TOML knows no largest one
            self.refuse(key, f"must be a number, got an integer of {_digits(value)}")
        if not math.isfinite(number):
            self.refuse(key, f"must be a finite number, got {_shown(value)}")
        return number

    def integers(self, key: str) -> tuple[int, ...] | None:
        """One integer or several."""
        value = self.get(key)
        if value is None:
            return None
        found = tuple(value) if isinstance(value, list) else (value,)
        if not found or any(isinstance(each, bool) or not isinstance(each, int) for each in found):
            self.refuse(key, f"must be an integer or a list of integers, got {_shown(value)}")
        return found

    def text(self, key: str) -> str | None:
        """A text."""
        value = self.get(key)
        if value is not None and not isinstance(value, str):
            self.refuse(key, f"must be a text in quotes, got {_shown(value)}")
        return value

    def flag(self, key: str) -> bool | None:
        """True or false."""
        value = self.get(key)
        if value is not None and not isinstance(value, bool):
            self.refuse(key, f"must be true or false, got {_shown(value)}")
        return value

    def date(self, key: str) -> date | None:
        """A day, written 2026-12-31 without quotes."""
        value = self.get(key)
        if value is not None and (not isinstance(value, date) or isinstance(value, datetime)):
            self.refuse(key, f"must be a day, as 2026-12-31 without quotes, got {_shown(value)}")
        return value

    def positions(self, key: str) -> PositionRange | None:
        """A range of positions, written "128:255"."""
        text = self.text(key)
        if text is None:
            return None
        try:
            return parse_range(text)
        except UserError as error:
            self.refuse(key, f"is malformed: {error}")

    def refuse(self, key: str | None, what: str) -> NoReturn:
        """Refuse the file for one of this table's keys, or for the table as a whole."""
        if key is None:
            self._fail(self.path, f"{self._title()} {what}")
        present = key in self.values
        self._fail((*self.path, key) if present else self.path, f"{key} of {self._title()} {what}")

    def _fail(self, path: TomlPath, what: str) -> NoReturn:
        raise ThresholdsError(f"{self.file}, line {line_of(self.text_of_file, path)}: {what}")

    def _title(self) -> str:
        """The table's header as it stands in the file."""
        if not self.path:
            return "the file"
        dotted = ".".join(part for part in self.path if isinstance(part, str))
        return f"[[{dotted}]]" if isinstance(self.path[-1], int) else f"[{dotted}]"

    def _dotted(self, key: str) -> str:
        return ".".join(part for part in (*self.path, key) if isinstance(part, str))


def must_be_one_of(got: object, choices: Iterable[str]) -> str:
    """What to say of a value that is not among the legal ones."""
    legal = sorted(choices)
    nearest = get_close_matches(str(got), legal, n=1)
    hint = f" (did you mean {nearest[0]}?)" if nearest else ""
    return f"must be one of {', '.join(legal)}; got {_shown(got)}{hint}"


def line_of(text: str, path: TomlPath) -> int:
    """The 1-based line on which the statement begins that first brings `path` into being.

    `tomllib` does not tell. The text must be valid TOML and hold the path.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    starts = [0]  # of each statement, comment or blank line; the last one is the end of the text
    for end in range(1, len(lines) + 1):
        # A statement that goes on over several lines is not TOML before its last one.
        if _is_toml("\n".join(lines[starts[-1] : end])):
            starts.append(end)
    # TOML only ever adds: once a path is there, it stays.
    after = bisect_left(
        starts, True, key=lambda end: _has(tomllib.loads("\n".join(lines[:end])), path)
    )
    return starts[max(after - 1, 0)] + 1


def _is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
    except (ValueError, RecursionError):  # what is too long or too deep was refused before
        return False
    return True


def _has(document: object, path: TomlPath) -> bool:
    for key in path:
        if isinstance(document, list):
            if not isinstance(key, int) or key >= len(document):
                return False
            document = document[key]
        elif isinstance(document, dict) and key in document:
            document = document[key]
        else:
            return False
    return True


def _shown(value: object) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"'
    try:
        return str(value)
    except ValueError:  # Python writes out no integer of more digits than 4,300
        return "something of thousands of digits"


def _digits(number: int | float) -> str:
    """How many digits a whole number has."""
    try:
        return f"{len(str(abs(number)))} digits"
    except ValueError:  # as above
        return "thousands of digits"
