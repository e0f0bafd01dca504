"""Units that a model reads: how they are cut into parts that are stored, and into batches.

A *part* is what is measured, and on disk, before the next one begins; a *batch* is one forward
pass. Both are the same whenever the same units are measured, so that a run that was stopped goes on
as if nothing had happened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from sae_checks.measure.pass_options import PassOptions
from sae_checks.records import IntArray
from sae_checks.records.dataset import DatasetRef

if TYPE_CHECKING:
    from torch import Tensor

    from sae_checks.load.language_model import LanguageModel
    from sae_checks.load.sae import LoadedSae

# A part has batches enough for so many tokens: seconds of work, against milliseconds of writing.
PART_TOKENS = 8_192


@dataclass(frozen=True)
class Batch:
    """Some units as the model reads them.

    Attributes:
        rows: which rows of the part they are.
        tokens: (B, T) int64.
        encoded: (B, T) whether the SAE is run on a token's activation.
        replaced: (B, T) whether the reconstruction takes its place; among those encoded.
        measured: (B, T) whether the token is in any mean.
    """

    rows: slice
    tokens: Tensor
    encoded: Tensor
    replaced: Tensor
    measured: Tensor

    @property
    def count(self) -> int:
        """How many units."""
        return int(self.rows.stop) - int(self.rows.start)

    def first(self, positions: int) -> Batch:
        """The same units, cut after so many positions."""
        raise NotImplementedError

    def pieces(self, sae: LoadedSae) -> Iterator[tuple[Any, Any]]:
        """Index pairs (units, positions) that cut (B, T, d) into what is encoded at a time."""
        raise NotImplementedError


class Dataset(Protocol):
    """Texts, or the items of a task, ready to be read."""

    @property
    def ref(self) -> DatasetRef:
        """Which one it is."""

    @property
    def size(self) -> int:
        """How many units there are."""

    @property
    def first(self) -> int:
        """How many are measured before anything is looked at."""

    @property
    def description(self) -> Mapping[str, object]:
        """What the units are, for the manifest."""

    @property
    def tokens(self) -> Sequence[Sequence[int]]:
        """Of each unit, all token ids in it; of an item its answer's too."""

    @property
    def told(self) -> str:
        """How many units of what, for whoever watches: "97 texts from 79 documents"."""

    def parts(
        self, start: int, stop: int, model: LanguageModel, settings: PassOptions
    ) -> list[IntArray]:
        """The units start..stop, in parts; each part's in the order in which they are read."""

    def batches(
        self, units: IntArray, model: LanguageModel, settings: PassOptions
    ) -> Iterator[Batch]:
        """The batches of one part."""


def in_parts(batches: Sequence[IntArray], tokens: Sequence[int]) -> list[IntArray]:
    """Batches of units, of so many tokens each, put together until each part has enough."""
    parts: list[IntArray] = []
    under_way: list[IntArray] = []
    filled = 0
    for units, count in zip(batches, tokens, strict=True):
        under_way.append(units)
        filled += count
        if filled >= PART_TOKENS:
            parts.append(np.concatenate(under_way))
            under_way, filled = [], 0
    return [*parts, np.concatenate(under_way)] if under_way else parts
