"""The language model behind one small interface: a clean pass with taps, and resuming from a tap.

The Hugging Face model does the arithmetic (its fused attention is about three times as fast as
HookedTransformer's on a CPU) and hook points keep TransformerLens's names and values. Resuming
needs no surgery: for the length of one call, the blocks before the tap return their input
unchanged. What an architecture really does is not assumed but tried when a hook point is bound
(`LanguageModel.bind`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from sae_checks.errors import ModelError
from sae_checks.load.changes import fuse_gelu, kept_block_input, replaced_forward, replaced_input
from sae_checks.load.hook_points import BoundHookPoint, bind_hook_point, find_blocks, try_out
from sae_checks.load.stream import refuse_other_sums
from sae_checks.load.unscaled import has_layer_norm

# What becomes of an activation (B, T, d) in a pass.
Edit = Callable[[Tensor], Tensor]
# A resumed pass must give what the clean pass gave: rounding aside, it is the same arithmetic.
_RESUME_TOLERANCE = 1e-3


@dataclass(frozen=True)
class ModelPass:
    """A pass, with all that another one takes to be resumed from one of its taps."""

    tokens: Tensor  # (B, T) int64
    taps: dict[str, Tensor]  # hook point -> (B, T, d_in)
    # block -> (B, T, d_model), where a tap needs it
    block_inputs: dict[int, Tensor] = field(repr=False)
    final: Tensor  # (B, T, d_model), after the final norm, before the unembedding


class CleanPass(ModelPass):
    """One unpatched forward pass: what every SAE of the release starts from."""


class ResumedPass(ModelPass):
    """A pass from a hook point on; its taps are those at or beyond that."""


class LanguageModel:
    """A causal language model of Hugging Face with TransformerLens's hook points.

    Args:
        model: any decoder-only `AutoModelForCausalLM` made of one list of blocks.
        tokenizer: its tokenizer.
        center_writing_weights: whether TransformerLens would center the weights that write to
            the residual stream. In a model with LayerNorm that is the same as subtracting from
            every residual vector its mean over d_model, which is done here at the tap.
    """

    def __init__(
        self, model: nn.Module, tokenizer: Any, *, center_writing_weights: bool = False
    ) -> None:
        self.hf: Any = fuse_gelu(model.eval().requires_grad_(False))
        self.tokenizer = tokenizer
        self.config: Any = model.config.get_text_config()  # type: ignore[operator, union-attr]
        self._base: Any = self.hf.base_model
        self.blocks = find_blocks(self._base, int(self.config.num_hidden_layers))
        # TransformerLens leaves models without LayerNorm uncentered, whatever is asked for.
        self.centered = center_writing_weights and has_layer_norm(self.blocks)
        self._bound: dict[str, BoundHookPoint] = {}
        self._widths: dict[str, int] = {}  # of those that were tried out
        self._tried = try_out(self._base, self.blocks, self._sample())

    @property
    def n_layers(self) -> int:
        return len(self.blocks)

    @property
    def width(self) -> int:
        """Of the residual stream, d_model."""
        return int(self.config.hidden_size)

    @property
    def vocabulary(self) -> int:
        """Tokens that the unembedding scores."""
        return int(self.config.vocab_size)

    @property
    def context(self) -> int:
        """The longest context the model takes, in tokens."""
        return int(self.config.max_position_embeddings)

    @property
    def device(self) -> torch.device:
        device: torch.device = next(self.hf.parameters()).device
        return device

    def bind(self, hook_point: str) -> int:
        """Make a hook point usable, and try it out.

        Returns:
            Its width, the d_in of an SAE there.

        Raises:
            ModelError: the model lacks the hook point, what it tells of the residual stream does
                not add up, or resuming from it does not give back what the clean pass gives.
        """
        if hook_point in self._widths:  # several SAEs read there
            return self._widths[hook_point]
        bound = self._bound[hook_point] = bind_hook_point(
            hook_point, self.blocks, self._base, self.centered, self._tried.moments
        )
        sample = self._sample()
        tolerance = _RESUME_TOLERANCE * self._rounding()
        refuse_other_sums(bound, self._base, self._tried, sample, tolerance)
        clean = self.clean(sample, [hook_point])
        tap = clean.taps[hook_point]
        again = self.resume(clean, hook_point, tap)
        logits = self.hf(input_ids=sample, use_cache=False).logits
        for name, got, expected in (
            ("resuming from the clean activation", again, clean.final),
            ("unembedding the final hidden states", self.unembed(clean.final), logits),
        ):
            scale = float(expected.float().abs().max())
            difference = float((got.float() - expected.float()).abs().max())
            if not difference <= tolerance * max(scale, 1.0):
                raise ModelError(
                    f"hook point {hook_point!r} of {type(self.hf).__name__}: {name} is off by "
                    f"{difference:.2g} from the model's own pass; this architecture is not "
                    "supported"
                )
        self._widths[hook_point] = int(tap.shape[-1])
        return self._widths[hook_point]

    def _sample(self) -> Tensor:
        tokens = torch.arange(1, 9, device=self.device) % int(self.config.vocab_size)
        return tokens.unsqueeze(0)  # (1, 8)

    def _rounding(self) -> float:
        """How much coarser this model's numbers are than float32's, for the self-test above."""
        return 1.0 if self.hf.dtype in (torch.float32, torch.float64) else 100.0

    @torch.inference_mode()
    def clean(self, tokens: Tensor, hook_points: Sequence[str]) -> CleanPass:
        """One unpatched pass over tokens (B, T), keeping what the hook points see."""
        taps: dict[str, Tensor] = {}
        block_inputs: dict[int, Tensor] = {}
        with ExitStack() as stack:
            for hook_point in hook_points:
                stack.enter_context(self._keep(hook_point, taps, block_inputs))
            final = self._base(input_ids=tokens, use_cache=False).last_hidden_state
        return CleanPass(tokens=tokens, taps=taps, block_inputs=block_inputs, final=final)

    def resume(self, clean: CleanPass, hook_point: str, replacement: Tensor) -> Tensor:
        """The pass again from a hook point on, with another activation in its place.

        Args:
            clean: the pass whose tokens and earlier blocks are kept.
            hook_point: a bound hook point.
            replacement: (B, T, d_in), in the basis of the tap.

        Returns:
            Final hidden states (B, T, d_model), as `CleanPass.final`.
        """
        return self.resume_with(clean, hook_point, replacement).final

    @torch.inference_mode()
    def resume_with(
        self,
        clean: ModelPass,
        hook_point: str,
        replacement: Tensor,
        edits: Mapping[str, Edit] = MappingProxyType({}),
        taps: Sequence[str] = (),
        seen: dict[str, Tensor] | None = None,
    ) -> ResumedPass:
        """The pass again from a hook point on, with edits and taps at later ones.

        Args:
            clean: the pass whose tokens and earlier blocks are kept, the model's own or itself a
                resumed one; with a tap of the hook point.
            hook_point: a bound hook point, where the pass is resumed.
            replacement: (B, T, d_in), in the basis of the tap.
            edits: by later hook point, what becomes of the activation (B, T, d) that arrives there;
                within the block of `hook_point`, which is run as a whole, also by an earlier one.
            taps: later hook points to see; one that is edited too is seen before its edit.
            seen: gets what they see as the pass meets them, for edits further down to look at.

        Raises:
            ValueError: an edit or a tap lies before the hook point, in a block that is not run.
        """
        bound, seen = self._bound[hook_point], {} if seen is None else seen
        block_inputs: dict[int, Tensor] = {}
        for name in (*edits, *taps):
            if self.depth(name)[0] < self.depth(hook_point)[0]:
                raise ValueError(f"{name} lies before {hook_point}, where the pass is resumed")
        with ExitStack() as stack:
            bypassed, entering = bound.entry(clean.taps, clean.block_inputs, replacement)
            if entering is not None:
                stack.enter_context(self._bypass(bypassed, entering))
            # As a pass meets them: an edit of the last hook_resid_mid moves what is seen after it,
            # and one of a place what is seen there under another name.
            changed = {*edits, hook_point}
            for name in sorted({*changed, *taps}, key=lambda n: (self.depth(n), n not in changed)):
                if name == hook_point:
                    stack.enter_context(bound.splice(clean.taps, replacement))
                if name in taps:
                    stack.enter_context(self._keep(name, seen, block_inputs))
                if name in edits and name != hook_point:
                    stack.enter_context(self._bound[name].edit(edits[name]))
            final: Tensor = self._base(input_ids=clean.tokens, use_cache=False).last_hidden_state
        return ResumedPass(clean.tokens, seen, block_inputs, final)

    @contextmanager
    def _keep(
        self, hook_point: str, taps: dict[str, Tensor], block_inputs: dict[int, Tensor]
    ) -> Iterator[None]:
        """For the length of a pass, keep what a hook point sees, and what resuming there takes."""
        bound = self._bound[hook_point]
        with ExitStack() as stack:
            stack.enter_context(bound.tap(taps))
            if bound.needs_block_input:
                stack.enter_context(kept_block_input(self.blocks, bound.block, block_inputs))
            yield

    def depth(self, hook_point: str) -> tuple[int, ...]:
        """Where a bound hook point lies on the way through the model; sorts as passes meet them."""
        return self._bound[hook_point].depth

    @contextmanager
    def _bypass(self, count: int, entering: Tensor) -> Iterator[None]:
        """Let the first `count` blocks pass their input on, and hand `entering` to what follows."""
        with ExitStack() as stack:
            if count == 0:
                stack.enter_context(replaced_input(self.blocks[0], entering))
            for index in range(count):
                value = entering if index == count - 1 else None

                def forward(
                    hidden_states: Tensor, *args: Any, _value: Tensor | None = value, **kwargs: Any
                ) -> Any:
                    out = hidden_states if _value is None else _value
                    return (out, None) if self._tried.blocks_return_tuples else out

                stack.enter_context(replaced_forward(self.blocks[index], forward))
            yield

    @torch.inference_mode()
    def unembed(self, final: Tensor) -> Tensor:
        """Logits (..., V) in float32 of final hidden states (..., d_model), by the model's head.

        The trunk is answered for rather than run, so that soft-capping and scaling of logits, where
        an architecture has them, happen as they do in the model.
        """
        flat = final.reshape(1, -1, final.shape[-1])  # (1, N, d_model)
        answer = self._tried.trunk_output(last_hidden_state=flat)
        dummy = torch.zeros((1, 1), dtype=torch.long, device=final.device)
        with replaced_forward(self._base, lambda *args, **kwargs: answer):
            logits: Tensor = self.hf(input_ids=dummy, use_cache=False).logits
        if logits.shape[:-1] != flat.shape[:-1]:
            raise ModelError(
                f"{type(self.hf).__name__} does not unembed what its trunk answers; this "
                "architecture is not supported"
            )
        return logits.float().reshape(*final.shape[:-1], -1)
