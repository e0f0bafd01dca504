"""A terminal as a report sees it: how wide it is, and what it can show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len, set_cell_size

from sae_checks.report.overview.levels import Level
from sae_checks.report.short import mark
from sae_checks.wording import has_unicode, in_ascii, visible

_RED, _GREEN, _YELLOW, _DIM = "31", "32", "33", "2"
_COLOURS: Final[Mapping[Level, str]] = {
    "not measurable": f"1;{_RED}",
    "failed": _RED,
    "insufficient evidence": _YELLOW,
    "accepted": _YELLOW,
    "undecided": _YELLOW,
    "unexpectedly passed": _YELLOW,
    "passed": _GREEN,
    "reported": _DIM,
    "not applicable": _DIM,
}


@dataclass(frozen=True)
class Screen:
    """What a terminal is like.

    Attributes:
        width: columns.
        colour: whether it shows colours, and may be sent them.
        ascii_only: whether its encoding has no Unicode.
    """

    width: int = 100
    colour: bool = False
    ascii_only: bool = False

    @classmethod
    def of(cls, width: int, encoding: str | None, *, colour: bool) -> Screen:
        """Of what is known of a stream; one without an encoding takes ASCII alone."""
        return cls(max(width, 40), colour, not has_unicode(encoding or "ascii"))

    def text(self, text: str) -> str:
        """A text of anybody's on one line, in signs that the terminal has and does not obey."""
        shown = visible(text)
        return in_ascii(shown) if self.ascii_only else shown

    def mark(self, level: Level) -> str:
        """A level's sign."""
        return mark(level, ascii_only=self.ascii_only)

    def painted(self, text: str, level: Level) -> str:
        """A text in a level's colour, where there are colours."""
        return f"\x1b[{_COLOURS[level]}m{text}\x1b[0m" if self.colour else text

    def bold(self, text: str) -> str:
        """A text in bold, where there is any."""
        return f"\x1b[1m{text}\x1b[0m" if self.colour else text

    def cut(self, text: str, width: int | None = None) -> str:
        """A text of so many columns at most; what is cut off ends in dots."""
        width = self.width if width is None else width
        if cell_len(text) <= width:
            return text
        dots = "..." if self.ascii_only else "…"
        return set_cell_size(text, max(width - len(dots), 0)).rstrip() + dots

    def filled(self, text: str, width: int) -> str:
        """A text in exactly so many columns."""
        return set_cell_size(self.cut(text, width), width)
