"""A run of `Growth` with made-up models, tables and stopping rules, without torch at work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

from sae_checks.errors import SaeError
from sae_checks.measure import growth
from sae_checks.measure.evaluation import Evaluation
from sae_checks.measure.growth import Growth
from sae_checks.measure.plan import Plan
from sae_checks.measure.work import Growing, Work
from sae_checks.records import IntArray, Intervention, SaeRef, Table
from sae_checks.records.dataset import DatasetRef, TableRef
from tests import builders

DATASET = DatasetRef("made-up")


@dataclass(frozen=True)
class MadeTable(Table):
    EVALUATION: ClassVar[str] = "made-up"
    UNIT: ClassVar[str] = "item"


def made(ref: TableRef, units: Iterable[int]) -> MadeTable:
    """A table whose only column holds the numbers of its units."""
    values = np.array(list(units), dtype=np.float64)
    return MadeTable(
        DATASET.name, ref.intervention, {"unit": values}, {}, observed=ref.observed, complete=False
    )


EVALUATION = Evaluation(MadeTable, (), "item", "item", lambda measuring: None)  # type: ignore[arg-type, return-value]


@dataclass
class MadeStore:
    """Keeps the numbers of the units that are stored, as the store's own rules would have it."""

    units: dict[str, list[int]] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)

    def write(self, ref: TableRef, table: Table, units: IntArray, description: object) -> None:
        self.written.append(name(ref))
        self.units[name(ref)] = units.tolist()

    def append(self, ref: TableRef, table: Table, units: IntArray, description: object) -> None:
        there = self.units.setdefault(name(ref), [])
        assert not set(there) & set(units.tolist())
        there += units.tolist()
        assert table.complete == (len(there) == table_size(table, there))


def table_size(table: Table, there: Sequence[int]) -> int:
    """That of the data set, where the table says that it is complete, else more than is there."""
    return len(there) if table.complete else len(there) + 1


def name(ref: TableRef) -> str:
    observed = "" if ref.observed is None else f" at {ref.observed.sae_id}"
    return ref.intervention.name + observed


@dataclass
class Run:
    """A run of `Growth` with made-up models, whose part is as many units as `part` says.

    Attributes:
        needs: by SAE id, how many units it has to have before it is settled.
        before: by SAE id, the units that are stored.
        calls: what was measured together: SAE ids, and units.
        asked: the lengths of all tables whenever the stopping rule was asked.
    """

    size: int
    needs: Mapping[str, int]
    before: Mapping[str, Sequence[int]] = field(default_factory=dict)
    adaptive: bool = True
    first: int = 16
    part: int = 1_000
    shortest: str = "first"  # units; or "odd" ones
    ref: DatasetRef = DATASET
    description: Mapping[str, object] = field(default_factory=dict)
    calls: list[tuple[str, list[int]]] = field(default_factory=list)
    asked: list[dict[str, int]] = field(default_factory=list)
    unreadable: str = ""  # the id of an SAE that cannot be read any more
    failures: dict[str, str] = field(default_factory=dict)
    steps: list[int] = field(default_factory=list)
    store: MadeStore = field(default_factory=MadeStore)

    # As a data set:
    def parts(self, start: int, stop: int, model: object, settings: object) -> list[IntArray]:
        units = np.arange(start, stop)
        if self.shortest == "odd":
            units = np.concatenate([units[units % 2 == 1], units[units % 2 == 0]])
        return [units[row : row + self.part] for row in range(0, len(units), self.part)]

    def batches(self, units: IntArray, model: object, settings: object) -> Iterator[IntArray]:
        yield units

    # As a stopping rule:
    def unsettled(self, so_far: Sequence[Table], dataset: str, budget: int) -> set[str]:
        assert (dataset, budget) == (DATASET.name, self.size)
        lengths = {table.intervention.name: table.rows for table in so_far}
        self.asked.append(lengths)
        if not self.adaptive:
            return set(self.needs)
        return {name for name, need in self.needs.items() if lengths.get(name, 0) < need}

    # As a measurer:
    def listen(self, units: IntArray, interventions: Sequence[Intervention]) -> Any:
        refs = [ref for i in interventions for ref in self.work.evaluation_refs(i)]
        return SimpleNamespace(
            interventions=interventions,
            refs=refs,
            tables=lambda: [made(ref, units) for ref in refs],
        )

    def measure(
        self,
        model: object,
        saes: object,
        batches: Iterable[IntArray],
        listeners: Any,
        progress: Any,
    ) -> None:
        (listener,) = listeners
        asked = {ref.observed.sae_id for ref in listener.refs if ref.observed is not None}
        if self.unreadable in asked | {i.name for i in listener.interventions}:
            self.failures[self.unreadable] = "gone"
            raise SaeError("gone")
        for units in batches:
            ids = [intervention.name for intervention in listener.interventions]
            self.calls.append((" ".join(ids), units.tolist()))
            for _ in ids:
                self.steps.append(len(units))
                progress(len(units))

    def grow(self, observed: Sequence[SaeRef | None] = (None,)) -> Growth:
        saes = tuple(builders.sae_ref(sae_id) for sae_id in self.needs)
        readable = (*saes, *(sae for sae in observed if sae is not None))
        growing = {}
        for sae in saes:
            refs = [TableRef(MadeTable, DATASET, Intervention((sae,)), each) for each in observed]
            growing[Intervention((sae,))] = [self.growing(ref) for ref in refs]
        work = Work(EVALUATION, Plan(()), growing, frozenset(growing))
        self.work = SimpleNamespace(
            evaluation_refs=lambda i: [one.ref for one in growing[i]], work=work
        )
        request = SimpleNamespace(
            adaptive=self.adaptive, stopping=self, so_far=list, store=self.store
        )
        loaded = SimpleNamespace(
            model="a model", settings=None, saes=SimpleNamespace(failures=self.failures)
        )
        grown = Growth(
            request, SimpleNamespace(ref=DATASET), self, loaded, [work], [self], readable, [],
            self.told.append,
        )  # type: ignore[arg-type]  # fmt: skip
        self.left = grown.left()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(growth, "listen", self.measure)
            grown.run()
        return grown

    def growing(self, ref: TableRef) -> Growing:
        there = self.before.get(name(ref), ())
        if not there:
            return Growing(ref)
        self.store.units[name(ref)] = list(there)
        table = made(ref, there)
        units = np.array(there, dtype=np.int64)
        if len(there) == self.size:
            table = MadeTable(DATASET.name, ref.intervention, table.columns, {})
        return Growing(ref, table, units)

    def __post_init__(self) -> None:
        self.told: list[int] = []

    def found(self, grown: Growth) -> dict[str, list[int]]:
        """The units of each table, which its rows are of, and which are stored."""
        units = {}
        for of_intervention in grown.works[0].growing.values():
            for one in of_intervention:
                units[name(one.ref)] = one.units.tolist()
                if one.table is not None:
                    np.testing.assert_array_equal(one.table.columns["unit"], one.units)
                    assert one.table.complete == (len(one.units) == self.size)
                assert sorted(self.store.units.get(name(one.ref), [])) == one.units.tolist()
        return units


def stretch(start: int, stop: int) -> list[int]:
    return list(range(start, stop))
