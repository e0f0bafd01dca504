"""Tables that grow, and what each evaluation has of them; without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from sae_checks.measure.blocks import leading, looked_at
from sae_checks.measure.evaluation import Evaluation
from sae_checks.measure.plan import Plan
from sae_checks.records import IntArray, Intervention, SaeRef, Table
from sae_checks.records.dataset import TableRef
from sae_checks.store import StoredTable

NO_UNITS: IntArray = np.zeros(0, dtype=np.int64)


@dataclass
class Growing:
    """A table under way.

    Attributes:
        ref: which one.
        table: what is there of it, its units in rising order; None before there is any.
        units: their numbers.
        in_parts: whether it is stored in parts, to be stored as one in the end.
        stale: whether what is stored has to give way, as it cannot be gone on from.
    """

    ref: TableRef
    table: Table | None = None
    units: IntArray = field(default_factory=lambda: NO_UNITS)
    in_parts: bool = False
    stale: bool = False

    @classmethod
    def of(cls, ref: TableRef, stored: StoredTable | None) -> Growing:
        """What is stored of a table."""
        if stored is None:
            return cls(ref)
        return cls(ref, stored.table, stored.units, stored.in_parts)

    def add(self, part: Table, units: IntArray) -> None:
        """Put a part's rows, of these units, among those that are there."""
        table = part if self.table is None else self.table.join(part)
        numbers = np.concatenate([self.units, units])
        order = np.argsort(numbers, kind="stable")
        if not np.array_equal(order, np.arange(len(order))):
            table = table.in_order(order)
        self.table, self.units, self.in_parts = table, numbers[order], True

    def has(self, units: IntArray) -> bool:
        """Whether some units are there."""
        return bool(np.isin(units, self.units).all())

    def within(self, looks: Sequence[int]) -> bool:
        """Whether it was stopped within a block."""
        if self.table is None or self.table.complete:
            return False
        there = len(self.units)
        return there not in looks or leading(self.units) < there

    def as_looked_at(self, looks: Sequence[int]) -> Table | None:
        """What the stopping rule may look at: whole blocks."""
        if self.table is None or not self.within(looks):
            return self.table
        whole = looked_at(self.units, looks)
        return self.table.keep(slice(whole)) if whole else None


@dataclass(frozen=True)
class Work:
    """What one evaluation measures on one data set.

    Attributes:
        plan: for the tables that need more.
        growing: by intervention, the tables that it gives.
        missing: the interventions of which more is needed, as far as is known before measuring.
    """

    evaluation: Evaluation
    plan: Plan
    growing: dict[Intervention, list[Growing]]
    missing: frozenset[Intervention]

    @property
    def tables(self) -> list[Table]:
        """All that is there."""
        each = (one for of in self.growing.values() for one in of)
        return [one.table for one in each if one.table is not None]

    def as_looked_at(self, looks: Sequence[int]) -> list[Table]:
        """What the stopping rule may look at."""
        each = (one.as_looked_at(looks) for of in self.growing.values() for one in of)
        return [table for table in each if table is not None]

    def within(self, intervention: Intervention, looks: Sequence[int]) -> bool:
        """Whether a table of an intervention was stopped within a block."""
        return any(one.within(looks) for one in self.growing[intervention])

    def units(self, intervention: Intervention) -> IntArray:
        """The units that all tables of an intervention have."""
        found: IntArray | None = None
        for one in self.growing[intervention]:
            found = one.units if found is None else np.intersect1d(found, one.units)
        return NO_UNITS if found is None else found

    def observed(self, intervention: Intervention) -> list[SaeRef]:
        """The SAEs that have tables of their own under an intervention."""
        observed = (one.ref.observed for one in self.growing.get(intervention, ()))
        return [sae for sae in observed if sae is not None]

    def leave_out_all_but(self, saes: Sequence[SaeRef]) -> None:
        """Forget the tables of SAEs further down the model that cannot be measured.

        What else is observed with the same SAEs spliced in is measured all the same.
        """
        for intervention, growing in self.growing.items():
            if intervention not in self.missing:
                continue  # what is stored whole stays, whatever can be measured now
            self.growing[intervention] = [
                one for one in growing if one.ref.observed is None or one.ref.observed in saes
            ]

    def begin_anew(self, intervention: Intervention, *, stale: bool = False) -> None:
        """Forget what is there of an intervention; stale: and on disk too, as soon as may be."""
        for one in self.growing[intervention]:
            one.table, one.units, one.stale = None, NO_UNITS, stale
