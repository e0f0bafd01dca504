"""Which of several SAEs at one place are each other's like."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sae_checks.evals.likeness import family, ranked
from sae_checks.evals.propagation.pairs import Pair, all_pairs
from sae_checks.evals.stack.choice import stacks
from sae_checks.records import Declared, DeclaredFigure, SaeRef
from sae_checks.resolve.hook_point import parse_hook_point
from tests.builders import sae_ref


def sae(sae_id: str, layer: int = 0, l0: float | None = None, **fields: object) -> SaeRef:
    hook_point = f"blocks.{layer}.hook_resid_post"
    declared = Declared(None if l0 is None else DeclaredFigure(l0, "its path"))
    _, site = parse_hook_point(hook_point)
    ref = sae_ref(hook_point, sae_id=sae_id, layer=layer, site=site)
    return replace(ref, declared=declared, **fields)


def ids(saes: list[SaeRef]) -> list[str]:
    return [each.sae_id for each in saes]


def test_the_sparsest_come_first_where_all_declare_an_l0():
    (here,) = ranked([sae("a", l0=80), sae("b", l0=13.5), sae("c", l0=105)])
    assert ids(here) == ["b", "a", "c"]


def test_else_ids_are_ordered_as_people_count():
    some = [sae("l0_105", l0=1.0), sae("l0_13"), sae("l0_9", l0=30.0)]
    (here,) = ranked(some)
    assert ids(here) == ["l0_9", "l0_13", "l0_105"]


def test_one_that_declares_none_decides_for_all_places():
    """Else the ranks of two places would be of two orders."""
    one, other = [sae("a", l0=50), sae("b", l0=10)], [sae("a", 1, 50), sae("b", 1)]
    assert [ids(here) for here in ranked([*one, *other])] == [["a", "b"], ["a", "b"]]


@given(st.permutations(range(6)), st.booleans())
def test_the_order_of_a_release_does_not_matter(order: list[int], says: bool):
    saes = [sae(f"width/{n}", l0=n // 2 if says else None) for n in range(6)]
    (here,) = ranked([saes[n] for n in order])
    assert ids(here) == ids(saes)


def test_architectures_and_widths_are_families_of_their_own():
    saes = [sae("a"), sae("b", architecture="topk"), sae("c", d_sae=7)]
    assert len({family(each) for each in saes}) == 3


def test_pairs_and_stacks_are_of_the_same_rank():
    """Listed as names are sorted, of which the order says nothing about sparsity."""
    saes = [
        sae(f"layer_{layer}/average_l0_{l0}", layer, l0)
        for layer, each in enumerate([(105, 13, 226), (11, 100, 210)])
        for l0 in sorted(each, key=str)
    ]
    expected = [
        ["layer_0/average_l0_13", "layer_1/average_l0_11"],
        ["layer_0/average_l0_105", "layer_1/average_l0_100"],
        ["layer_0/average_l0_226", "layer_1/average_l0_210"],
    ]
    assert [ids(list(stack)) for stack in stacks(saes)] == expected
    pairs = {str(Pair.of(*pair)) for pair in all_pairs(saes)}
    assert pairs == {"->".join(pair) for pair in expected}


def test_signs_that_are_digits_but_no_numbers_are_text():
    (here,) = ranked([sae("layer²/10"), sae("layer²/9")])
    assert ids(here) == ["layer²/9", "layer²/10"]
