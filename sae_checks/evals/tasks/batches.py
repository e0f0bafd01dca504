"""Items in batches of about equal length, padded on the right.

A causal model never looks ahead, so what stands behind an item's last token cannot change a figure
of it; no attention mask and no shifted positions are needed, as they would be on the left.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sae_checks.load.tasks.items import Item, Items
from sae_checks.records import IntArray

PADDING = 0  # any token of the vocabulary does


@dataclass(frozen=True)
class ItemBatch:
    """Some items as the model reads them: the prompt, then the answer but for its last token.

    Attributes:
        rows: (B,) which items of the task they are.
        tokens: (B, T) int64, padded on the right.
        fed: (B, T) tokens that are not padding.
        prompt: (B, T) tokens of the prompt.
        special: (B, T) BOS and its like.
        measured: (B, T) tokens of the prompt that are in its means: all but position 0 and special.
        window: (B, T) the last of these, on which features count as active.
        answer_places: (n, 2) item of the batch and position from which an answer token is
            predicted, in the items' order; `answer_targets` (n,) are those tokens.
        first_answers: (B,) which of these rows is an item's first answer token.
        candidates: (B, k) token ids, the answer's first, -1 in rows with fewer; None without.
    """

    rows: IntArray
    tokens: Tensor
    fed: Tensor
    prompt: Tensor
    special: Tensor
    measured: Tensor
    window: Tensor
    answer_places: Tensor
    answer_targets: Tensor
    first_answers: Tensor
    candidates: Tensor | None

    @property
    def count(self) -> int:
        return len(self.rows)

    def prompt_places(self) -> tuple[Tensor, Tensor]:
        """Where the prompt predicts its own next token: (n, 2) places, and those tokens (n,)."""
        followed = self.prompt.roll(-1, dims=1)
        followed[:, -1] = False
        places = (self.measured & followed).nonzero()
        return places, self.tokens[places[:, 0], places[:, 1] + 1]


def batches(
    items: Items, window: int, tokens_at_once: int, device: torch.device
) -> Iterator[ItemBatch]:
    """All items, the shortest first, as many at a time as fill about `tokens_at_once` tokens.

    Args:
        items: of a task.
        window: how many of the last prompt tokens features are looked for on.
        tokens_at_once: per batch; an item that is longer makes a batch of its own.
        device: where the batches lie.
    """
    lengths = np.array([_length(item) for item in items.items])
    order = np.argsort(lengths, kind="stable")
    start = 0
    while start < len(order):
        stop = start + 1
        while stop < len(order) and (stop + 1 - start) * lengths[order[stop]] <= tokens_at_once:
            stop += 1
        yield make_batch(items, order[start:stop], window, device)
        start = stop


def make_batch(items: Items, rows: IntArray, window: int, device: torch.device) -> ItemBatch:
    """One batch of these items."""
    chosen = [items.items[row] for row in rows]
    width = max(_length(item) for item in chosen)
    tokens = torch.full((len(chosen), width), PADDING, dtype=torch.long)
    lengths = torch.tensor([_length(item) for item in chosen])
    prompts = torch.tensor([len(item.prompt) for item in chosen])
    for row, item in enumerate(chosen):
        tokens[row, : _length(item)] = torch.tensor((*item.prompt, *item.answer[:-1]))
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
        "fed": fed,
        "prompt": prompt,
        "special": special,
        "measured": measured,
        "window": measured & (from_end <= window),
        "answer_places": places,
        "answer_targets": torch.tensor([chosen[row].answer[k] for row, k in answers]),
        "first_answers": torch.tensor([i for i, (_, k) in enumerate(answers) if k == 0]),
    }
    candidates = _candidates(chosen)
    return ItemBatch(
        rows=np.asarray(rows),
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
