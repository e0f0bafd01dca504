"""Which module of a Hugging Face block is which of TransformerLens's sites.

A site is what goes into a module or what comes out of it, whole or some columns of it: a fused
projection holds queries, keys and values side by side, and a head is a slice of any of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from sae_checks.load.unscaled import See, Unscaled

SITES = (
    "hook_resid_pre",
    "hook_resid_mid",
    "hook_resid_post",
    "hook_mlp_in",
    "hook_mlp_out",
    "hook_attn_out",
    "ln1.hook_normalized",
    "ln2.hook_normalized",
    "attn.hook_q",
    "attn.hook_k",
    "attn.hook_v",
    "attn.hook_z",
    "mlp.hook_in",
    "mlp.hook_pre",
    "mlp.hook_post",
    "mlp.hook_out",
)
# Of these, single attention heads can be read.
HEAD_SITES = ("attn.hook_q", "attn.hook_k", "attn.hook_v", "attn.hook_z")
# In the basis of the residual stream, which center_writing_weights moves.
CENTERED = (
    "hook_embed",
    "hook_resid_pre",
    "hook_resid_mid",
    "hook_resid_post",
    "hook_mlp_in",
    "hook_mlp_out",
    "hook_attn_out",
    "mlp.hook_out",
)

_ATTENTION = ("attn.attention", "attn", "self_attn", "attention", "self_attention")
_ATTENTION_OUT = ("c_proj", "o_proj", "out_proj", "dense")
_MLP = ("mlp", "feed_forward")
_MLP_PRE = ("gate_proj", "c_fc", "dense_h_to_4h", "fc_in", "fc1")
_MLP_OUT = ("down_proj", "c_proj", "dense_4h_to_h", "fc_out", "fc2")
# Architectures whose fused projection holds query, key and value of a head side by side.
_FUSED_BY_HEAD = ("gpt_neox", "bloom")


class AbsentSiteError(Exception):
    """A block does not have a site; says why, as the end of a sentence."""


@dataclass(frozen=True)
class Site:
    """Where a value goes into a module or comes out of it.

    Attributes:
        module: whose input or output it is.
        columns: which columns of it, (d,); None: all.
        unscaled: it is this much of a norm, not the norm's output.
        shared: the norm, where attention and MLP read the same one: what enters it is seen, and
            `module` is the one of the two that reads what becomes of it.
        before_norm: with `shared`, it is what enters the norm.
        skips: it enters the module, and a skip connection carries it to the end of this one too.
        head_width: columns of one head; 0 where a site has no heads.
    """

    module: nn.Module
    reads_input: bool = False
    columns: Tensor | None = None
    unscaled: Unscaled | None = None
    shared: nn.Module | None = None
    before_norm: bool = False
    skips: nn.Module | None = None
    head_width: int = 0

    def see(self, value: Tensor, see: See) -> Tensor | None:
        """Show the site's part of a module's value; the value with what takes the part's place.

        Of a norm, the value is what enters it.
        """
        if self.unscaled is not None:
            return self.unscaled.see(value, see, self.before_norm)
        if self.columns is None:
            return see(value)
        new = see(value[..., self.columns])
        if new is None:
            return None
        changed = value.clone()
        changed[..., self.columns] = new
        return changed

    def of_head(self, head: int) -> Site:
        """The site of one head.

        Raises:
            AbsentSiteError: there is no such head.
        """
        width, device = _widths(self.module)[0], _device(self.module)
        columns = torch.arange(width, device=device) if self.columns is None else self.columns
        heads = columns.reshape(-1, self.head_width)  # (heads, d_head)
        if head >= len(heads):
            raise AbsentSiteError(f"its heads are 0 to {len(heads) - 1}")
        return replace(self, columns=heads[head])


class Block:
    """One block of a model, by the parts that it is made of.

    Args:
        block: a block of a decoder.
        config: of its model.
    """

    def __init__(self, block: nn.Module, config: Any) -> None:
        self.block, self.config = block, config
        self.attention, self.mlp = _first(block, _ATTENTION), _first(block, _MLP)
        # Gemma 2 and 3 norm what goes into attention and MLP and what comes out of them.
        sandwich = hasattr(block, "pre_feedforward_layernorm")
        # OLMo 2 norms only what comes out.
        self.norms_output = hasattr(block, "post_feedforward_layernorm") and not sandwich
        after = ("post_attention_layernorm", "post_feedforward_layernorm")
        self.norm_1, self.norm_2 = (
            (_first(block, after[:1]), _first(block, after[1:]))
            if self.norms_output
            else (
                _first(block, ("ln_1", "input_layernorm")),
                _first(block, ("ln_2", "pre_feedforward_layernorm", "post_attention_layernorm")),
            )
        )
        normed_after = sandwich or self.norms_output
        # In hybrids, some blocks have linear attention, which no other site is about.
        mixes = self.attention or _first(block, ("linear_attn",))
        self.attention_out = _first(block, after[:1]) if normed_after else mixes
        self.mlp_out = _first(block, after[1:]) if normed_after else self.mlp

    def find(self, site: str) -> Site:
        """A site by its name within the block, or by a module path of Hugging Face's.

        Raises:
            AbsentSiteError: the block does not have it.
        """
        if site in _FINDERS:
            return _FINDERS[site](self)
        path, _, end = site.rpartition(".")
        if end in ("input", "output"):
            return Site(_present(_first(self.block, (path,))), reads_input=end == "input")
        return Site(_present(_first(self.block, (site,))))

    def resid_mid(self) -> Site:
        """The stream between attention and MLP: enters the MLP's norm, and goes round the MLP."""
        entered = self.mlp if self.norms_output else self.norm_2
        if entered is None or getattr(self.config, "use_parallel_residual", False):
            raise AbsentSiteError("attention and MLP read one stream, so that none lies between")
        return Site(entered, True, skips=self.block)

    def mlp_in(self) -> Site:
        """The stream as it enters the MLP's norm, without the skip connection beside it."""
        if self.norms_output:
            return Site(_present(self.mlp), True)
        if self.norm_2 is None:
            return replace(self.normalized(2), before_norm=True)
        return Site(self.norm_2, True)

    def normalized(self, number: int) -> Site:
        """Norm 1 (of attention) or 2 (of the MLP) before its gain and bias."""
        if self.norm_2 is not None:
            norm = _present(self.norm_1 if number == 1 else self.norm_2)
            return Site(norm, unscaled=Unscaled(norm))
        norm, reader = _present(self.norm_1), self.attention if number == 1 else self.mlp
        return Site(_present(reader), True, unscaled=Unscaled(norm), shared=norm)

    def mlp_part(self, names: tuple[str, ...], reads_input: bool) -> Site:
        """What goes into a layer of the MLP, or comes out of it."""
        return Site(_present(_first(_present(self.mlp), names)), reads_input)

    def z(self) -> Site:
        """Values weighted by attention, head after head."""
        projection = _present(_first(_present(self.attention), _ATTENTION_OUT))
        return Site(projection, True, head_width=_widths(projection)[0] // self.heads)

    @property
    def heads(self) -> int:
        """Query heads."""
        return int(self.config.num_attention_heads)

    def projected(self, kind: int) -> Site:
        """Queries, keys or values (0, 1, 2) as they are projected.

        Before any norm of them, any rotation by position, and any repetition for grouped queries.
        """
        attention = _present(self.attention)
        key_heads = getattr(self.config, "num_key_value_heads", None) or self.heads
        head_width = getattr(self.config, "head_dim", None)
        head_width = head_width or self.config.hidden_size // self.heads
        heads = (self.heads, key_heads, key_heads)
        alone = _first(attention, (("q_proj", "k_proj", "v_proj")[kind],))
        fused = _first(attention, ("c_attn", "query_key_value", "qkv_proj"))
        module = alone or fused
        if module is None:
            raise AbsentSiteError("its attention has no projection of its own for them")
        wide = heads[kind] if alone is not None else sum(heads)
        if _widths(module)[1] != wide * head_width:
            raise AbsentSiteError(
                f"its projection has {_widths(module)[1]} columns where {wide} heads of "
                f"{head_width} were expected"
            )
        columns = torch.arange(wide * head_width, device=_device(module))
        if alone is None and self.config.model_type in _FUSED_BY_HEAD:
            columns = columns.reshape(self.heads, 3, head_width)[:, kind].flatten()
        elif alone is None:
            columns = torch.split(columns, [each * head_width for each in heads])[kind]
        return Site(module, columns=columns, head_width=head_width)


_FINDERS: dict[str, Callable[[Block], Site]] = {
    "hook_resid_mid": Block.resid_mid,
    "hook_mlp_in": Block.mlp_in,
    "hook_mlp_out": lambda block: Site(_present(block.mlp_out)),
    "hook_attn_out": lambda block: Site(_present(block.attention_out)),
    "ln1.hook_normalized": lambda block: block.normalized(1),
    "ln2.hook_normalized": lambda block: block.normalized(2),
    "attn.hook_q": lambda block: block.projected(0),
    "attn.hook_k": lambda block: block.projected(1),
    "attn.hook_v": lambda block: block.projected(2),
    "attn.hook_z": Block.z,
    "mlp.hook_in": lambda block: Site(_present(block.mlp), True),
    "mlp.hook_pre": lambda block: block.mlp_part(_MLP_PRE, False),
    "mlp.hook_post": lambda block: block.mlp_part(_MLP_OUT, True),
    "mlp.hook_out": lambda block: Site(_present(block.mlp)),
}


def _first(module: nn.Module, paths: tuple[str, ...]) -> nn.Module | None:
    for path in paths:
        try:
            return module.get_submodule(path)
        except AttributeError:
            continue
    return None


def _present(module: nn.Module | None) -> nn.Module:
    if module is None:
        raise AbsentSiteError("")
    return module


def _widths(linear: nn.Module) -> tuple[int, int]:
    """Inputs and outputs of a linear layer; GPT-2's is transposed."""
    weight = linear.weight
    assert isinstance(weight, Tensor)
    rows, columns = weight.shape
    return (rows, columns) if type(linear).__name__ == "Conv1D" else (columns, rows)


def _device(module: nn.Module) -> torch.device:
    return next(module.parameters()).device
