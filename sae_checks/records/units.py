"""The independent units of measured texts: the documents that their tokens come from.

Tokens of one document are alike, and a text may hold several documents, a document make several
texts. Sums are therefore taken per document.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Units:
    """The documents of a table, numbered 0 .. count - 1 in the order of drawing.

    Where every text has one document, which no other text has, they are the texts in their order.
    """

    count: int
    # (texts, C) of each measured token, 0 elsewhere; None: a token's text is its unit.
    index: NDArray[np.intp] | None = None

    @classmethod
    def of(cls, documents: NDArray[np.int32] | None, texts: int) -> Units:
        """The units of tokens whose documents (texts, C) are known; -1 where none was measured."""
        if documents is None or _one_a_text(documents):
            return cls(texts)
        present = np.bincount(documents[documents >= 0]) > 0
        numbers = np.cumsum(present) - 1
        return cls(int(present.sum()), np.where(documents >= 0, numbers[documents], 0))

    def sums(self, values: NDArray[np.generic], positions: slice) -> NDArray[np.float64]:
        """(count,) sums of values (texts, positions), which are 0 where nothing was measured."""
        if self.index is None:
            return np.asarray(values.sum(axis=1), dtype=np.float64)
        index = self.index[:, positions].ravel()
        summed = np.bincount(index, weights=values.ravel(), minlength=self.count)
        return np.asarray(summed, dtype=np.float64)


def _one_a_text(documents: NDArray[np.int32]) -> bool:
    """Whether every text has one document at most, and no two texts the same."""
    last = documents.max(axis=1, initial=-1)
    if not ((documents == last[:, np.newaxis]) | (documents < 0)).all():
        return False
    known = last[last >= 0]
    return len(np.unique(known)) == len(known)
