"""Where hook points lie, by their names alone: a model says the same."""

from __future__ import annotations

from itertools import pairwise

import pytest

from sae_checks.resolve.model_order import depth, is_residual_stream
from tests.architectures import ARCHITECTURES
from tests.builders import shared_language_model
from tests.load.plain_hooks import HEAD_SITES, INNER_SITES, SITES, lacks


@pytest.mark.parametrize("architecture", list(ARCHITECTURES))
def test_the_order_is_the_models(architecture):
    model = shared_language_model(architecture)
    every = dict.fromkeys((*SITES, *INNER_SITES, *HEAD_SITES, "blocks.2.hook_resid_pre"))
    places = [place for place in every if not lacks(architecture, place)]
    if architecture == "olmo2":  # whose norms come after attention and MLP
        places = [place for place in places if "hook_normalized" not in place]
    for place in places:
        model.bind(place)
    by_model = sorted(places, key=lambda place: (model.depth(place), place))
    for earlier, later in pairwise(by_model):
        if model.depth(earlier) < model.depth(later):
            assert depth(earlier) <= depth(later), (earlier, later)


def test_what_is_no_site_comes_first_or_last():
    names = (
        "hook_embed",
        "blocks.1.hook_mlp_out",
        "model.layers.1.one",
        "blocks.1.hook_resid_post",
    )
    assert sorted(names, key=depth) == list(names)
    assert depth("blocks.1.hook_resid_post") == depth("blocks.2.hook_resid_pre")
    assert depth("blocks.1.attn.hook_z.head_2") == depth("blocks.1.attn.hook_z")


def test_the_residual_stream():
    assert is_residual_stream("blocks.1.hook_resid_mid")
    assert is_residual_stream("model.layers.1")
    assert not is_residual_stream("blocks.1.hook_mlp_out")
    assert not is_residual_stream("hook_embed")
