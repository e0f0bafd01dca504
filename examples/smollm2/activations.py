"""What the dictionaries are trained on: activations of SmolLM2 reading the help texts of Python."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import torch
from hook_points import layer_of, read
from sae_lens.tokenization_and_batching import concat_and_batch_sequences
from sae_lens.util import get_special_token_ids
from torch import Tensor, nn

# Every fifth topic is kept from training: how good SAEs are shows on text they have not seen.
HELD_OUT_EVERY = 5
READ_AT_ONCE = 32  # texts per forward pass


def training_documents(seed: int) -> list[str]:
    """The topics that are trained on, in the order of a seed, so that a part is a fair sample."""
    documents = [topics[name] for i, name in enumerate(sorted(topics)) if i % HELD_OUT_EVERY]
    random.Random(seed).shuffle(documents)
    return documents


def write_held_out(path: Path) -> None:
    """Write the other topics to a file that `--sae-corpus` reads."""
    names = sorted(topics)[::HELD_OUT_EVERY]
    lines = (json.dumps({"text": topics[name]}) + "\n" for name in names)
    path.write_text("".join(lines), encoding="utf-8")


def training_tokens(tokenizer: Any, budget: int, context: int, seed: int) -> Tensor:
    """The documents run together with BOS between them, BOS first in every text: [text, context].

    That is how sae_lens packs texts for training, and how the gate packs them for measuring.
    """
    packed = concat_and_batch_sequences(
        _sequences(tokenizer, seed),
        context_size=context,
        begin_batch_token_id=tokenizer.bos_token_id,
        sequence_separator_token_id=tokenizer.bos_token_id,
    )
    texts = list(islice(packed, max(1, budget // context)))
    return torch.stack(texts)  # [text, position]


def _sequences(tokenizer: Any, seed: int) -> Iterator[Tensor]:
    for document in training_documents(seed):
        yield torch.tensor(tokenizer(document, add_special_tokens=False)["input_ids"])


def cut(model: Any, blocks: int) -> Any:
    """The model's first blocks alone, with no final norm: none after the deepest one need run."""
    trunk = model.model
    trunk.layers = trunk.layers[:blocks]
    trunk.norm = nn.Identity()
    return trunk


def collect(
    model: Any, tokenizer: Any, hook_points: Sequence[str], tokens: Tensor
) -> dict[str, Tensor]:
    """What the model has at some hook points, at all tokens but special ones.

    BOS opens every text and takes on an activation of norm 25,000, where other tokens have a few
    hundred: it would be all that an SAE learns. `exclude_special_tokens` in the metadata says so.

    Gives [token, d] by hook point. The model is cut behind the deepest of them.
    """
    trunk = cut(model, max(map(layer_of, hook_points)) + 1)
    special = torch.tensor(get_special_token_ids(tokenizer))
    parts: dict[str, list[Tensor]] = {name: [] for name in hook_points}
    done = 0
    for part in torch.split(tokens, READ_AT_ONCE):
        keep = ~torch.isin(part, special)  # [text, position]
        for name, activations in read(trunk, hook_points, part).items():
            parts[name].append(activations[keep])
        done += int(keep.sum())
        print(f"activations  {done:7,} of {tokens.numel():,} tokens", flush=True)
    return {name: torch.cat(rows) for name, rows in parts.items()}
