"""Values and losses are HookedTransformer's own, on architectures whose weights it converts."""

from __future__ import annotations

from functools import cache

import pytest
import torch

from tests.architectures import CONTEXT, VOCABULARY
from tests.builders import shared_language_model
from tests.exhaustive import diagonal
from tests.load.hooked import SETTINGS, hooked
from tests.load.plain_hooks import HEAD_SITES, INNER_SITES, SITES, lacks

TOKENS = torch.randint(0, VOCABULARY, (2, CONTEXT), generator=torch.Generator().manual_seed(1))
CASES = diagonal(
    list(SETTINGS),
    (*SITES, *INNER_SITES, *HEAD_SITES),
    there=lambda architecture, site: not lacks(architecture, site),
)
made = cache(hooked)


@pytest.mark.parametrize(("architecture", "hook_point"), CASES)
def test_value_and_loss_of_every_token(architecture, hook_point):
    model, theirs = shared_language_model(architecture), made(architecture)
    model.bind(hook_point)
    clean = model.clean(TOKENS, [hook_point])
    tap = clean.taps[hook_point]
    name, _, head = hook_point.partition(".head_")
    of = (..., int(head), slice(None)) if head else (...,)

    _, cached = theirs.run_with_cache(TOKENS, names_filter=[name])
    torch.testing.assert_close(tap, cached[name][of].reshape(tap.shape), rtol=1e-4, atol=1e-5)

    replacement = tap + torch.randn(tap.shape, generator=torch.Generator().manual_seed(2))

    def replace(value, hook):
        value = value.clone()
        value[of] = replacement.reshape(value[of].shape)
        return value

    expected = theirs.run_with_hooks(
        TOKENS, return_type="loss", loss_per_token=True, fwd_hooks=[(name, replace)]
    )
    log_p = model.unembed(model.resume(clean, hook_point, replacement)).log_softmax(dim=-1)
    found = -log_p[:, :-1].gather(-1, TOKENS[:, 1:, None]).squeeze(-1)  # (B, T - 1)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("hook_point", [*SITES, "blocks.1.hook_mlp_in", "blocks.1.attn.hook_q"])
@pytest.mark.parametrize("architecture", ["gpt_neox", "gptj", "olmo"])
def test_centered_values(architecture, hook_point):
    if lacks(architecture, hook_point):
        return
    model, theirs = shared_language_model(architecture, True), made(architecture, True)
    model.bind(hook_point)
    tap = model.clean(TOKENS, [hook_point]).taps[hook_point]
    _, cached = theirs.run_with_cache(TOKENS, names_filter=[hook_point])
    torch.testing.assert_close(tap, cached[hook_point].reshape(tap.shape), rtol=1e-4, atol=1e-5)
