"""Which SAEs of several places are each other's like, where a place has more than one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from sae_checks.records import SaeRef
from sae_checks.resolve.model_order import depth
from sae_checks.wording import natural_order


def family(sae: SaeRef) -> tuple[str, int]:
    """What SAEs that go together have in common: architecture and width."""
    return sae.architecture, sae.d_sae


def grouped(saes: Iterable[SaeRef], key: Callable[[SaeRef], object]) -> list[list[SaeRef]]:
    """SAEs that have a key in common, in the order in which they come."""
    found: dict[object, list[SaeRef]] = {}
    for sae in saes:
        found.setdefault(key(sae), []).append(sae)
    return list(found.values())


def written_at(sae: SaeRef) -> object:
    """Where an SAE writes; what leaves a block is what enters the next one: one place."""
    place = depth(sae.writes)
    return place if place[1] == 0 else sae.writes


def ranked(alike: Collection[SaeRef]) -> list[list[SaeRef]]:
    """The SAEs of one family at each place, the sparsest first: the n-th of each are alike.

    By the L0 that each declares; where any of the family declares none, by their ids as people
    count ("average_l0_13" before "average_l0_105").
    """
    declared = all(sae.declared.l0 is not None for sae in alike)
    key = _by_l0 if declared else _by_id
    return [sorted(here, key=key) for here in grouped(alike, written_at)]


def _by_l0(sae: SaeRef) -> tuple[float, list[tuple[int, str]]]:
    assert sae.declared.l0 is not None, "asked only where all declare one"
    return sae.declared.l0.value, natural_order(sae.sae_id)


def _by_id(sae: SaeRef) -> tuple[float, list[tuple[int, str]]]:
    return 0.0, natural_order(sae.sae_id)
