"""What became of comparing one kind of result: how many values, how many differ, and which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

SHOWN = 3  # differences that are told in full


class EqualityError(Exception):
    """Results that cannot be compared, in one sentence."""


@dataclass(frozen=True)
class Comparison:
    """The values of one kind on both sides.

    Attributes:
        what: the kind: "tokens", "properties".
        compared: how many values were looked at on both sides.
        differing: how many differ, by the column or property that they are of.
        first: the first `SHOWN` differences, each as a sentence.
        notes: what one side has beyond the other without being a difference.
    """

    what: str
    compared: int = 0
    differing: Mapping[str, int] = field(default_factory=dict)
    first: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def differences(self) -> int:
        """How many values differ."""
        return sum(self.differing.values())


def together(what: str, parts: Iterable[Comparison]) -> Comparison:
    """Several comparisons as one; a note that several have is told once."""
    compared, differing = 0, Counter[str]()
    first: list[str] = []
    notes: dict[str, None] = {}
    for part in parts:
        compared += part.compared
        differing.update(part.differing)
        first += part.first
        notes.update(dict.fromkeys(part.notes))
    return Comparison(what, compared, dict(differing), tuple(first[:SHOWN]), tuple(notes))


def lines(run: str, comparison: Comparison) -> list[str]:
    """A row of the printed table, and below it what differs."""
    c = comparison
    told = [f"{run:<18} {c.what:<14} {c.compared:>12,} {c.differences:>10,}"]
    if c.differences:
        names = sorted(c.differing.items(), key=lambda pair: (-pair[1], pair[0]))
        told.append(f"    differing: {', '.join(f'{name} ({n:,})' for name, n in names)}")
    told += [f"    {difference}" for difference in c.first]
    told += [f"    note: {note}" for note in c.notes]
    return told


HEAD = f"{'run':<18} {'what':<14} {'compared':>12} {'differ':>10}"
