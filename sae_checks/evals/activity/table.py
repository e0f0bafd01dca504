"""Which features of one SAE are active where: a row per text, and one per feature active in it.

Only tokens within the training context count: past it, where an SAE may fail, densities are no
longer those that it was trained to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sae_checks.records import (
    TEXTS,
    BoolArray,
    FloatArray,
    IntArray,
    Intervention,
    SaeRef,
    SideTable,
    Table,
    dealt_out,
)

COUNTED, ACTIVE_FEATURES, DUPLICATES = "counted", "active_features", "duplicates"
TEXT_NUMBER, DOCUMENT = "number", "document"


@dataclass(frozen=True)
class ActiveFeatures(SideTable):
    """A row per text, document in it, and feature that is active on a token of both.

    Each text lies in one part of a table, so that rows of two parts are never of the same text:
    counts of tokens and of documents are exact, however texts and documents were dealt out.
    """

    text: NDArray[np.int32]  # (n,) number of the text in the data set
    document: NDArray[np.int32]  # (n,)
    feature: NDArray[np.int32]  # (n,)
    tokens: NDArray[np.int32]  # (n,) above 0

    def join(self, later: ActiveFeatures) -> ActiveFeatures:
        """The rows of both, in the order of their texts."""
        both = {
            name: np.concatenate([values, later.arrays()[name]])
            for name, values in self.arrays().items()
        }
        if len(self.text) and len(later.text) and later.text[0] <= self.text[-1]:
            order = np.lexsort([both[each.name] for each in reversed(fields(self)[:3])])
            both = {name: values[order] for name, values in both.items()}
        return ActiveFeatures(**both)

    def kept(self) -> None:
        """Nothing: which rows of the table were kept, the table alone can tell."""

    def of(self, rows: BoolArray) -> ActiveFeatures:
        """Some of the rows (n,)."""
        return ActiveFeatures(**{name: values[rows] for name, values in self.arrays().items()})


@dataclass(frozen=True)
class DocumentCounts:
    """Tokens on which a feature is active, by document: a row for each of the two that meet."""

    unit: IntArray  # (n,) the document's place among those that have tokens which count
    feature: IntArray  # (n,)
    tokens: FloatArray  # (n,) above 0

    @classmethod
    def of(cls, active: ActiveFeatures | None, documents: IntArray) -> DocumentCounts:
        """From the rows of texts; a document may lie in several of them.

        Args:
            active: the rows; None: there are none.
            documents: their numbers, rising.
        """
        if active is None or not len(active.text):
            nothing = np.zeros(0, dtype=np.int64)
            return cls(nothing, nothing, np.zeros(0))
        unit = np.searchsorted(documents, active.document).astype(np.int64)
        tokens = active.tokens.astype(np.float64)
        starts = np.flatnonzero(np.diff(active.text) | np.diff(unit)) + 1
        of_texts = unit[np.concatenate([[0], starts])]
        if len(np.unique(of_texts)) == len(of_texts):  # each document in one text: nothing to add
            return cls(unit, active.feature.astype(np.int64), tokens)
        width = int(active.feature.max()) + 1
        keys, place = np.unique(unit * width + active.feature, return_inverse=True)
        summed = np.bincount(place, weights=tokens).astype(np.float64)
        return cls(keys // width, keys % width, summed)


@dataclass(frozen=True)
class Duplicates(SideTable):
    """A row per feature and other one of nearly its decoder direction; of many, the nearest."""

    feature: IntArray  # (n,) rising
    nearest: IntArray  # (n,) the other one; of one feature, the nearest first
    cosine: FloatArray  # (n,) of the two directions

    def join(self, later: Duplicates) -> Duplicates:
        """Of weights, and so the same in every part."""
        return self

    def kept(self) -> Duplicates:
        """Whatever is measured."""
        return self


@dataclass(frozen=True)
class ActivityTable(Table):
    """A row per text.

    `columns["counted"]` (texts, C) is 1 on each token that counts: measured, and within the
    training context, positions 1 .. T-1. It is infinite where the SAE's features there are not
    finite, and NaN on all other tokens. `labels` say of which document each token is that counts,
    and of which text: -1 elsewhere.
    """

    EVALUATION: ClassVar[str] = "activity"
    UNIT: ClassVar[str] = "text"
    SIDE: ClassVar[Mapping[str, type[SideTable]]] = {
        ACTIVE_FEATURES: ActiveFeatures,
        DUPLICATES: Duplicates,
    }

    @classmethod
    def of(
        cls,
        sae: SaeRef,
        counted: FloatArray,
        documents: NDArray[np.int32],
        numbers: Sequence[int] | IntArray,
        side: Mapping[str, SideTable],
    ) -> ActivityTable:
        """The table of an SAE.

        Args:
            sae: which one.
            counted: (texts, C) as above.
            documents: (texts, C) of each token.
            numbers: (texts,) of the texts in the data set.
            side: the side tables that were measured.
        """
        here = ~np.isnan(counted)
        of_text = np.asarray(numbers, dtype=np.int32)[:, np.newaxis]
        labels = {
            DOCUMENT: np.where(here, documents, np.int32(-1)),
            TEXT_NUMBER: np.where(here, of_text, np.int32(-1)),
        }
        return cls(TEXTS, Intervention((sae,)), {COUNTED: counted}, labels, dict(side))

    @property
    def counted(self) -> FloatArray:
        """(texts, C)."""
        return self.columns[COUNTED]

    @property
    def active(self) -> ActiveFeatures | None:
        """Where it was measured."""
        return self.side_table(ACTIVE_FEATURES, ActiveFeatures)

    @property
    def duplicates(self) -> Duplicates | None:
        """Where they were looked for."""
        return self.side_table(DUPLICATES, Duplicates)

    @cached_property
    def document_numbers(self) -> IntArray:
        """(documents,) rising: the numbers of those that have a token which counts."""
        documents = self.labels[DOCUMENT]
        return np.unique(documents[documents >= 0]).astype(np.int64)

    @property
    def unit_count(self) -> int:
        """How many documents."""
        return len(self.document_numbers)

    @cached_property
    def document_tokens(self) -> FloatArray:
        """(documents,) tokens of each that count."""
        documents = self.labels[DOCUMENT]
        place = np.searchsorted(self.document_numbers, documents[documents >= 0])
        return np.bincount(place, minlength=self.unit_count).astype(np.float64)

    @cached_property
    def by_document(self) -> DocumentCounts:
        """Of each document and feature that is active in it, the tokens; none where not counted."""
        return DocumentCounts.of(self.active, self.document_numbers)

    @property
    def groups(self) -> IntArray:
        """(documents,) the group of each, 0 .. GROUPS - 1, in the order of their numbers."""
        return dealt_out(np.arange(len(self.document_numbers)))

    def keep(self, rows: slice | BoolArray) -> ActivityTable:
        """Some of the texts."""
        less = super().keep(rows)
        if self.active is None:
            return less
        kept = self.active.of(np.isin(self.active.text, less.labels[TEXT_NUMBER]))
        return replace(less, side={**less.side, ACTIVE_FEATURES: kept})

    def without_group(self, group: int) -> ActivityTable:
        """The documents of all groups but one; tokens of the others do not count."""
        left = self.document_numbers[self.groups != group]
        here = np.isin(self.labels[DOCUMENT], left)
        side = dict(self.side)
        if self.active is not None:
            side[ACTIVE_FEATURES] = self.active.of(np.isin(self.active.document, left))
        return replace(
            self,
            columns={COUNTED: np.where(here, self.counted, np.nan)},
            labels={name: np.where(here, each, -1) for name, each in self.labels.items()},
            side=side,
            part=True,
        )
