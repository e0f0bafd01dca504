"""What commands print: in signs that the stream has and a terminal does not obey."""

from __future__ import annotations

import sys
from typing import TextIO

from sae_checks.wording import has_unicode, in_ascii, visible_lines


def tell(text: str = "", stream: TextIO | None = None) -> None:
    """Print a text of one line or several, and send it on at once.

    Args:
        text: anybody's; what the stream's encoding has not is written in ASCII.
        stream: stdout without it.
    """
    stream = sys.stdout if stream is None else stream
    shown = visible_lines(text)
    print(
        shown if has_unicode(stream.encoding or "ascii") else in_ascii(shown),
        file=stream,
        flush=True,
    )
