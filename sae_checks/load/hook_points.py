"""TransformerLens's hook points found in a Hugging Face model: where each is read and replaced.

Three kinds cover all sites. The residual stream at a block's edge is what enters the block after
it; a module's output (MLP, attention, embedding) is replaced as it leaves the module; a module's
input (`hook_z` enters the output projection) is replaced as it enters. Of a fused projection, or of
one head, some columns are read and replaced; of a norm, what it is before its gain and bias.
Which module has which site is in `load/sites.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sae_checks.errors import ModelError
from sae_checks.load.sites import CENTERED, HEAD_SITES, SITES, AbsentSiteError, Block, Site
from sae_checks.load.unscaled import See
from sae_checks.resolve.hook_point import parse_head, parse_hook_point


def find_blocks(base: nn.Module, n_layers: int) -> nn.ModuleList:
    """The one list of `n_layers` blocks that a decoder is made of."""
    for module in getattr(base, "language_model", base).modules():
        if isinstance(module, nn.ModuleList) and len(module) == n_layers:
            return module
    raise ModelError(
        f"{type(base).__name__} has no list of {n_layers} blocks; only models made of one list of "
        "blocks are supported"
    )


# When in a pass each module's input (False) and output (True) is there.
Moments = Mapping[tuple[nn.Module, bool], int]


@dataclass(frozen=True)
class TriedOut:
    """What a short pass shows of a model.

    Attributes:
        blocks_return_tuples: whether blocks answer with a tuple, as GPT-J's do.
        trunk_output: the class of the trunk's answers.
        moments: when in a pass the modules of the blocks are run.
    """

    blocks_return_tuples: bool
    trunk_output: Any
    moments: Moments


@torch.inference_mode()
def try_out(base: Any, blocks: nn.ModuleList, tokens: Tensor) -> TriedOut:
    """Run a trunk on a few tokens (B, T), and look."""
    outputs: list[Any] = []
    moments: dict[tuple[nn.Module, bool], int] = {}

    def note(module: nn.Module, *rest: Any) -> None:
        # An output comes with the input before it.
        moments.setdefault((module, len(rest) > 1), len(moments))

    with ExitStack() as stack:
        for module in blocks.modules():
            stack.callback(module.register_forward_pre_hook(note).remove)
            stack.callback(module.register_forward_hook(note).remove)
        seen = blocks[0].register_forward_hook(lambda *call: outputs.append(call[-1]))
        stack.callback(seen.remove)
        trunk_output = type(base(input_ids=tokens, use_cache=False))
    return TriedOut(isinstance(outputs[0], tuple), trunk_output, moments)


@dataclass(frozen=True)
class BoundHookPoint:
    """One hook point of one model.

    `block` is the first block that must be run to resume from it (n_layers: none of them), `depth`
    where it lies on the way through the model: sorts as passes meet them.
    """

    name: str
    block: int
    blocks: nn.ModuleList
    depth: tuple[int, ...]
    site: Site | None  # None: the residual stream at a block's edge
    centered: bool = False

    @property
    def site_name(self) -> str:
        """Within its block."""
        return parse_hook_point(self.name)[1]

    @property
    def needs_block_input(self) -> bool:
        return self.site is not None and self.block >= 0

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
        if self.site is None:
            return self.block, replacement
        return self.block, block_inputs.get(self.block)

    def edit(self, change: Callable[[Tensor], Tensor]) -> AbstractContextManager[None]:
        """For the length of a pass, put what `change` makes of the arriving value in its place.

        `change` is given what `tap` sees, (B, T, d).
        """

        def see(value: Tensor) -> Tensor:
            return change(_centered(value) if self.centered else value).to(value.dtype)

        if self.site is not None and self.site.skips is not None:
            return _edit_resid_mid(self.site.module, self.site.skips, see)
        return self._intercept(see)

    def splice(
        self, taps: Mapping[str, Tensor], replacement: Tensor
    ) -> AbstractContextManager[None]:
        """For the length of a resumed pass, put `replacement` where the module's value would be."""
        if self.site is None:
            return nullcontext()  # it has entered already, with the bypass
        if self.site.skips is not None:
            clean = taps[self.name]
            return _splice_resid_mid(self.site.module, self.site.skips, clean, replacement)
        return self._intercept(lambda value: replacement)

    @contextmanager
    def _intercept(self, see: See) -> Iterator[None]:
        """Call `see` on the hook point's value; what it returns, if anything, takes its place."""
        site = self.site
        if site is None:  # a block's input, or the last block's output
            after_last = self.block == len(self.blocks)
            module = self.blocks[self.block - 1] if after_last else self.blocks[self.block]
            site = Site(module, reads_input=not after_last)

        entered: list[Tensor] = []

        def on_input(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            arriving = args[0] if args else kwargs["hidden_states"]
            new = site.see(arriving if site.shared is None else entered.pop(), see)
            if new is None:
                return None
            return ((new, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": new})

        def on_output(_: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
            if isinstance(output, tuple):
                new = site.see(output[0], see)
                return None if new is None else (new, *output[1:])
            return site.see(output if site.unscaled is None else args[0], see)

        with ExitStack() as stack:
            if site.shared is not None:
                keep = site.shared.register_forward_pre_hook(
                    lambda _, args: entered.append(args[0])
                )
                stack.callback(keep.remove)
            if site.reads_input:
                handle = site.module.register_forward_pre_hook(on_input, with_kwargs=True)
            else:
                handle = site.module.register_forward_hook(on_output)
            stack.callback(handle.remove)
            yield


def bind_hook_point(
    name: str, blocks: nn.ModuleList, base: Any, centered: bool, moments: Moments
) -> BoundHookPoint:
    """Find a hook point in a model.

    Args:
        name: in TransformerLens's naming, or a module path of the Hugging Face model; of one head,
            with `.head_N` after it.
        blocks: the model's blocks.
        base: the trunk that holds them.
        centered: whether the residual stream is read with its mean over d_model subtracted.
        moments: when in a pass the blocks' modules are run.

    Raises:
        ModelError: the model has no such layer or site.
    """
    layer, site = parse_hook_point(name)
    centered = centered and site in CENTERED
    if name == "hook_embed":
        embedding = Site(base.get_input_embeddings())
        return BoundHookPoint(name, -1, blocks, (-1,), embedding, centered)
    if layer < 0:
        raise ModelError(f"hook point {name!r} is in no block of the model; {_legal(len(blocks))}")
    if layer >= len(blocks):
        raise ModelError(
            f"hook point {name!r} is beyond the model's {len(blocks)} layers; {_legal(len(blocks))}"
        )
    if site in ("hook_resid_pre", "hook_resid_post") and parse_head(name)[1] is None:
        edge = layer if site == "hook_resid_pre" else layer + 1
        return BoundHookPoint(name, edge, blocks, (edge,), None, centered)
    try:
        found = _find(name, site, Block(blocks[layer], base.config.get_text_config()))
        moment = moments.get((found.module, not found.reads_input))
        if moment is None:
            raise AbsentSiteError("a pass does not run its module")
    except AbsentSiteError as reason:
        said = f" ({reason})" if str(reason) else ""
        raise ModelError(
            f"hook point {name!r} is not in {type(base).__name__}{said}; {_legal(len(blocks))}"
        ) from reason
    # What is skipped around, or scaled, there comes before what is read as it is.
    plain = found.skips is None and found.unscaled is None
    return BoundHookPoint(name, layer, blocks, (layer, moment, int(plain)), found, centered)


def _find(name: str, site: str, block: Block) -> Site:
    head = parse_head(name)[1]
    if head is None:
        return block.find(site)
    if site not in HEAD_SITES:
        raise AbsentSiteError(f"single heads are those of {', '.join(HEAD_SITES)}")
    return block.find(site).of_head(head)


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
