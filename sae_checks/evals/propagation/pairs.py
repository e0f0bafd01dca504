"""Which SAEs are paired: one that is spliced in, and those that later ones are observed at.

`a->b`: a is spliced in, and b, further down the model, is run on what arrives there. Where every
place in the model has one SAE, all ordered pairs are taken. Where some have several, of different
widths or sparsities, an SAE is paired with its like: of the same architecture and width and, among
those at their place, of the same rank by sparsity (`evals/likeness.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from sae_checks.evals.likeness import family, grouped, ranked, written_at
from sae_checks.records import SaeRef
from sae_checks.records.selectors import Selector
from sae_checks.resolve.model_order import depth, is_known, is_residual_stream

# Each SAE is observed at so many later places at most, so that cost grows with the number of SAEs
# and not with its square. The 13 SAEs of gpt2-small's residual stream have all their 78 pairs.
MOST_LATER = 12


@dataclass(frozen=True)
class Pair:
    """The ids of two SAEs."""

    spliced: str
    observed: str

    @classmethod
    def of(cls, spliced: SaeRef, observed: SaeRef) -> Pair:
        """Of two SAEs."""
        return cls(spliced.sae_id, observed.sae_id)

    def __str__(self) -> str:
        return f"{self.spliced}->{self.observed}"


def _renamed(pair: Pair, matches: Mapping[str, str]) -> Pair | None:
    if {pair.spliced, pair.observed} <= matches.keys():
        return Pair(matches[pair.spliced], matches[pair.observed])
    return None


PAIR = Selector("pair", properties=(("pair", str),), renamed=_renamed, title="pairs of SAEs")


def later_saes(sae: SaeRef, saes: Sequence[SaeRef]) -> tuple[SaeRef, ...]:
    """The SAEs that one is paired with further down the model, in the model's order.

    Of more than `MOST_LATER` the next, the last, and some evenly between them.
    """
    return _later(tuple(saes)).get(sae, ())


def all_pairs(saes: Sequence[SaeRef]) -> list[tuple[SaeRef, SaeRef]]:
    """All pairs of some SAEs, (spliced, observed), by the first of them in their order."""
    later = _later(tuple(saes))
    return [(sae, other) for sae in saes for other in later[sae]]


def both_residual(spliced: SaeRef, observed: SaeRef) -> bool:
    """Whether the residual stream carries what is changed at the one directly to the other."""
    pair = (spliced, observed)
    return all(is_residual_stream(sae.hook_point) and not sae.is_transcoder for sae in pair)


@lru_cache(maxsize=8)
def _later(saes: tuple[SaeRef, ...]) -> Mapping[SaeRef, tuple[SaeRef, ...]]:
    """By SAE, those that it is paired with."""
    families: dict[object, list[SaeRef]] = {}
    families["alone"] = [here[0] for here in grouped(saes, written_at) if len(here) == 1]
    for alike in grouped(saes, family):
        for here in ranked(alike):
            for rank, sae in enumerate(here):
                families.setdefault((family(sae), rank), []).append(sae)
    found: dict[SaeRef, set[SaeRef]] = {sae: set() for sae in saes}
    for each in families.values():
        for sae in each:
            found[sae].update(other for other in each if _comes_after(other, sae))
    return {sae: _some(sorted(others, key=_place)) for sae, others in found.items()}


def _comes_after(other: SaeRef, sae: SaeRef) -> bool:
    """Whether an SAE reads what an earlier one's splice changes, as far as names tell."""
    if depth(other.hook_point)[0] == depth(sae.writes)[0] and not (
        is_known(other.hook_point) and is_known(sae.writes)
    ):
        return False
    return other != sae and depth(other.hook_point) > depth(sae.writes)


def _place(sae: SaeRef) -> tuple[int, int]:
    return depth(sae.hook_point)


def _some(saes: Sequence[SaeRef]) -> tuple[SaeRef, ...]:
    """At most so many, evenly from the first to the last."""
    count = min(len(saes), MOST_LATER)
    return tuple(saes[int(index)] for index in np.linspace(0, len(saes) - 1, count).round())
