"""Which SAEs are spliced in together."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_checks.evals.stack.choice import STACK, StackName, interventions, stacks, told
from sae_checks.records import Intervention, SaeRef
from sae_checks.records.place import Place
from sae_checks.resolve.hook_point import parse_hook_point
from tests.builders import (
    release,
    sae_ref,
    shared_language_model,
)

SITES = ("hook_resid_pre", "attn.hook_z", "hook_attn_out", "hook_resid_mid", "hook_mlp_out")


def sae(hook_point: str, sae_id: str = "", **fields: object) -> SaeRef:
    layer, site = parse_hook_point(hook_point)
    return sae_ref(hook_point, sae_id=sae_id or hook_point, layer=layer, site=site, **fields)


def ids(saes: list[SaeRef]) -> list[list[str]]:
    return [[each.sae_id for each in stack] for stack in stacks(saes)]


def test_all_are_one_stack_in_the_order_of_the_model():
    names = [f"blocks.{layer}.{site}" for layer in range(12) for site in SITES]
    names = ["hook_embed", *names, "blocks.11.hook_resid_post"]
    shuffled = random.Random(0).sample(names, len(names))
    assert ids([sae(name, d_sae=64 + n) for n, name in enumerate(shuffled)]) == [names]


def test_the_order_is_that_in_which_a_pass_of_the_model_meets_them():
    model = shared_language_model()
    names = [f"blocks.{layer}.{site}" for layer in range(3) for site in SITES]
    names = ["hook_embed", *names, "blocks.2.hook_resid_post"]
    for name in names:
        model.bind(name)
    (stack,) = stacks([sae(name) for name in reversed(names)])
    assert [each.hook_point for each in stack] == sorted(names, key=model.depth)


def test_saes_of_one_kind_make_a_stack_where_hook_points_are_shared():
    saes = [
        sae(f"blocks.{layer}.hook_resid_pre", f"layer_{layer}/{width}", d_sae=width)
        for layer in (0, 1, 2)
        for width in (16, 64)
    ]
    assert ids(saes) == [[f"layer_{layer}/{width}" for layer in (0, 1, 2)] for width in (16, 64)]


def test_of_several_of_one_kind_those_of_equal_rank_go_together():
    found = {0: (13, 105, 226), 1: (12, 101), 2: (9, 97, 210)}
    saes = [
        sae(f"blocks.{layer}.hook_resid_pre", f"layer_{layer}/average_l0_{l0}")
        for layer, each in found.items()
        for l0 in sorted(each, key=str)  # as a listing of names has them
    ]
    assert ids(saes) == [
        ["layer_0/average_l0_13", "layer_1/average_l0_12", "layer_2/average_l0_9"],
        ["layer_0/average_l0_105", "layer_1/average_l0_101", "layer_2/average_l0_97"],
        ["layer_0/average_l0_226", "layer_2/average_l0_210"],
    ]


def test_what_leaves_a_block_is_what_enters_the_next():
    saes = [sae("blocks.0.hook_resid_post"), sae("blocks.1.hook_resid_pre")]
    saes += [sae("blocks.3.hook_resid_pre", d_sae=128), sae("blocks.2.hook_resid_post", "other")]
    assert ids(saes) == [["blocks.0.hook_resid_post", "other"]]


@pytest.mark.parametrize("count", [0, 1])
def test_one_sae_is_no_stack(count):
    saes = [sae("blocks.0.hook_resid_pre")][:count]
    assert interventions(saes) == []


def test_saes_that_all_share_one_hook_point_are_no_stack():
    saes = [sae("blocks.8.hook_resid_pre", f"{n}") for n in range(4)]
    assert ids(saes) == []
    assert told(release(*saes)) == ""


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.sampled_from([*SITES, "hook_resid_post"]),
            st.sampled_from([16, 32]),
            st.sampled_from(["standard", "topk"]),
        ),
        max_size=24,
    )
)
def test_no_sae_is_in_two_stacks_and_a_stack_is_found_again_in_itself(made):
    saes = [
        sae(f"blocks.{layer}.{site}", f"{n}", d_sae=width, architecture=architecture)
        for n, (layer, site, width, architecture) in enumerate(made)
    ]
    found = stacks(saes)
    each = [sae for stack in found for sae in stack]
    assert len(set(each)) == len(each)
    for stack, intervention in zip(found, interventions(saes), strict=True):
        assert intervention.saes == stack  # which refuses two of one hook point
        assert stacks(stack[::-1]) == [stack]


def test_names_are_short_and_are_renamed_whole():
    name = StackName(tuple(f"blocks.{layer}.hook_resid_pre" for layer in range(12)))
    assert str(name) == "12-saes-blocks.0.hook_resid_pre..blocks.11.hook_resid_pre"
    assert STACK.renamed is not None
    matches = {sae_id: f"old/{sae_id}" for sae_id in name.ids}
    assert STACK.renamed(name, matches).ids == tuple(matches.values())
    del matches[name.ids[3]]
    assert STACK.renamed(name, matches) is None


def test_a_baseline_tells_stacks_apart_that_have_the_same_ends():
    """With --sae-ids, another SAE may be missing in their middle."""
    names = [StackName(("a", middle, "z")) for middle in ("b", "c")]
    places = [Place.of_release("mine").at(STACK, name) for name in names]
    assert str(names[0]) == str(names[1])
    assert places[0].key() == (("stack", "a+b+z"),)
    assert places[0].key() != places[1].key()


def test_what_a_run_says_at_its_start():
    saes = [sae(f"blocks.{layer}.hook_resid_pre") for layer in range(3)]
    assert told(release(*saes)) == ""
    assert told(release(saes[0])) == ""
    other = frozenset({Intervention(tuple(saes)).name})
    assert told(replace(release(*saes[:2]), whole=3), other) == (
        f"nothing is asked of the stack of 2 SAEs from {saes[0].sae_id} to {saes[1].sae_id}: these "
        "were not spliced in together, without others, when they were measured"
    )
    assert told(replace(release(*saes[:2]), whole=3)) == (
        "spliced in together of the 2 that were chosen: 2 SAEs from blocks.0.hook_resid_pre to "
        "blocks.1.hook_resid_pre"
    )
    saes += [sae(f"blocks.{layer}.hook_resid_pre", f"wide {layer}", d_sae=128) for layer in (0, 1)]
    saes.append(sae("blocks.0.hook_resid_pre", "other", architecture="topk"))
    assert told(release(*saes)) == (
        "spliced in together: 3 SAEs from blocks.0.hook_resid_pre to blocks.2.hook_resid_pre; 2 "
        "SAEs from wide 0 to wide 1; 1 SAE with no other, since of SAEs at one hook point only "
        "those of one kind go together"
    )
