"""A model patched in the most ordinary way, without anything of sae_checks."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache

import torch

from tests.architectures import HEADS, hugging_face_model

SITES = (
    "blocks.0.hook_resid_pre",
    "blocks.1.hook_resid_pre",
    "blocks.1.hook_resid_mid",
    "blocks.2.hook_resid_post",
    "blocks.0.hook_resid_post",
    "blocks.1.hook_mlp_out",
    "blocks.1.hook_attn_out",
    "blocks.2.attn.hook_z",
    "hook_embed",
)
INNER_SITES = (
    "blocks.1.hook_mlp_in",
    "blocks.1.ln1.hook_normalized",
    "blocks.1.ln2.hook_normalized",
    "blocks.1.attn.hook_q",
    "blocks.1.attn.hook_k",
    "blocks.1.attn.hook_v",
    "blocks.1.mlp.hook_pre",
    "blocks.1.mlp.hook_post",
)
HEAD_SITES = (
    "blocks.1.attn.hook_q.head_3",
    "blocks.1.attn.hook_k.head_1",
    "blocks.1.attn.hook_v.head_0",
    "blocks.2.attn.hook_z.head_2",
)
# TransformerBridge's, which HookedTransformer lacks.
MODULE_SITES = ("blocks.1.mlp.hook_in", "blocks.1.mlp.hook_out")


@dataclass(frozen=True)
class Parts:
    """Where an architecture keeps, within a block, what sites are about.

    `attention_out` and `mlp_out` answer with what is added to the residual stream; `norm` says how
    a norm scales what it has normalized, of which `mean_too` says that the mean is taken off.
    """

    attention: str
    mlp: str
    z: str
    norm_1: str
    norm_2: str | None
    pre: str
    post: str
    attention_out: str = ""
    mlp_out: str = ""
    scales: str = "weight"
    mean_too: bool = False
    fused: str = ""
    into_mlp: str = ""  # where the stream enters on its way to the MLP; the norm before it if ""
    no_middle: bool = False  # attention and MLP read the same stream


_BY_BRANCH = ("hook_mlp_in", "ln1.hook_normalized", "ln2.hook_normalized")
_LLAMA = ("self_attn", "mlp", "self_attn.o_proj", "input_layernorm", "post_attention_layernorm")
_GATED = ("mlp.gate_proj", "mlp.down_proj")
_SANDWICH = ("post_attention_layernorm", "post_feedforward_layernorm")
_GEMMA = Parts(
    *(*_LLAMA[:4], "pre_feedforward_layernorm", *_GATED, *_SANDWICH), scales="1 + weight"
)
PLAIN = {
    "gpt2": Parts(
        *("attn", "mlp", "attn.c_proj", "ln_1", "ln_2", "mlp.c_fc", "mlp.c_proj"),
        scales="weight and bias",
        mean_too=True,
        fused="attn.c_attn",
    ),
    "llama": Parts(*_LLAMA, *_GATED),
    "gpt_neox": Parts(
        *("attention", "mlp", "attention.dense", "input_layernorm", "post_attention_layernorm"),
        *("mlp.dense_h_to_4h", "mlp.dense_4h_to_h"),
        scales="weight and bias",
        mean_too=True,
        fused="attention.query_key_value",
        no_middle=True,
    ),
    "gemma2": _GEMMA,
    "gpt_neo": Parts(
        *("attn.attention", "mlp", "attn.attention.out_proj", "ln_1", "ln_2"),
        *("mlp.c_fc", "mlp.c_proj"),
        attention_out="attn",
        scales="weight and bias",
        mean_too=True,
    ),
    "qwen3": Parts(*_LLAMA, *_GATED),
    "gptj": Parts(
        *("attn", "mlp", "attn.out_proj", "ln_1", None, "mlp.fc_in", "mlp.fc_out"),
        scales="weight and bias",
        mean_too=True,
        no_middle=True,
    ),
    "gemma3": _GEMMA,
    "gemma3_multimodal": _GEMMA,
    "qwen2": Parts(*_LLAMA, *_GATED),
    "olmo": Parts(*_LLAMA, *_GATED, scales="", mean_too=True),
    "olmo2": Parts(*_LLAMA[:3], *_SANDWICH, *_GATED, *_SANDWICH, into_mlp="mlp"),
}


def lacks(architecture, hook_point):
    """Whether an architecture cannot have a hook point."""
    return "resid_mid" in hook_point and PLAIN[architecture].no_middle


class PlainHooks:
    """The model of an architecture (`tests.architectures`)."""

    def __init__(self, architecture):
        self.model = hugging_face_model(architecture)
        decoder = self.model.model if architecture == "gemma3_multimodal" else self.model
        decoder = getattr(decoder, "language_model", decoder)
        self.blocks = next(
            module for module in decoder.modules() if isinstance(module, torch.nn.ModuleList)
        )
        self.parts = PLAIN[architecture]
        self.architecture = architecture

    def run(self, tokens, replace):
        """Logits of a pass; by hook point, what maps the activation there to something else."""
        with ExitStack() as stack:
            for hook_point, change in replace.items():
                for handle in self._hooks(hook_point, change):
                    stack.callback(handle.remove)
            with torch.no_grad():
                return self.model(input_ids=tokens, use_cache=False).logits

    def _hooks(self, hook_point, replace):
        if hook_point == "hook_embed":
            return [on_output(self.model.get_input_embeddings(), replace)]
        _, layer, site = hook_point.split(".", 2)
        block, parts = self.blocks[int(layer)], self.parts
        if ".head_" in site:
            site, _, head = site.partition(".head_")
            replace = self._of_head(site, int(head), replace)
        at = block.get_submodule
        if site == "hook_resid_mid":
            return self._resid_mid(block, replace)
        if parts.norm_2 is None and site in _BY_BRANCH:
            return self._of_branch(block, site, replace)
        if site.endswith("hook_normalized"):
            return [self._normalized(at(parts.norm_1 if "ln1" in site else parts.norm_2), replace)]
        if site[:-1] == "attn.hook_" and site[-1] in "qkv":
            return [self._projected(block, site[-1], replace)]
        where = {
            "hook_resid_pre": (on_input, block),
            "hook_resid_post": (on_output, block),
            "hook_mlp_in": (on_input, at(parts.into_mlp or parts.norm_2 or "")),
            "hook_mlp_out": (on_output, at(parts.mlp_out or parts.mlp)),
            "hook_attn_out": (on_output, at(parts.attention_out or parts.attention)),
            "attn.hook_z": (on_input, at(parts.z)),
            "mlp.hook_in": (on_input, at(parts.mlp)),
            "mlp.hook_out": (on_output, at(parts.mlp)),
            "mlp.hook_pre": (on_output, at(parts.pre)),
            "mlp.hook_post": (on_input, at(parts.post)),
        }
        on, module = where[site]
        return [on(module, replace)]

    def _resid_mid(self, block, replace):
        """Block input + attention's output, so change the output by the difference."""
        kept = {}
        seen = on_input(block, lambda value: kept.setdefault("input", value))
        changed = on_output(
            block.get_submodule(self.parts.attention_out or self.parts.attention),
            lambda value: replace(kept["input"] + value) - kept["input"],
        )
        return [seen, changed]

    def _normalized(self, norm, replace):
        """A norm written out, x / sqrt(mean square + eps), with something in the middle."""
        return norm.register_forward_hook(
            lambda module, args, output: self._written_out(norm, args[0], replace)
        )

    def _written_out(self, norm, x, replace):
        eps = getattr(norm, "eps", getattr(norm, "variance_epsilon", 1e-5))
        scales = {
            "weight": lambda x: x * norm.weight,
            "1 + weight": lambda x: x * (1 + norm.weight),
            "weight and bias": lambda x: x * norm.weight + norm.bias,
            "": lambda x: x,
        }[self.parts.scales]
        if self.parts.mean_too:
            x = x - x.mean(dim=-1, keepdim=True)
        return scales(replace(x / (x.square().mean(dim=-1, keepdim=True) + eps).sqrt()))

    def _of_branch(self, block, site, replace):
        """Attention and MLP read one norm: one of them reads something else."""
        kept = {}
        norm = block.get_submodule(self.parts.norm_1)
        seen = on_input(block, lambda value: kept.setdefault("input", value))
        reader = block.get_submodule(self.parts.attention if "ln1" in site else self.parts.mlp)

        def enter(_):
            if site == "hook_mlp_in":
                return self._written_out(norm, replace(kept["input"]), lambda value: value)
            return self._written_out(norm, kept["input"], replace)

        return [seen, on_input(reader, enter)]

    def _projected(self, block, which, replace):
        if not self.parts.fused:
            return on_output(block.get_submodule(f"{self.parts.attention}.{which}_proj"), replace)
        number = "qkv".index(which)

        def of_part(value):
            value = value.clone()
            if self.architecture == "gpt_neox":  # head by head
                part = value.unflatten(-1, (HEADS, 3, -1))[..., number, :]  # (B, T, head, d_head)
            else:
                part = value.unflatten(-1, (3, HEADS, -1))[..., number, :, :]
            part.copy_(replace(part.clone().flatten(-2)).reshape(part.shape))
            return value

        return on_output(block.get_submodule(self.parts.fused), of_part)

    def _of_head(self, site, head, replace):
        config = self.model.config.get_text_config()
        heads = HEADS
        if site[-1] in "kv":
            heads = getattr(config, "num_key_value_heads", None) or HEADS

        def of_head(value):
            value = value.unflatten(-1, (heads, -1)).clone()  # (B, T, head, d_head)
            value[..., head, :] = replace(value[..., head, :].clone())
            return value.flatten(-2)

        return of_head


def on_input(module, replace):
    def hook(module, args, kwargs):
        if args:
            return (replace(args[0]), *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": replace(kwargs["hidden_states"])}

    return module.register_forward_pre_hook(hook, with_kwargs=True)


def on_output(module, replace):
    def hook(module, args, output):
        if isinstance(output, tuple):
            return (replace(output[0]), *output[1:])
        return replace(output)

    return module.register_forward_hook(hook)


@cache
def shared_plain_hooks(architecture):
    """One for all tests: each run takes its hooks away again."""
    return PlainHooks(architecture)
