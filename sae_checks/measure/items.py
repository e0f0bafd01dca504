"""Items in batches of about equal length, padded on the right.

A causal model never looks ahead, so what stands behind an item's last token cannot change a figure
of it; no attention mask and no shifted positions are needed, as they would be on the left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sae_checks.measure.blocks import FIRST_ITEMS
from sae_checks.measure.dataset import Batch, in_parts
from sae_checks.measure.pass_options import PassOptions
from sae_checks.measure.pieces import spans, tokens_at_once
from sae_checks.records import IntArray
from sae_checks.records.dataset import DatasetRef
from sae_checks.wording import counted

if TYPE_CHECKING:
    from sae_checks.load.language_model import LanguageModel
    from sae_checks.load.sae import LoadedSae
    from sae_checks.load.tasks.items import Item, Items

PADDING = 0  # any token of the vocabulary does


@dataclass(frozen=True)
class ItemBatch(Batch):
    """Some items as the model reads them: the prompt, then the answer but for its last token.

    Attributes:
        units: (B,) which items of the task they are.
        prompt: (B, T) tokens of the prompt.
        window: (B, T) the last of its measured tokens, on which features count as active.
        answer_places: (n, 2) item of the batch and position from which an answer token is
            predicted, in the items' order; `answer_targets` (n,) are those tokens.
        first_answers: (B,) which of these rows is an item's first answer token.
        candidates: (B, k) token ids, the answer's first, -1 in rows with fewer; None without.
    """

    units: IntArray
    prompt: Tensor
    window: Tensor
    answer_places: Tensor
    answer_targets: Tensor
    first_answers: Tensor
    candidates: Tensor | None

    def pieces(self, sae: LoadedSae) -> Iterator[tuple[Tensor, Tensor]]:
        """The encoded tokens, an item's in a row; padding is left out.

        Whole items where a token's features depend on earlier ones.
        """
        item, position = self.encoded_by(sae).nonzero().unbind(-1)  # (N,) each
        for piece in self._spans(sae, item):
            yield item[piece], position[piece]

    def encoded_by(self, sae: LoadedSae) -> Tensor:
        """(B, T): a token's features may depend on the ones before it, replaced or not."""
        return self.encoded if sae.sequence_aware else self.replaced

    def _spans(self, sae: LoadedSae, item: Tensor) -> Iterator[slice]:
        if not sae.sequence_aware:
            yield from spans(len(item), tokens_at_once(sae.ref.d_sae))
            return
        ends = torch.bincount(item, minlength=self.count).cumsum(0).tolist()
        for start, end in zip([0, *ends], ends, strict=False):
            yield slice(start, end)

    def prompt_places(self) -> tuple[Tensor, Tensor]:
        """Where the prompt predicts its own next token: (n, 2) places, and those tokens (n,)."""
        followed = self.prompt.roll(-1, dims=1)
        followed[:, -1] = False
        places = (self.measured & followed).nonzero()
        return places, self.tokens[places[:, 0], places[:, 1] + 1]


