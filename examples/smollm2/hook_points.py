"""Where the dictionaries sit in SmolLM2, and what a plain forward pass of it has there."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Dictionary:
    """What is trained: an SAE, or a transcoder, which writes elsewhere than it reads."""

    name: str  # of its folder
    reads: str
    writes: str = ""  # "" for an SAE

    @property
    def hook_points(self) -> tuple[str, ...]:
        """What it is trained on."""
        return (self.reads, self.writes) if self.writes else (self.reads,)


# All of one kind: the stream that enters block 12, what attention and MLP of that block add to it.
# The transcoder stands for the MLP of the next one: two that write at one place exclude each other.
DICTIONARIES = (
    Dictionary("blocks.12.hook_resid_pre", "blocks.12.hook_resid_pre"),
    Dictionary("blocks.12.attn.hook_z", "blocks.12.attn.hook_z"),
    Dictionary("blocks.12.hook_mlp_out", "blocks.12.hook_mlp_out"),
    Dictionary(
        "blocks.13.mlp_transcoder", "blocks.13.ln2.hook_normalized", "blocks.13.hook_mlp_out"
    ),
)


def layer_of(hook_point: str) -> int:
    """The number of its block."""
    return int(hook_point.split(".")[1])


@torch.inference_mode()
def read(trunk: Any, hook_points: Sequence[str], tokens: Tensor) -> dict[str, Tensor]:
    """Activations [text, position, d] at some hook points, of TransformerLens's names.

    The trunk is a Llama without its unembedding, cut behind the deepest hook point or not.
    """
    seen: dict[str, Tensor] = {}
    with ExitStack() as stack:
        for name in hook_points:
            _, layer, site = name.split(".", 2)
            handle = _SITES[site](trunk.layers[int(layer)], seen, name)
            stack.callback(handle.remove)
        trunk(tokens, use_cache=False)
    return seen


def _enters(module: nn.Module, seen: dict[str, Tensor], name: str) -> Any:
    def keep(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen[name] = inputs[0]

    return module.register_forward_pre_hook(keep)


def _leaves(module: nn.Module, seen: dict[str, Tensor], name: str) -> Any:
    def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        seen[name] = output

    return module.register_forward_hook(keep)


def _normalized(norm: nn.Module, seen: dict[str, Tensor], name: str) -> Any:
    """What enters an RMSNorm over its root mean square: the norm's output without its gain."""

    def keep(module: Any, inputs: tuple[Tensor, ...]) -> None:
        mean_square = inputs[0].square().mean(-1, keepdim=True)
        seen[name] = inputs[0] * torch.rsqrt(mean_square + module.variance_epsilon)

    return norm.register_forward_pre_hook(keep)


_SITES = {
    "hook_resid_pre": _enters,
    "attn.hook_z": lambda block, seen, name: _enters(block.self_attn.o_proj, seen, name),
    "hook_mlp_out": lambda block, seen, name: _leaves(block.mlp, seen, name),
    "ln2.hook_normalized": lambda block, seen, name: _normalized(
        block.post_attention_layernorm, seen, name
    ),
}
