"""What a run needs measured: which columns of an evaluation, and what computing them takes."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass
from functools import cached_property

from sae_checks.records.column import Column, Of


@dataclass(frozen=True)
class Plan:
    """The columns of one evaluation that are measured."""

    columns: tuple[Column, ...]

    @classmethod
    def of(
        cls, columns: Iterable[Column], needs: Set[str], offered: Set[str] | None = None
    ) -> Plan:
        """A plan for what checks need: those columns, what they bring, and what is always measured.

        Args:
            columns: all of an evaluation.
            needs: names; those of other evaluations are passed over.
            offered: names of those that the data set has; None: it has all.
        """
        known = tuple(columns)
        wanted = {column.name for column in known if column.always or column.name in needs}
        wanted |= {name for column in known if column.name in wanted for name in column.brings}
        if offered is not None:
            wanted &= offered
        return cls(tuple(column for column in known if column.name in wanted))

    @cached_property
    def names(self) -> frozenset[str]:
        """Of its columns."""
        return frozenset(column.name for column in self.columns)

    @property
    def grown(self) -> frozenset[str]:
        """Names of the columns that are measured part by part."""
        return frozenset(column.name for column in self.columns if not column.at_the_end)

    @property
    def judged(self) -> frozenset[str]:
        """Names of those without which a stored table does not do; what is shown only is none."""
        return frozenset(c.name for c in self.columns if not (c.at_the_end or c.shown_only))

    @property
    def in_rows(self) -> tuple[str, ...]:
        """Names of the columns that are no tables of their own, in alphabetical order."""
        return tuple(sorted(column.name for column in self.columns if not column.side_table))

    def per_token(self, of: Of) -> tuple[Column, ...]:
        """The columns whose metrics are computed from this alone."""
        return tuple(column for column in self.columns if column.of == of)

    @property
    def encodes(self) -> bool:
        """Whether the SAEs have to be run at all."""
        return any(column.needs_features for column in self.columns)

    @property
    def splices(self) -> bool:
        """Whether reconstructions have to be put back into the model."""
        return any(column.splices for column in self.columns)

    @property
    def unembeds(self) -> bool:
        """Whether the unembedding is needed."""
        return any(column.unembeds for column in self.columns)

    def __contains__(self, name: str) -> bool:
        return name in self.names