@dataclass(frozen=True)
class ItemDataset:
    """The items of a task.

    Attributes:
        items: of the task.
        window: how many of the last prompt tokens features are looked for on.
    """

    items: Items
    ref: DatasetRef
    window: int
    first: int = FIRST_ITEMS

    @property
    def size(self) -> int:
        """How many items."""
        return len(self.items.items)

    @property
    def description(self) -> Mapping[str, object]:
        """What they are."""
        return {**self.items.description, "fingerprint": self.items.fingerprint}

    @property
    def tokens(self) -> Sequence[Sequence[int]]:
        """Of each item, the prompt's token ids and those of the answer."""
        return [(*item.prompt, *item.answer) for item in self.items.items]

    @property
    def told(self) -> str:
        """How many items, of which task."""
        return f"{counted(self.size, 'item')} of {self.ref.name}"

    @cached_property
    def clusters(self) -> IntArray:
        """(items,) the number of each item's cluster, in order of appearance."""
        numbers: dict[str | int, int] = {}
        labels = (item.cluster or row for row, item in enumerate(self.items.items))
        return np.array([numbers.setdefault(label, len(numbers)) for label in labels], np.int64)

    @cached_property
    def _lengths(self) -> IntArray:
        return np.array([_length(item) for item in self.items.items], dtype=np.int64)

    def parts(
        self, start: int, stop: int, model: LanguageModel, settings: PassOptions
    ) -> list[IntArray]:
        """The shortest items first, in whole batches."""
        order = self.by_length(np.arange(start, stop))
        batches = self._batches(order, settings.tokens_at_once(model))
        return in_parts(batches, [len(u) * int(self._lengths[u[-1]]) for u in batches])

    def by_length(self, units: IntArray) -> IntArray:
        """Some items, the shortest first."""
        return units[np.argsort(self._lengths[units], kind="stable")]

    def _batches(self, order: IntArray, at_once: int) -> list[IntArray]:
        """As many items at a time as fill so many tokens; a longer one makes a batch of its own."""
        found, begin = [], 0
        while begin < len(order):
            end = begin + 1
            while end < len(order) and (end + 1 - begin) * self._lengths[order[end]] <= at_once:
                end += 1
            found.append(order[begin:end])
            begin = end
        return found

    def batches(
        self, units: IntArray, model: LanguageModel, settings: PassOptions
    ) -> Iterator[ItemBatch]:
        """As many items at a time as a forward pass takes."""
        row = 0
        for some in self._batches(units, settings.tokens_at_once(model)):
            yield self.batch(some, row, model.device, replace_special=settings.replace_special)
            row += len(some)

    def batch(
        self, units: IntArray, row: int, device: torch.device, *, replace_special: bool = False
    ) -> ItemBatch:
        """One batch of these items, from this row of a part on."""
        return make_batch(self.items, units, row, self.window, device, replace_special)


def make_batch(
    items: Items,
    units: IntArray,
    row: int,
    window: int,
    device: torch.device,
    replace_special: bool = False,
) -> ItemBatch:
    """One batch of these items, from this row of a part on."""
    chosen = [items.items[unit] for unit in units]
    width = max(_length(item) for item in chosen)
    tokens = torch.full((len(chosen), width), PADDING, dtype=torch.long)
    lengths = torch.tensor([_length(item) for item in chosen])
    prompts = torch.tensor([len(item.prompt) for item in chosen])
    for index, item in enumerate(chosen):
        tokens[index, : _length(item)] = torch.tensor((*item.prompt, *item.answer[:-1]))
    positions = torch.arange(width)
    fed = positions < lengths.unsqueeze(-1)
    special = torch.isin(tokens, torch.tensor(sorted(items.special), dtype=torch.long)) & fed
    prompt = positions < prompts.unsqueeze(-1)
    measured = prompt & ~special
    measured[:, 0] = False
    # Counted from the end of the prompt: 1 is its last measured token.
    from_end = measured.flip(1).cumsum(1).flip(1)
    answers = [(row, place) for row, item in enumerate(chosen) for place in range(len(item.answer))]
    places = torch.tensor([(row, len(chosen[row].prompt) - 1 + k) for row, k in answers])
    parts = {
        "tokens": tokens,
        "encoded": fed,
        "replaced": fed if replace_special else fed & ~special,
        "measured": measured,
        "prompt": prompt,
        "window": measured & (from_end <= window),
        "answer_places": places,
        "answer_targets": torch.tensor([chosen[row].answer[k] for row, k in answers]),
        "first_answers": torch.tensor([i for i, (_, k) in enumerate(answers) if k == 0]),
    }
    candidates = _candidates(chosen)
    return ItemBatch(
        rows=slice(row, row + len(chosen)),
        units=np.asarray(units),
        **{name: part.to(device) for name, part in parts.items()},
        candidates=None if candidates is None else candidates.to(device),
    )


def _length(item: Item) -> int:
    return len(item.prompt) + len(item.answer) - 1


def _candidates(items: Sequence[Item]) -> Tensor | None:
    most = max(len(item.candidates) for item in items)
    if most == 0:
        return None
    rows = [[*item.candidates, *[-1] * (most - len(item.candidates))] for item in items]
    return torch.tensor(rows)
