"""Which SAEs are paired, and in which order they lie."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sae_checks.evals.propagation.pairs import (
    MOST_LATER,
    PAIR,
    Pair,
    all_pairs,
    both_residual,
    later_saes,
)
from sae_checks.records import SaeRef
from sae_checks.resolve.hook_point import parse_hook_point
from tests.builders import sae_ref


def sae(hook_point: str, sae_id: str = "", d_sae: int = 64) -> SaeRef:
    layer, site = parse_hook_point(hook_point)
    return sae_ref(hook_point, sae_id=sae_id or hook_point, layer=layer, site=site, d_sae=d_sae)


def pairs(*saes: SaeRef) -> list[str]:
    return [str(Pair.of(*pair)) for pair in all_pairs(saes)]


def test_all_ordered_pairs_where_each_place_has_one_sae():
    streams = [sae(f"blocks.{layer}.hook_resid_pre") for layer in range(12)]
    streams.append(sae("blocks.11.hook_resid_post"))
    assert len(pairs(*streams)) == len(set(pairs(*streams))) == 13 * 12 // 2
    assert pairs(*streams)[:2] == [
        "blocks.0.hook_resid_pre->blocks.1.hook_resid_pre",
        "blocks.0.hook_resid_pre->blocks.2.hook_resid_pre",
    ]
    # In whatever order a release lists them.
    assert set(pairs(*reversed(streams))) == set(pairs(*streams))


def test_sites_of_one_layer_are_ordered_as_a_pass_meets_them():
    names = ("hook_mlp_out", "hook_resid_pre", "hook_resid_post", "hook_attn_out")
    saes = [sae(f"blocks.1.{name}", name) for name in names]
    assert [other.sae_id for other in later_saes(saes[1], saes)] == [
        "hook_attn_out",
        "hook_mlp_out",
        "hook_resid_post",
    ]
    assert later_saes(saes[2], saes) == ()


def test_one_place_is_never_paired_with_itself():
    assert pairs(sae("blocks.1.hook_resid_post"), sae("blocks.2.hook_resid_pre")) == []
    assert pairs(sae("blocks.1.hook_resid_pre", "a"), sae("blocks.1.hook_resid_pre", "b")) == []
    assert pairs(sae("model.layers.1.one"), sae("model.layers.1.other")) == []


def test_of_several_at_a_place_those_alike_are_paired():
    """By width, and by rank among those of a width; what is alone is paired with what is alone."""
    first, second = "blocks.0.hook_resid_pre", "blocks.2.hook_resid_pre"
    saes = [
        sae(first, "0/16k/l0_20", 16),
        sae(first, "0/16k/l0_80", 16),
        sae(first, "0/64k", 64),
        sae("blocks.1.hook_resid_pre", "1/16k", 16),
        sae(second, "2/64k", 64),
        sae(second, "2/16k/l0_25", 16),
        sae(second, "2/16k/l0_90", 16),
        sae("blocks.3.hook_mlp_out", "3/mlp", 128),
    ]
    assert pairs(*saes) == [
        "0/16k/l0_20->1/16k",
        "0/16k/l0_20->2/16k/l0_25",
        "0/16k/l0_80->2/16k/l0_90",
        "0/64k->2/64k",
        "1/16k->2/16k/l0_25",
        "1/16k->3/mlp",
    ]


def test_cost_grows_with_the_number_of_saes_and_not_with_its_square():
    saes = [sae(f"blocks.{layer}.hook_resid_pre", str(layer)) for layer in range(40)]
    assert max(len(later_saes(each, saes)) for each in saes) == MOST_LATER == 12
    later = [int(other.sae_id) for other in later_saes(saes[3], saes)]
    assert later == [4, 7, 10, 14, 17, 20, 23, 26, 29, 33, 36, 39]
    assert [each.sae_id for each in later_saes(saes[36], saes)] == ["37", "38", "39"]


@pytest.mark.parametrize(
    ("site", "residual"),
    [("hook_resid_mid", True), ("hook_mlp_out", False), ("attn.hook_z", False)],
)
def test_what_the_residual_stream_carries(site, residual):
    first, last = sae("blocks.0.hook_resid_pre"), sae("blocks.2.hook_resid_post")
    assert both_residual(first, sae(f"blocks.1.{site}")) is residual
    assert both_residual(sae(f"blocks.1.{site}"), last) is residual


def test_a_pair_is_renamed_where_both_saes_are():
    pair, renamed = Pair("a", "b"), PAIR.renamed
    assert renamed is not None
    assert str(renamed(pair, {"a": "x", "b": "y"})) == "x->y"
    assert renamed(pair, {"a": "x"}) is None


def test_what_reads_at_a_module_path_is_not_paired_with_what_it_writes_itself():
    """Gemma Scope 2's transcoders, beside SAEs at the outputs of the same MLPs and at heads."""
    transcoders = [
        replace(
            sae(f"model.layers.{n}.pre_feedforward_layernorm.output", f"t{n}"),
            hook_point_out=f"blocks.{n}.hook_mlp_out",
        )
        for n in range(3)
    ]
    assert pairs(*transcoders) == ["t0->t1", "t0->t2", "t1->t2"]
    out = sae("blocks.1.hook_mlp_out", "out", d_sae=32)
    assert pairs(transcoders[1], out) == []
    heads = [sae(f"blocks.1.attn.hook_z.head_{n}", f"h{n}") for n in range(2)]
    assert pairs(*heads, sae("blocks.2.hook_resid_pre", "r")) == ["h0->r", "h1->r"]
    strange = sae("model.layers.1.mlp.experts", "strange")
    assert pairs(strange, out) == pairs(out, strange) == []
    assert pairs(sae("blocks.0.hook_resid_pre", "r"), strange) == ["r->strange"]
