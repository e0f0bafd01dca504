"""How much is computed at a time: batches of the model's pass, pieces of wide intermediate results.

Neither changes a figure beyond rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

# Numbers held at a time, in float32: 6 MB of one residual stream per batch (2,048 tokens of
# gpt2-small; a GPU takes eight times as much), and 50 MB of feature activations (512 tokens of
# 24,576 features) or of logits (250 tokens of gpt2's vocabulary) per piece.
BATCH_NUMBERS = {"cpu": 2048 * 768, "cuda": 8 * 2048 * 768, "mps": 4 * 2048 * 768}
PIECE_NUMBERS = 512 * 24_576
# Below the least, matrix products are not at full speed; above the most, pieces leave the cache.
LEAST_TOKENS, MOST_TOKENS = 64, 2048


def batch_tokens(device: torch.device, width: int) -> int:
    """Tokens per forward pass of a model of this width, where none were asked for."""
    return BATCH_NUMBERS.get(device.type, BATCH_NUMBERS["cpu"]) // width


def tokens_at_once(width: int) -> int:
    """How many tokens to handle at a time where each makes `width` numbers."""
    return min(max(PIECE_NUMBERS // width, LEAST_TOKENS), MOST_TOKENS)


def spans(count: int, step: int) -> Iterator[slice]:
    """Slices that cut `count` rows into pieces of `step`."""
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))
