"""TransformerLens's hook points found in a Hugging Face model: where each is read and replaced.

Three kinds cover all sites. The residual stream at a block's edge is what enters the block after
it; a module's output (MLP, attention, embedding) is replaced as it leaves the module; a module's
input (`hook_z` enters the output projection) is replaced as it enters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from sae_checks.errors import ModelError
from sae_checks.resolve.hook_point import parse_hook_point

SITES = (
    "hook_resid_pre",
    "hook_resid_mid",
    "hook_resid_post",
    "hook_mlp_out",
    "hook_attn_out",
    "attn.hook_z",
)

# Sites within a block in the order in which a pass meets them.
_ORDER = ("hook_resid_pre", "attn.hook_z", "hook_attn_out", "hook_resid_mid", "hook_mlp_out")
_ATTENTION = ("attn.attention", "attn", "self_attn", "attention")
_MLP = ("mlp", "feed_forward")
_OUTPUT_PROJECTION = ("c_proj", "o_proj", "out_proj", "dense")


def find_blocks(base: nn.Module, n_layers: int) -> nn.ModuleList:
    """The one list of `n_layers` blocks that a decoder is made of."""
    for _, module in base.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == n_layers:
            return module
    raise ModelError(
        f"{type(base).__name__} has no list of {n_layers} blocks; only models made of one list of "
        "blocks are supported"
    )


@dataclass(frozen=True)
class BoundHookPoint:
    """One hook point of one model.

    `block` is the first block that must be run to resume from it (n_layers: none of them).
    """

    name: str
    block: int
    blocks: nn.ModuleList
    module: nn.Module | None  # None: the residual stream at a block's edge
    reads_input: bool = False
    centered: bool = False
    # hook_resid_mid is read where it enters the MLP's norm, but the skip connection carries it too.
    skips: nn.Module | None = None

    @property
    def needs_block_input(self) -> bool:
        return self.module is not None and self.block >= 0

    def tap(self, taps: dict[str, Tensor]) -> AbstractContextManager[None]:
        """For the length of a pass, put what the hook point sees into `taps`."""

        def keep(value: Tensor) -> Tensor | None:
            taps[self.name] = _centered(value) if self.centered else value
            return None

        return self._intercept(keep)

    def entry(
        self, taps: Mapping[str, Tensor], block_inputs: Mapping[int, Tensor], replacement: Tensor
    ) -> tuple[int, Tensor | None]:
        """How many blocks a resumed pass bypasses, and what enters the block after them."""
        if self.module is None:
            return self.block, replacement
        return self.block, block_inputs.get(self.block)

    @property
    def depth(self) -> tuple[int, int]:
        """Where it lies on the way through the model: block, and place within the block."""
        if self.module is None or self.block < 0:
            return self.block, 0
        site = parse_hook_point(self.name)[1]
        return self.block, _ORDER.index(site) if site in _ORDER else len(_ORDER)

    def edit(self, change: Callable[[Tensor], Tensor]) -> AbstractContextManager[None]:
        """For the length of a pass, put what `change` makes of the arriving value in its place.

        `change` is given what `tap` sees, (B, T, d).
        """

        def see(value: Tensor) -> Tensor:
            return change(_centered(value) if self.centered else value).to(value.dtype)

        if self.skips is not None and self.module is not None:
            return _edit_resid_mid(self.module, self.skips, see)
        return self._intercept(see)

    def splice(
        self, taps: Mapping[str, Tensor], replacement: Tensor
    ) -> AbstractContextManager[None]:
        """For the length of a resumed pass, put `replacement` where the module's value would be."""
        if self.module is None:
            return nullcontext()  # it has entered already, with the bypass
        if self.skips is not None:
            return _splice_resid_mid(self.module, self.skips, taps[self.name], replacement)
        return self._intercept(lambda value: replacement)

    @contextmanager
    def _intercept(self, see: Any) -> Iterator[None]:
        """Call `see` on the hook point's value; what it returns, if anything, takes its place."""
        module, reads_input = self.module, self.reads_input
        if module is None:  # a block's input, or the last block's output
            after_last = self.block == len(self.blocks)
            module = self.blocks[self.block - 1] if after_last else self.blocks[self.block]
            reads_input = not after_last

        def on_input(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            new = see(args[0] if args else kwargs["hidden_states"])
            if new is None:
                return None
            return ((new, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": new})

        def on_output(_: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
            if isinstance(output, tuple):
                new = see(output[0])
                return None if new is None else (new, *output[1:])
            return see(output)

        if reads_input:
            handle = module.register_forward_pre_hook(on_input, with_kwargs=True)
        else:
            handle = module.register_forward_hook(on_output)
        try:
            yield
        finally:
            handle.remove()


def bind_hook_point(name: str, blocks: nn.ModuleList, base: Any, centered: bool) -> BoundHookPoint:
    """Find a hook point in a model.

    Args:
        name: in TransformerLens's naming, or a module path of the Hugging Face model.
        blocks: the model's blocks.
        base: the trunk that holds them.
        centered: whether the residual stream is read with its mean over d_model subtracted.

    Raises:
        ModelError: the model has no such layer or site.
    """
    layer, site = parse_hook_point(name)
    if name == "hook_embed":
        return BoundHookPoint(name, -1, blocks, base.get_input_embeddings(), centered=centered)
    if layer < 0:
        raise ModelError(f"hook point {name!r} is in no block of the model; {_legal(len(blocks))}")
    if layer >= len(blocks):
        raise ModelError(
            f"hook point {name!r} is beyond the model's {len(blocks)} layers; {_legal(len(blocks))}"
        )
    if site == "hook_resid_pre":
        return BoundHookPoint(name, layer, blocks, None, centered=centered)
    if site == "hook_resid_post":
        return BoundHookPoint(name, layer + 1, blocks, None, centered=centered)
    block = blocks[layer]
    if site == "hook_resid_mid":
        norm = _first(block, ("ln_2", "pre_feedforward_layernorm", "post_attention_layernorm"))
        if norm is None or getattr(base.config, "use_parallel_residual", False):
            raise ModelError(
                f"hook point {name!r}: the blocks of {type(base).__name__} have no hook_resid_mid"
            )
        return BoundHookPoint(name, layer, blocks, norm, True, centered, skips=block)
    module, reads_input = _module_of_site(block, site)
    if module is None:
        raise ModelError(
            f"hook point {name!r} is not in {type(base).__name__}; {_legal(len(blocks))}"
        )
    return BoundHookPoint(name, layer, blocks, module, reads_input, centered and not reads_input)


def _module_of_site(block: nn.Module, site: str) -> tuple[nn.Module | None, bool]:
    """The module whose output (or, True, input) a site is."""
    # Gemma 2 and 3: normed once more on the way out
    post_norms = hasattr(block, "pre_feedforward_layernorm")
    if site == "hook_mlp_out":
        return _first(block, ("post_feedforward_layernorm",) if post_norms else _MLP), False
    if site == "hook_attn_out":
        return _first(block, ("post_attention_layernorm",) if post_norms else _ATTENTION), False
    if site == "attn.hook_z":
        attention = _first(block, _ATTENTION)
        return (None if attention is None else _first(attention, _OUTPUT_PROJECTION)), True
    return _first(block, (site,)), False  # a module path of Hugging Face's


def _first(module: nn.Module, paths: tuple[str, ...]) -> nn.Module | None:
    for path in paths:
        try:
            return module.get_submodule(path)
        except AttributeError:
            continue
    return None


def _legal(n_layers: int) -> str:
    return (
        f"supported are blocks.0 to blocks.{n_layers - 1} with {', '.join(SITES)}, and hook_embed"
    )


def _centered(value: Tensor) -> Tensor:
    return value - value.mean(dim=-1, keepdim=True)


@contextmanager
def _splice_resid_mid(
    norm: nn.Module, block: nn.Module, clean: Tensor, replacement: Tensor
) -> Iterator[None]:
    """The MLP's norm sees the replacement, and so does, after the block, the skip connection."""

    def enter(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return (replacement, *args[1:])

    def leave(_: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        shift = replacement - clean
        return (output[0] + shift, *output[1:]) if isinstance(output, tuple) else output + shift

    handles = [norm.register_forward_pre_hook(enter), block.register_forward_hook(leave)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _edit_resid_mid(
    norm: nn.Module, block: nn.Module, change: Callable[[Tensor], Tensor]
) -> Iterator[None]:
    """As `_splice_resid_mid`, of whatever arrives there."""
    shifts: list[Tensor] = []

    def enter(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        new = change(args[0])
        shifts.append(new - args[0])
        return (new, *args[1:])

    def leave(_: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        shift = shifts.pop()
        return (output[0] + shift, *output[1:]) if isinstance(output, tuple) else output + shift

    handles = [norm.register_forward_pre_hook(enter), block.register_forward_hook(leave)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def is_residual_stream(hook_point: str) -> bool:
    """Whether replacing the activation replaces all that later blocks see of the tokens."""
    return parse_hook_point(hook_point)[1] in (
        "hook_resid_pre",
        "hook_resid_mid",
        "hook_resid_post",
    )


__all__ = ["SITES", "BoundHookPoint", "bind_hook_point", "find_blocks", "is_residual_stream"]
