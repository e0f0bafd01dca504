"""One kind of table: what an evaluation measured with an intervention on the units of a dataset.

A table has one row per unit of its dataset: a text, or an item of a task. Its key tells it apart
from every other table of a release. Each evaluation has a class of its own that says what its
columns are shaped like, and gives names to what stands beside them; what is done with tables as
such (keeping some rows, joining, storing) is told here, once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from sae_checks.records.arrays import BoolArray, FloatArray, IntArray
from sae_checks.records.release import SaeRef, shortest_training_context

TEXTS = "texts"  # the dataset of texts of a run's corpus; tasks are datasets of their own names
SHIFT = "shift"  # the dataset of texts of its second corpus (`--sae-shift`)
TEXT_DATASETS = (TEXTS, SHIFT)
# Independent units are dealt out to this many groups, one of which at a time is left out for
# intervals.
GROUPS = 20

_Side = TypeVar("_Side", bound="SideTable")
_Table = TypeVar("_Table", bound="Table")


class TableKey(NamedTuple):
    """Tells a table from every other one of a release."""

    evaluation: str
    dataset: str
    intervention: str
    observed: str = ""  # an SAE's id, where it is not the one that is spliced in


@dataclass(frozen=True)
class Intervention:
    """The SAEs that are spliced into the model at once; none: the model as it is."""

    saes: tuple[SaeRef, ...]

    def __post_init__(self) -> None:
        written = [sae.writes for sae in self.saes]
        if len(set(written)) < len(written):
            raise ValueError(
                "SAEs that are spliced in at once need hook points of their own to write at, got "
                f"{self.name}"
            )

    @property
    def name(self) -> str:
        """The ids of its SAEs, in the order of the model."""
        return "+".join(sae.sae_id for sae in self.saes)


@dataclass(frozen=True)
class SideTable:
    """Rows of another unit that go with a table: features, positions.

    A subclass has arrays that share their first axis, one entry per row.
    """

    JOINS: ClassVar[bool] = True  # whether those of two tables can be known of both together

    def join(self: _Side, later: _Side) -> _Side | None:
        """Both as one, of the rows of both tables; None where that is not known."""
        raise NotImplementedError

    def kept(self: _Side) -> _Side | None:
        """What holds where the table keeps only some of its rows; None if nothing does."""
        raise NotImplementedError

    def arrays(self) -> dict[str, NDArray[Any]]:
        """By name, those that share the first axis."""
        values = ((each.name, getattr(self, each.name)) for each in fields(self))
        return {name: value for name, value in values if isinstance(value, np.ndarray)}

    def derived(self, table: Table) -> dict[str, NDArray[Any]]:
        """(rows,) by name, what follows from its arrays and its table: for readers of files."""
        return {}


@dataclass(frozen=True)
class Table:
    """A row per unit: dense arrays over units, or over (unit, position); NaN where undefined.

    Attributes:
        dataset: the texts (`TEXTS`), those of a second corpus (`SHIFT`), or a task's name.
        intervention: what was spliced in.
        columns: what was measured, by name.
        labels: what is known of each row without measuring an SAE: its document, its source.
        side: rows of other units, by name.
        observed: the SAE that the figures are of, where it is not the one that is spliced in.
        complete: whether all units of the budget were measured.
        part: whether these are some of the units that were measured; side tables may be of all.
    """

    EVALUATION: ClassVar[str]
    UNIT: ClassVar[str]  # what a row is
    SIDE: ClassVar[Mapping[str, type[SideTable]]] = {}

    dataset: str
    intervention: Intervention
    columns: dict[str, FloatArray]
    labels: dict[str, NDArray[Any]]
    side: dict[str, SideTable] = field(default_factory=dict)
    observed: SaeRef | None = None
    complete: bool = True
    part: bool = False

    @property
    def key(self) -> TableKey:
        """Which table it is."""
        observed = "" if self.observed is None else self.observed.sae_id
        return TableKey(self.EVALUATION, self.dataset, self.intervention.name, observed)

    @property
    def sae(self) -> SaeRef:
        """The SAE that the figures are of: the one observed, else the only one spliced in."""
        if self.observed is not None:
            return self.observed
        (only,) = self.intervention.saes
        return only

    @property
    def saes(self) -> tuple[SaeRef, ...]:
        """All SAEs that it is about: those spliced in, and the one observed."""
        return (*self.intervention.saes, *(() if self.observed is None else (self.observed,)))

    @property
    def training_context(self) -> int | None:
        """In tokens, of the one of its SAEs that was trained on the shortest; None: undeclared."""
        return shortest_training_context(self.saes)

    @property
    def rows(self) -> int:
        """How many units."""
        some = next(iter({**self.labels, **self.columns}.values()), None)
        return 0 if some is None else len(some)

    def side_table(self, name: str, kind: type[_Side]) -> _Side | None:
        """A side table; None where it was not measured."""
        found = self.side.get(name)
        return found if isinstance(found, kind) else None

    @cached_property
    def measured(self) -> frozenset[str]:
        """The columns and side tables that it has."""
        return frozenset({*self.columns, *self.side})

    def derived(self) -> dict[str, NDArray[Any]]:
        """By name, what follows from its columns, of their shape: for readers of stored files.

        Masked where undefined.
        """
        return {}

    @property
    def unit_count(self) -> int:
        """How many independent units its rows are of."""
        raise NotImplementedError

    @property
    def groups(self) -> IntArray:
        """(independent units,) the group of each, 0 .. GROUPS - 1."""
        raise NotImplementedError

    def in_order(self: _Table, rows: IntArray) -> _Table:
        """All of its rows, in another order; side tables are of all rows alike."""
        return replace(
            self,
            columns={name: values[rows] for name, values in self.columns.items()},
            labels={name: values[rows] for name, values in self.labels.items()},
        )

    def keep(self: _Table, rows: slice | BoolArray) -> _Table:
        """Some of the rows."""
        side = {name: each.kept() for name, each in self.side.items()}
        return replace(
            self,
            columns={name: values[rows] for name, values in self.columns.items()},
            labels={name: values[rows] for name, values in self.labels.items()},
            side={name: each for name, each in side.items() if each is not None},
            part=True,
        )

    def without_group(self: _Table, group: int) -> _Table:
        """The independent units of all groups but one."""
        raise NotImplementedError

    def join(self: _Table, later: _Table) -> _Table:
        """The rows of both, one after the other; the later ones say whether that is all.

        Raises:
            ValueError: one has labels that the other lacks.
        """
        if self.labels.keys() != later.labels.keys():
            only = sorted(self.labels.keys() ^ later.labels.keys())
            raise ValueError(f"only one of two tables of {self.key} has {', '.join(only)}")
        side = {
            name: each.join(later.side[name])
            for name, each in self.side.items()
            if name in later.side
        }
        return replace(
            self,
            columns=_joined(self.columns, later.columns),
            labels=_joined(self.labels, later.labels),
            side={name: each for name, each in side.items() if each is not None},
            complete=later.complete,
        )


def dealt_out(units: IntArray) -> IntArray:
    """(units,) the group, 0 .. GROUPS - 1, of independent units by their numbers."""
    return units % GROUPS


def _joined(
    first: Mapping[str, NDArray[Any]], second: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    return {name: np.concatenate([values, second[name]]) for name, values in first.items()}
