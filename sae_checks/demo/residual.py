"""Reading and replacing the residual stream of a GPT-2, by TransformerLens hook name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import torch
from torch import Tensor, nn
from transformers import GPT2LMHeadModel

HOOK_NAMES = (
    "blocks.0.hook_resid_pre",
    "blocks.1.hook_resid_pre",
    "blocks.2.hook_resid_pre",
    "blocks.3.hook_resid_pre",
    "blocks.3.hook_resid_post",
)


def reader_of(model: GPT2LMHeadModel, hook_name: str) -> nn.Module:
    """The module whose input is the residual stream at a hook point.

    The stream after a block is the stream before the next one; after the last block it is the
    input of the final layer norm (not `hidden_states[-1]`, which comes after that norm).
    """
    found = re.fullmatch(r"blocks\.(\d+)\.hook_resid_(pre|post)", hook_name)
    if found is None:
        raise ValueError(f"not a residual stream hook: {hook_name}")
    layer = int(found[1]) + (found[2] == "post")
    readers: list[nn.Module] = [*model.transformer.h, model.transformer.ln_f]
    return readers[layer]


@contextmanager
def edited(
    model: GPT2LMHeadModel, hook_name: str, edit: Callable[[Tensor], Tensor]
) -> Iterator[None]:
    """While open, the model goes on with `edit(stream)` at the hook point.

    `edit` takes and gives the residual stream, [story, position, d_model].
    """

    def before(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (edit(inputs[0]), *inputs[1:])

    handle = reader_of(model, hook_name).register_forward_pre_hook(before)
    try:
        yield
    finally:
        handle.remove()


class _EnoughRead(Exception):  # noqa: N818 - it ends a run, it is no error
    """Ends a forward pass once the stream has been read."""


@torch.no_grad()
def read(model: GPT2LMHeadModel, hook_name: str, tokens: Tensor) -> Tensor:
    """The residual stream at a hook point for tokens [story, position], running no further.

    Gives [story, position, d_model].
    """
    seen: list[Tensor] = []

    def keep(stream: Tensor) -> Tensor:
        seen.append(stream)
        raise _EnoughRead

    with edited(model, hook_name, keep), suppress(_EnoughRead):
        model(tokens)
    return seen[0]  # [story, position, d_model]
