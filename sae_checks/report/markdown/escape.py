"""Text of anybody's in Markdown and the HTML within it: shown as it is, and doing nothing.

Names of SAEs, of corpora and tasks come from whoever made a release. Nothing in them may become
markup, a link, a picture, the mention of a person or of an issue, or the end of a table's cell.
"""

from __future__ import annotations

import re

from sae_checks.wording import visible

# One alternative each: signs of markup; an underscore that is not within a word; the beginning of a
# link; what GitHub or GitLab make a link of where a word follows (@person, #issue, !merge, ~label).
_ACTIVE = re.compile(
    r"(?P<sign>[\\`*{}\[\]<>|&]|(?<!\w)_|_(?!\w)|(?<=www)\.|:(?=//)|~(?=~))"
    r"|(?P<reference>[@#!~%$^](?=\w))"
)
_LIST = re.compile(r"^\s*(?:[-+]|#+|\d+[.)])(?=\s|$)|^\s*(?:=+|-+)\s*$")


def escaped(text: str) -> str:
    """The text for a paragraph, a list or a table's cell, on one line."""
    shown = visible(text)
    start = _LIST.match(shown)
    if start is None:
        return _ACTIVE.sub(_harmless, shown)
    return "".join(map(_entity, start[0])) + _ACTIVE.sub(_harmless, shown[start.end() :])


def code(text: str) -> str:
    """The text as code."""
    return f"<code>{escaped(text)}</code>"


def block(text: str) -> list[str]:
    """A command as a block of code, which cannot be left from within."""
    shown = visible(text)
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", shown)), default=0))
    return [f"{fence}sh", shown, fence]


def _harmless(found: re.Match[str]) -> str:
    return _entity(found[0]) if found["sign"] else f"{found[0]}<!-- -->"


def _entity(sign: str) -> str:
    return f"&#{ord(sign)};"
