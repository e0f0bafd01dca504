"""A model patched in the most ordinary way, without anything of sae_checks."""

from __future__ import annotations

from contextlib import ExitStack

import torch

from tests.builders import hugging_face_model

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

# Where each architecture keeps, within a block: attention, MLP, attention's output projection. An
# MLP's or attention's output is what is added to the residual stream.
PLAIN = {
    "gpt2": ("attn", "mlp", "attn.c_proj"),
    "llama": ("self_attn", "mlp", "self_attn.o_proj"),
    "gpt_neox": ("attention", "mlp", "attention.dense"),
    "gemma2": ("post_attention_layernorm", "post_feedforward_layernorm", "self_attn.o_proj"),
    "gpt_neo": ("attn", "mlp", "attn.attention.out_proj"),
    "qwen3": ("self_attn", "mlp", "self_attn.o_proj"),
}


class PlainHooks:
    """The model of an architecture (`tests.builders`)."""

    def __init__(self, architecture):
        self.model = hugging_face_model(architecture)
        self.blocks = next(
            module for module in self.model.modules() if isinstance(module, torch.nn.ModuleList)
        )
        self.names = PLAIN[architecture]

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
        block = self.blocks[int(layer)]
        attention, mlp, projection = self.names
        if site == "hook_resid_pre":
            return [on_input(block, replace)]
        if site == "hook_resid_post":
            return [on_output(block, replace)]
        if site == "hook_mlp_out":
            return [on_output(block.get_submodule(mlp), replace)]
        if site == "hook_attn_out":
            return [on_output(block.get_submodule(attention), replace)]
        if site == "attn.hook_z":
            return [on_input(block.get_submodule(projection), replace)]
        # hook_resid_mid = block input + attention's output, so change the output by the difference.
        kept = {}
        seen = on_input(block, lambda value: kept.setdefault("input", value))
        changed = on_output(
            block.get_submodule(attention),
            lambda value: replace(kept["input"] + value) - kept["input"],
        )
        return [seen, changed]


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
