"""Which SAEs of several places are each other's like, where a place has more than one."""

from __future__ import annotations

from collections.abc import Collection

from sae_checks.records import SaeRef
from sae_checks.wording import natural_order

Family = tuple[str, int]


def family(sae: SaeRef) -> Family:
    """What SAEs that go together have in common: architecture and width."""
    return sae.architecture, sae.d_sae


def ranked(here: Collection[SaeRef]) -> list[SaeRef]:
    """The SAEs of one family at one place, the sparsest first: the n-th there is the n-th's like.

    By the L0 that each declares; where one declares none, by their ids as people count
    ("average_l0_13" before "average_l0_105").
    """
    if all(sae.declared.l0 is not None for sae in here):
        return sorted(here, key=_by_l0)
    return sorted(here, key=_by_id)


def _by_l0(sae: SaeRef) -> tuple[float, list[tuple[int, str]]]:
    assert sae.declared.l0 is not None, "asked only where all declare one"
    return sae.declared.l0.value, _by_id(sae)


def _by_id(sae: SaeRef) -> list[tuple[int, str]]:
    return natural_order(sae.sae_id)
