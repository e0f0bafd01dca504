"""What the user may have meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(word: str, choices: Iterable[str], count: int = 1) -> str:
    """A question for the end of a message, (did you mean X?); nothing where no choice is near."""
    near = get_close_matches(word, list(choices), n=count, cutoff=0.5)
    return f" (did you mean {' or '.join(near)}?)" if near else ""
