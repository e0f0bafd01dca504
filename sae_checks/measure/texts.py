"""Texts as the model reads them: all of one length, so many at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sae_checks.measure.blocks import FIRST_TEXTS
from sae_checks.measure.dataset import Batch, in_parts
from sae_checks.measure.pass_options import PassOptions
from sae_checks.measure.pieces import spans, tokens_at_once
from sae_checks.records import TEXTS, IntArray
from sae_checks.records.dataset import DatasetRef
from sae_checks.wording import texts_of_documents

if TYPE_CHECKING:
    from sae_checks.load.language_model import LanguageModel
    from sae_checks.load.sae import LoadedSae
    from sae_checks.load.texts import Texts


@dataclass(frozen=True)
class TextBatch(Batch):
    """Texts; `documents` (B, T) int32 says which document each token comes from."""

    documents: Tensor

    def first(self, positions: int) -> TextBatch:
        """The same texts, cut after so many positions."""
        return replace(
            self,
            tokens=self.tokens[:, :positions],
            encoded=self.encoded[:, :positions],
            replaced=self.replaced[:, :positions],
            measured=self.measured[:, :positions],
            documents=self.documents[:, :positions],
        )

    def pieces(self, sae: LoadedSae) -> Iterator[tuple[slice, slice]]:
        """Whole texts where they fit, or where a token's features depend on earlier ones."""
        texts, positions = self.tokens.shape
        tokens = tokens_at_once(sae.ref.d_sae)
        if sae.sequence_aware or positions <= tokens:
            for some in spans(texts, max(1, tokens // positions)):
                yield some, slice(None)
            return
        for text in range(texts):
            for stretch in spans(positions, tokens):
                yield slice(text, text + 1), stretch


@dataclass(frozen=True)
class TextDataset:
    """The texts of a corpus."""

    texts: Texts
    ref: DatasetRef = field(default_factory=lambda: DatasetRef(TEXTS))
    first: int = FIRST_TEXTS

    @property
    def size(self) -> int:
        """How many texts."""
        return len(self.texts.tokens)

    @property
    def description(self) -> Mapping[str, object]:
        """What they are."""
        return {**self.texts.description, "fingerprint": self.texts.fingerprint}

    @property
    def tokens(self) -> Sequence[Sequence[int]]:
        """Of each text, all of its token ids."""
        ids: list[list[int]] = self.texts.tokens.tolist()
        return ids

    @property
    def told(self) -> str:
        """How many texts, of how many documents."""
        return texts_of_documents(self.size, self.texts.documents_drawn)

    def parts(
        self, start: int, stop: int, model: LanguageModel, settings: PassOptions
    ) -> list[IntArray]:
        """Consecutive texts, in whole batches from the start on."""
        step, context = self.batch_texts(model, settings), int(self.texts.tokens.shape[1])
        batches = [
            np.arange(stop)[start + s.start : start + s.stop] for s in spans(stop - start, step)
        ]
        return in_parts(batches, [len(units) * context for units in batches])

    def batches(
        self, units: IntArray, model: LanguageModel, settings: PassOptions
    ) -> Iterator[TextBatch]:
        """As many texts at a time as a forward pass takes."""
        texts = self.texts
        for rows in spans(len(units), self.batch_texts(model, settings)):
            some = units[rows]
            special = torch.from_numpy(texts.special[some])  # (B, T)
            measured = ~special
            measured[:, 0] = False
            every = torch.ones_like(special)
            yield TextBatch(
                rows=rows,
                tokens=torch.from_numpy(texts.tokens[some]).to(model.device),
                encoded=every.to(model.device),
                replaced=(every if settings.replace_special else ~special).to(model.device),
                measured=measured.to(model.device),
                documents=torch.from_numpy(texts.documents[some]),
            )

    def batch_texts(self, model: LanguageModel, settings: PassOptions) -> int:
        """Texts per forward pass."""
        return max(1, settings.tokens_at_once(model) // int(self.texts.tokens.shape[1]))
