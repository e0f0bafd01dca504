"""The generated parts of Markdown pages: found by comments, and filled."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

_REGION = re.compile(r"(<!-- generated: ([\w -]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def pages(folder: Path) -> Iterator[Path]:
    """All Markdown pages below a folder."""
    yield from sorted(folder.rglob("*.md"))


def names(text: str) -> list[str]:
    """The parts that a page asks for."""
    return [found[2] for found in _REGION.finditer(text)]


def filled(text: str, parts: Mapping[str, str]) -> str:
    """A page with its parts put in.

    Raises:
        KeyError: it asks for a part that there is none of.
    """
    return _REGION.sub(lambda found: f"{found[1]}\n{parts[found[2]]}\n\n{found[3]}", text)
