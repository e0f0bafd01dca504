"""Compares two baseline files, which hold every cell's value with all its digits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.equality.comparison import Comparison, EqualityError, together

WHAT = "baseline file"
_KEY = 4  # a cell's check, SAE, positions and task, where each has a column of its own
_TERMS = 3  # a check's name, definition and parameters, whatever else its row has
_NOT_RESULTS = ("format", "checksum", "written")


def compare_baselines(old: Path, new: Path) -> Comparison:
    """The cells of two files, their influences, and all else but format, checksum and day.

    Raises:
        EqualityError: a file is missing, or has no cells with influences.
    """
    figures = (_figures(old), _figures(new))
    names = list(dict.fromkeys([*figures[0], *figures[1]]))
    return together(WHAT, [_compare(name, *figures) for name in names])


def _figures(path: Path) -> dict[tuple[str, str], str]:
    """What a file holds as JSON texts, by where (a cell, or the file) and what."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        cells = list(zip(content.pop("cells"), content.pop("influences"), strict=True))
    except (OSError, ValueError, KeyError) as error:
        raise EqualityError(
            f"the baseline {path} is not one of cells with influences: {error}"
        ) from error
    figures = {("file", n): value for n, value in content.items() if n not in _NOT_RESULTS}
    if "checks" in content:
        figures["file", "checks"] = [row[:_TERMS] for row in content["checks"]]
    for row, influences in cells:
        cell, (value, *counts) = _key(row)
        of_cell = {"value": value, "counts": counts, "influences": influences}
        figures |= {(cell, what): figure for what, figure in of_cell.items()}
    return {name: json.dumps(figure, sort_keys=True) for name, figure in figures.items()}


def _key(row: list[Any]) -> tuple[str, list[Any]]:
    """A cell's check and place, and the rest of its row.

    A place is a list of its own since format 3; before, each of its parts was.
    """
    if isinstance(row[1], list):
        return " ".join([row[0], *row[1]]), row[2:]
    return " ".join(str(part) for part in row[:_KEY] if part), row[_KEY:]


def _compare(
    name: tuple[str, str],
    old: Mapping[tuple[str, str], str],
    new: Mapping[tuple[str, str], str],
) -> Comparison:
    where, what = name
    before, after = (side.get(name, "nothing") for side in (old, new))
    if before == after:
        return Comparison(WHAT, 1)
    told = f"{where}, {what}: {_short(before)} became {_short(after)}"
    return Comparison(WHAT, 1, {what: 1}, (told,))


def _short(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:97]}..."
