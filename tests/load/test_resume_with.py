"""Edits and taps of a resumed pass equal plain hooks, on every architecture and at every site."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.architectures import ARCHITECTURES, CONTEXT, VOCABULARY
from tests.builders import shared_language_model
from tests.exhaustive import diagonal, examples
from tests.load.plain_hooks import SITES, lacks, shared_plain_hooks

TOKENS = torch.randint(
    0, VOCABULARY, (2, CONTEXT), generator=torch.Generator().manual_seed(1)
)  # (B, T)


# Each place under one name; the last block's hook_resid_mid moves what its hook_resid_post sees.
PLACES = [site for site in SITES if site != "blocks.0.hook_resid_post"]
PLACES.append("blocks.2.hook_resid_mid")


@pytest.fixture(scope="module", params=list(ARCHITECTURES))
def models(request):
    """The model, the same with plain hooks, and its hook points as a pass meets them."""
    model = shared_language_model(request.param)
    has = [place for place in PLACES if not lacks(request.param, place)]
    for hook_point in has:
        model.bind(hook_point)
    return model, shared_plain_hooks(request.param), sorted(has, key=model.depth)


def edit(value, seed=2):
    """Depends on what arrives, and leaves no mean over d_model as it was."""
    noise = torch.randn(value.shape, generator=torch.Generator().manual_seed(seed))
    return 0.7 * value + 0.5 * noise


def close(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def check(models, first, edited, tapped):
    """Resume at a hook point, with edits and taps at others, in our way and in the plain one."""
    model, plain, _ = models
    clean = model.clean(TOKENS, [first])
    replacement = edit(clean.taps[first], seed=1)
    resumed = model.resume_with(
        clean, first, replacement, dict.fromkeys(edited, edit), list(tapped)
    )
    seen = {}

    def change(name):
        def changed(value):
            seen[name] = value
            return edit(value) if name in edited else value

        return changed

    later = {name: change(name) for name in dict.fromkeys([*tapped, *edited])}
    in_order = sorted(later, key=model.depth)
    expected = plain.run(
        TOKENS, {first: lambda value: replacement, **{name: later[name] for name in in_order}}
    )
    close(model.unembed(resumed.final), expected)
    assert resumed.taps.keys() == set(tapped)
    for name, value in resumed.taps.items():
        close(value, seen[name])


@pytest.mark.parametrize(
    ("models", "number"),
    diagonal(list(ARCHITECTURES), range(1, len(PLACES)), whole=("gpt2",)),
    indirect=["models"],
)
def test_an_edit_at_a_later_hook_point_and_taps_there_and_at_the_last(models, number):
    _, _, sites = models
    for first in sites[:number]:
        for edited in sites[number : number + 1]:
            check(models, first, [edited], [edited, sites[-1]])


def test_edits_everywhere_at_once(models):
    _, _, sites = models
    check(models, sites[0], sites[1:], sites[1:])


@settings(max_examples=examples(15))
@given(st.data())
def test_any_edits_and_taps_in_any_order(models, data):
    _, _, sites = models
    start = data.draw(st.integers(0, len(sites) - 2))
    later = st.lists(st.sampled_from(sites[start + 1 :]), unique=True, max_size=4)
    check(models, sites[start], data.draw(later), data.draw(later))


def test_taps_alone_change_nothing(models):
    model, _, sites = models
    clean = model.clean(TOKENS, sites)
    again = model.resume_with(clean, sites[0], clean.taps[sites[0]], {}, sites[1:])
    close(again.final, clean.final)
    for name in sites[1:]:
        close(again.taps[name], clean.taps[name])


def test_nothing_is_left_behind(models):
    model, _, sites = models
    before = model.clean(TOKENS, sites)
    model.resume_with(
        before, sites[1], before.taps[sites[1]], dict.fromkeys(sites[2:], edit), sites[2:]
    )
    after = model.clean(TOKENS, sites)
    assert torch.equal(before.final, after.final)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.hf.modules())
    assert not any("forward" in vars(module) for module in model.hf.modules())


@pytest.mark.parametrize("as_tap", [False, True], ids=["edit", "tap"])
def test_what_lies_before_is_refused(models, as_tap):
    model, _, sites = models
    clean = model.clean(TOKENS, sites[1:2])
    edits, taps = ({}, sites[:1]) if as_tap else ({sites[0]: edit}, [])
    with pytest.raises(ValueError, match="lies before") as raised:
        model.resume_with(clean, sites[1], clean.taps[sites[1]], edits, taps)
    assert str(raised.value) == (f"{sites[0]} lies before {sites[1]}, where the pass is resumed")
