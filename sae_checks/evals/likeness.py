"""Which SAEs of several places are each other's like, where a place has more than one."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sae_checks.records import SaeRef
from sae_checks.wording import natural_order

Family = tuple[str, int]


def family(sae: SaeRef) -> Family:
    """What SAEs that go together have in common: architecture and width."""
    return sae.architecture, sae.d_sae


def ranked(places: Iterable[Collection[SaeRef]]) -> list[list[SaeRef]]:
    """The SAEs of one family at each place, the sparsest first: the n-th of each are alike.

    By the L0 that each declares; where any of the family declares none, by their ids as people
    count ("average_l0_13" before "average_l0_105").
    """
    there = [list(here) for here in places]
    declared = all(sae.declared.l0 is not None for here in there for sae in here)
    return [sorted(here, key=_by_l0 if declared else _by_id) for here in there]


def _by_l0(sae: SaeRef) -> tuple[float, list[tuple[int, str]]]:
    assert sae.declared.l0 is not None, "asked only where all declare one"
    return sae.declared.l0.value, natural_order(sae.sae_id)


def _by_id(sae: SaeRef) -> tuple[float, list[tuple[int, str]]]:
    return 0.0, natural_order(sae.sae_id)
