"""Tables that grow: block by block while the stopping rule asks for more, part by part on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sae_checks.errors import SaeError
from sae_checks.measure.blocks import remaining, schedule
from sae_checks.measure.dataset import Dataset
from sae_checks.measure.engine import listen
from sae_checks.measure.evaluation import Measurer
from sae_checks.measure.loaded import LoadedModels
from sae_checks.measure.request import Request, WantedDataset
from sae_checks.measure.work import NO_UNITS, Growing, Work
from sae_checks.records import IntArray, Intervention, SaeRef, Table, TableKey


@dataclass(frozen=True)
class Growth:
    """All evaluations of one data set, as their tables grow.

    Attributes:
        wanted: the data set.
        dataset: the same, read.
        works: what each evaluation measures.
        measurers: of the evaluations, in the order of `works`.
        saes: those that can be measured.
        others: tables of data sets measured before, which the stopping rule may look at.
        progress: told how many of all units, of all interventions, are dealt with.
    """

    request: Request
    wanted: WantedDataset
    dataset: Dataset
    loaded: LoadedModels
    works: Sequence[Work]
    measurers: Sequence[Measurer]
    saes: tuple[SaeRef, ...]
    others: Sequence[Table]
    progress: Callable[[int], None]

    def run(self) -> None:
        """Let all tables grow, until each is settled or has all there is."""
        size = self.dataset.size
        looks = schedule(size, self.dataset.first)
        for stop in looks if self.request.adaptive else [size]:
            self._block(stop, looks, self._unsettled(looks))
        self.progress(self.left())

    def left(self) -> int:
        """How many units there are to measure at most, of all interventions together."""
        there: dict[Intervention, int] = {}
        for work in self.works:
            for intervention in self.interventions(work):
                units = len(work.units(intervention))
                there[intervention] = min(units, there.get(intervention, units))
        return sum(self.dataset.size - units for units in there.values())

    def interventions(self, work: Work) -> list[Intervention]:
        """Those of which more is needed, and whose SAEs can be measured."""
        readable = set(self._readable)
        return [
            i
            for i, tables in work.growing.items()
            if tables and i in work.missing and readable.issuperset(i.saes)
        ]

    @property
    def _readable(self) -> list[SaeRef]:
        """The SAEs that can be measured, as far as is known by now."""
        return [sae for sae in self.saes if sae.sae_id not in self.loaded.saes.failures]

    def _unsettled(self, looks: Sequence[int]) -> frozenset[str]:
        tables = [*self.others, *(t for work in self.works for t in work.as_looked_at(looks))]
        so_far = self.request.so_far(tables)
        name = self.wanted.ref.name
        return frozenset(self.request.stopping.unsettled(so_far, name, self.dataset.size))

    def _block(self, stop: int, looks: Sequence[int], unsettled: frozenset[str]) -> None:
        """Measure up to a block's end what is not settled, or was stopped within a block."""

        def parts(start: int, end: int) -> list[IntArray]:
            assert self.loaded.model is not None, "something is measured"
            return self.dataset.parts(start, end, self.loaded.model, self.loaded.settings)

        groups: dict[tuple[int, int, int], list[tuple[int, Intervention]]] = {}
        parts_of: dict[tuple[int, int, int], tuple[IntArray, ...]] = {}
        for index, work in enumerate(self.works):
            for intervention in self.interventions(work):
                settled = unsettled.isdisjoint(sae.sae_id for sae in intervention.saes)
                there = work.units(intervention)
                # Of what no verdict asks for, a first block is measured all the same.
                if settled and len(there) and not work.within(intervention, looks):
                    continue
                left = remaining(there, stop, looks, parts)
                if left.start < 0:  # of batches of another size, perhaps
                    work.begin_anew(intervention, stale=True)
                    left = remaining(NO_UNITS, stop, looks, parts)
                groups.setdefault(left.key, []).append((index, intervention))
                parts_of[left.key] = left.parts
        for key in sorted(groups):
            for units in parts_of[key]:
                self._part(units, groups[key])

    def _part(self, units: IntArray, group: Sequence[tuple[int, Intervention]]) -> None:
        """Measure one part, and store it; without the SAEs that cannot be read any more."""
        while group := [(w, i) for w, i in group if i in self.interventions(self.works[w])]:
            failed = len(self.loaded.saes.failures)
            try:
                tables = self._listen(units, group)
                break
            except SaeError:
                if len(self.loaded.saes.failures) == failed:
                    raise
                for work in self.works:
                    work.leave_out_all_but(self._readable)
        order = np.argsort(units, kind="stable")
        for index, intervention in group:
            for one in self.works[index].growing[intervention]:
                complete = len(one.units) + len(units) == self.dataset.size
                part = replace(tables[one.ref.key].in_order(order), complete=complete)
                self._keep(one, part, units[order])

    def _listen(
        self, units: IntArray, group: Sequence[tuple[int, Intervention]]
    ) -> dict[TableKey, Table]:
        """What evaluations record of one part, its rows in the order of reading."""
        model, settings = self.loaded.model, self.loaded.settings
        assert model is not None, "something is measured"
        listeners = [
            measurer.listen(units, some)
            for index, measurer in enumerate(self.measurers)
            if (some := [i for which, i in group if which == index])
        ]
        batches = self.dataset.batches(units, model, settings)
        listen(model, self.loaded.saes, batches, listeners, self.progress)
        return {table.key: table for each in listeners for table in each.tables()}

    def _keep(self, one: Growing, part: Table, units: IntArray) -> None:
        """Put a part on disk, and then among what is there; of several tables, one may have it."""
        if one.has(units):
            return
        store, description = self.request.store, self.dataset.description
        if one.stale:
            store.write(one.ref, part, units, description)
            one.stale = False
        else:  # beside what is stored for fewer columns, or by another run meanwhile
            store.append(one.ref, part, units, description)
        one.add(part, units)
