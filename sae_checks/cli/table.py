"""A table at the terminal, whose cells are wrapped where it has fewer columns."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

from sae_checks.wording import printable

_BETWEEN, _SET_IN, _NARROWEST = "  ", "  ", 6


def width_of_terminal() -> int | None:
    """Columns of the terminal that is printed to; None where it is a file or a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def table(
    head: tuple[str, ...], cells: Iterable[tuple[str, ...]], width: int | None = None
) -> Iterator[str]:
    """The lines of a table: columns as wide as their widest cell, or narrower to fit into a width.

    Args:
        head: the names of the columns.
        cells: of each row.
        width: the columns that there are; unlimited without it.
    """
    rows = [head, *(tuple(map(printable, row)) for row in cells)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if width is not None:
        words = [_longest_word(column) for column in zip(*rows, strict=True)]
        room = width - len(_BETWEEN) * (len(widths) - 1)
        # Words are broken only where it takes that.
        widths = _narrowed(_narrowed(widths, words, room), [_NARROWEST] * len(widths), room)
    for row in rows:
        wrapped = [_wrapped(cell, most) for cell, most in zip(row, widths, strict=True)]
        for line in zip_longest(*wrapped, fillvalue=""):
            padded = (cell.ljust(most) for cell, most in zip(line, widths, strict=True))
            yield _BETWEEN.join(padded).rstrip()


def _narrowed(widths: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Widths that fit, as far as columns may be narrowed; the widest of these come first."""
    narrowed = list(widths)
    while sum(narrowed) > room:
        left = [at for at, (now, end) in enumerate(zip(narrowed, least, strict=True)) if now > end]
        if not left:
            break
        narrowed[max(left, key=lambda at: narrowed[at])] -= 1
    return narrowed


def _longest_word(column: Iterable[str]) -> int:
    """How wide a column has to be for its words, be they set in."""
    return len(_SET_IN) + max(len(word) for cell in column for word in [*cell.split(), ""])


def _wrapped(cell: str, most: int) -> list[str]:
    """A cell in lines; those that go on are set in."""
    if len(cell) <= most:
        return [cell]
    return textwrap.wrap(cell, most, subsequent_indent=_SET_IN, break_on_hyphens=False)
