"""Local JSON corpora, looked at before `datasets` reads them.

Its parsers end the whole process, without a message, on what is nested deeply and on rows that are
no objects (a `null` before the first object, say).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sae_checks.errors import CorpusError

_DECODER = json.JSONDecoder()


def refuse_no_rows(name: str, path: Path) -> None:
    """Refuse a .json or .jsonl file that is neither a line per object nor a list of objects.

    Raises:
        CorpusError: it is not; names the line where it is one of lines.
    """
    with path.open("rb") as file:
        first = next((line for line in file if line.strip()), b"")
        by_lines = isinstance(_parsed(first), dict)
    if not by_lines:
        whole = _values(path.read_bytes())
        rows = whole[0] if len(whole) == 1 and isinstance(whole[0], list) else whole
        if first and not all(isinstance(row, dict) for row in rows):
            raise CorpusError(
                f"corpus {name!r} is no JSON that holds documents: a line for each, or a list of "
                'them, written {"text": "..."}'
            )
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip() and not isinstance(_parsed(line), dict):
                raise CorpusError(
                    f"corpus {name!r}, line {number}: each line is to be a JSON object, written "
                    '{"text": "..."}'
                )


def _values(content: bytes) -> list[Any]:
    """The JSON values that stand one after another, however they are set out; [None] if it is none.

    Objects may be spread over lines, or share one.
    """
    try:
        text, at, found = content.decode(), 0, []
        while rest := text[at:].lstrip():
            value, length = _DECODER.raw_decode(rest)
            found.append(value)
            at = len(text) - len(rest) + length
    except (ValueError, RecursionError):
        return [None]
    return found


def _parsed(text: bytes) -> Any:
    """What JSON says; None where it cannot be read."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
