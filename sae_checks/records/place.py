"""Where a cell lies: a place made of named selectors, and the cell before anything is measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple, Protocol

from sae_checks.records import PositionRange, SaeRef
from sae_checks.records.selectors import (
    HOOK,
    LAYER,
    RELEASE,
    SAE,
    SITE,
    TRAINED_AS,
    Pattern,
    Selector,
)

CellFamily = Literal["claim", "range"]


@dataclass(frozen=True)
class Place:
    """Values of selectors, in their order: `place["sae"]`, `"task" in place`."""

    parts: tuple[tuple[Selector, Any], ...]

    @classmethod
    def of_release(cls, release: str) -> Place:
        """The place of a whole release."""
        return cls(((RELEASE, release),))

    @classmethod
    def of_sae(cls, release: str, sae: SaeRef) -> Place:
        """The place of an SAE."""
        named = ((RELEASE, release), (SAE, sae.sae_id))
        lies = ((LAYER, sae.layer), (SITE, sae.site), (HOOK, sae.hook_point))
        return cls((*named, *lies, (TRAINED_AS, sae.trained_as)))

    def at(self, selector: Selector, value: Any) -> Place:
        """A place within this one.

        Raises:
            ValueError: it already has a value of this selector.
        """
        if selector.name in self:
            raise ValueError(f"{self} has a {selector.name} already: {self[selector.name]}")
        return Place((*self.parts, (selector, value)))

    @cached_property
    def _values(self) -> dict[str, Any]:
        """By the names of selectors."""
        return {selector.name: value for selector, value in self.parts}

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a selector, or a default where the place has none."""
        return self._values.get(name, default)

    @property
    def told(self) -> tuple[str, ...]:
        """What names it in ids and messages; of the release only where no SAE is named."""
        named = [(selector, value) for selector, value in self.parts if selector.names_cell]
        if any(selector.renamed for selector, _ in named):
            named = [(selector, value) for selector, value in named if selector != RELEASE]
        return tuple(str(value) for _, value in named)

    @property
    def of_saes(self) -> str:
        """What of it names SAEs; "" for the whole release."""
        return " ".join(str(value) for selector, value in self.parts if selector.renamed)

    @property
    def title_of_saes(self) -> str:
        """What reports call all places that are named alike, such as pairs of SAEs; "": nothing."""
        return next((s.title for s, _ in self.parts if s.renamed and s.title), "")

    @property
    def within_saes(self) -> tuple[tuple[Selector, Any], ...]:
        """What of it names neither the release nor SAEs, but a part of what was measured."""
        return tuple(
            (selector, value)
            for selector, value in self.parts
            if selector.names_cell and selector != RELEASE and not selector.renamed
        )

    def __str__(self) -> str:
        return " ".join(self.told)

    def matched_by(self, patterns: Mapping[str, Pattern]) -> bool:
        """Whether each pattern, by its selector's name, matches; what is lacking matches none."""
        return all(name in self and of.matches(self[name]) for name, of in patterns.items())

    def patterns(self, *, naming: bool = False) -> dict[str, Pattern]:
        """Patterns that together match this place.

        Of places with the same selectors they match no other but those within its positions.

        Args:
            naming: only those of the selectors that name cells.
        """
        return {
            selector.name: selector.pattern.of(value)
            for selector, value in self.parts
            if selector.pattern is not None and (selector.names_cell or not naming)
        }

    def properties(self) -> dict[str, str]:
        """Its JUnit properties."""
        return {
            name: written(value)
            for selector, value in self.parts
            for name, written in selector.properties
        }

    def key(self, matches: Mapping[str, str] | None = None) -> tuple[tuple[str, str], ...] | None:
        """Names and values of what names it within a release, as a baseline writes them.

        Args:
            matches: other ids of SAEs, by their own; None: their own.

        Returns:
            None where an SAE has no other id.
        """
        found = []
        for selector, value in self.parts:
            if not selector.names_cell or selector == RELEASE:
                continue
            if matches is not None and selector.renamed is not None:
                value = selector.renamed(value, matches)
                if value is None:
                    return None
            found.append((selector.name, selector.key(value)))
        return tuple(found)


class CellKey(NamedTuple):
    """Names one cell in a baseline."""

    check: str
    place: tuple[tuple[str, str], ...]  # of `Place.key`

    def get(self, selector: str, default: str = "") -> str:
        """The value of a selector as it is written."""
        return dict(self.place).get(selector, default)

    @property
    def where(self) -> str:
        """Its place, for messages."""
        return " ".join(value for _, value in self.place)


class Kind(Protocol):
    """What is known of the kind of a cell where no evaluation is; `evals/kind.py` has all of it."""

    @property
    def name(self) -> str:
        """As in @check(cells=...)."""

    @property
    def whole_release(self) -> bool:
        """Whether its cells are about all SAEs of a release together."""

    @property
    def of_positions(self) -> bool:
        """Whether a cell that names no positions is about all that were measured."""

    @property
    def texts(self) -> tuple[str, ...]:
        """The data sets of texts that its cells are cut from, where they are cut from texts."""


@dataclass(frozen=True)
class CellRef:
    """Which cell a test is about, before anything is measured.

    Attributes:
        kind: of the cell.
        place: where it lies.
        saes: that its place names; none for a cell of the whole release, which is about all.
        compared: of a comparison with a baseline: the name of the check that is compared.
        absent: a cell of the baseline that the release does not have.
        family: a claim decides; a range of positions within one says where.
    """

    kind: Kind
    place: Place
    saes: tuple[SaeRef, ...] = ()
    compared: str = ""
    absent: CellKey | None = None
    family: CellFamily = "claim"

    def __str__(self) -> str:
        if self.absent is not None:
            check, place = self.absent
            return "-".join(["missing", check, *(value for _, value in place)])
        told = "-".join(self.place.told)
        return f"{self.compared}-{told}" if self.compared else told

    def __contains__(self, name: object) -> bool:
        return name in self.place

    def __getitem__(self, name: str) -> Any:
        return self.place[name]

    @property
    def release(self) -> str:
        """The release's name."""
        return str(self.place["release"])

    @property
    def sae(self) -> SaeRef | None:
        """The SAE of a cell of one."""
        return self.saes[0] if "sae" in self.place else None

    @property
    def positions(self) -> PositionRange | None:
        """The positions that its place names."""
        found: PositionRange | None = self.place.get("positions")
        return found

    @property
    def task(self) -> str | None:
        """The task of a cell of one."""
        found: str | None = self.place.get("task")
        return found

    @property
    def datasets(self) -> tuple[str, ...]:
        """The data sets whose tables it is cut from: its task, or texts."""
        return self.kind.texts if self.task is None else (self.task,)
