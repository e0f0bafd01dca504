"""The tokens of a data set's units as text, so that a report can show what a figure is of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sae_checks.records.arrays import IntArray


@dataclass(frozen=True)
class TokenWords:
    """One row per token, in the order of units and positions.

    Attributes:
        unit: (n,) the number of its text or item, rising.
        token: (n,) its id.
        word: (n,) which of `words` it reads as.
        words: each once. Joined, those of a unit are its text; a sign of several tokens stands at
            the first of them, and the others are empty.
    """

    unit: IntArray
    token: IntArray
    word: IntArray
    words: tuple[str, ...]

    def of_unit(self, unit: int) -> list[str]:
        """By position, the words of a unit; none of one that is not there."""
        first, end = np.searchsorted(self.unit, [unit, unit + 1])
        return [self.words[each] for each in self.word[first:end]]
