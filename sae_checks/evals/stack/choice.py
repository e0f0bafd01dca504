"""Which SAEs of a release are spliced in together: its stacks, each in the order of the model.

Where no two SAEs share a hook point, all are one stack. Where some do, only one of them can be
spliced in at a time, and a user would take SAEs of one kind: those of one architecture and width
make a family, and of a family that still has several at a hook point, the sparsest of each hook
point are a stack, the next ones another, and so on (`evals/likeness.py`). An SAE is in one stack at
most; one SAE alone is none.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sae_checks.evals.likeness import family, grouped, ranked, written_at
from sae_checks.records import Intervention, Release, SaeRef
from sae_checks.records.selectors import Selector
from sae_checks.resolve.model_order import depth
from sae_checks.wording import counted, natural_order

Stack = tuple[SaeRef, ...]


@dataclass(frozen=True)
class StackName:
    """The ids of a stack's SAEs, in the order of the model."""

    ids: tuple[str, ...]

    @classmethod
    def of(cls, stack: Stack) -> StackName:
        """Of a stack."""
        return cls(tuple(sae.sae_id for sae in stack))

    def __str__(self) -> str:
        return f"{len(self.ids)}-saes-{self.ids[0]}..{self.ids[-1]}"


def _renamed(name: StackName, matches: Mapping[str, str]) -> StackName | None:
    if not matches.keys() >= set(name.ids):
        return None
    return StackName(tuple(matches[sae_id] for sae_id in name.ids))


STACK = Selector(
    "stack",
    properties=(("stack", str), ("stack_saes", lambda name: " ".join(name.ids))),
    renamed=_renamed,
    key=lambda name: "+".join(name.ids),  # others may have the same ends
)


def interventions(saes: Sequence[SaeRef]) -> list[Intervention]:
    """Each stack of some SAEs."""
    return [Intervention(stack) for stack in stacks(saes)]


def stacks(saes: Sequence[SaeRef]) -> list[Stack]:
    """The stacks of a release's SAEs, each of two SAEs or more, none of them in two."""
    found = [tuple(sorted(each, key=_depth)) for each in _chosen(saes)]
    return [stack for stack in found if len(stack) > 1]


def said(stack: Stack) -> str:
    """A stack in a sentence."""
    return f"{counted(len(stack), 'SAE')} from {stack[0].sae_id} to {stack[-1].sae_id}"


def stored_stacks(saes: Sequence[SaeRef], stored: Collection[str] | None) -> list[Stack]:
    """The stacks of some SAEs that are among the interventions that are stored; None: all."""
    return [each for each in stacks(saes) if stored is None or Intervention(each).name in stored]


def told(release: Release, stored: Collection[str] | None = None) -> str:
    """Which SAEs of a release are spliced in together; "" where it is all of them, or none."""
    found = stored_stacks(release.saes, stored)
    missing = [each for each in stacks(release.saes) if each not in found]
    if missing:
        return (
            f"nothing is asked of the stack of {'; '.join(map(said, missing))}: these were not "
            "spliced in together, without others, when they were measured"
        )
    left = len(release.saes) - sum(map(len, found))
    if not found or (len(found) == 1 and not left and release.size == len(release.saes)):
        return ""
    chosen = release.size > len(release.saes)
    which = f" of the {len(release.saes)} that were chosen" * chosen
    parts = "; ".join(map(said, found))
    alone = f"; {counted(left, 'SAE')} with no other" if left else ""
    one_kind = len(found) > 1 or left > 0
    why = ", since of SAEs at one hook point only those of one kind go together" * one_kind
    return f"spliced in together{which}: {parts}{alone}{why}"


def _chosen(saes: Sequence[SaeRef]) -> list[list[SaeRef]]:
    if all(len(here) == 1 for here in grouped(saes, written_at)):
        return [list(saes)]
    found = []
    for alike in grouped(saes, family):
        there = ranked(alike)
        for rank in range(max(map(len, there))):
            found.append([here[rank] for here in there if rank < len(here)])
    return found


def _depth(sae: SaeRef) -> tuple[tuple[int, int], list[tuple[int, str]]]:
    """Sorts as a pass meets where SAEs write; those of one place, such as heads, by their ids."""
    return depth(sae.writes), natural_order(sae.sae_id)
