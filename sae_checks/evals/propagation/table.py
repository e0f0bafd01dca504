"""What the propagation evaluation measures: the first positions of texts, at a later SAE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, TypeVar
from weakref import ref

from sae_checks.evals.context.table import POSITION_SUMS, ContextTable, PositionSums
from sae_checks.records import SideTable

_Context = TypeVar("_Context", bound=ContextTable)


@dataclass(frozen=True)
class PropagationTable(ContextTable):
    """Dense arrays over (text, position), of the SAE that is observed while another is spliced in.

    Columns are those of `ContextTable` that the SAE has without the splice, and `direct_l0`,
    `direct_mse`, `direct_norm`: NaN where no residual stream carries anything directly.
    """

    EVALUATION: ClassVar[str] = "propagation"
    SIDE: ClassVar[Mapping[str, type[SideTable]]] = {POSITION_SUMS: PositionSums}

    @cached_property
    def _with_massive_of(self) -> list[tuple[ref[ContextTable], PropagationTable]]:
        return []

    def massive_as_in(self, clean: ContextTable) -> PropagationTable:
        """The same, its massive tokens those of another table, on the same texts and positions.

        Every check of a pair asks for the same two tables. The last one is kept, and does not keep
        the other table: in an adaptive run that is another one at each look.
        """
        kept = self._with_massive_of
        if not kept or kept[0][0]() is not clean:
            labels = {**self.labels, "massive": clean.massive}
            kept[:] = [(ref(clean), replace(self, labels=labels))]
        return kept[0][1]


def first_positions(table: ContextTable, positions: int) -> ContextTable:
    """The same table, cut after so many positions."""
    return table.once(("first positions", positions), lambda: _cut(table, positions))


def first_texts(table: _Context, texts: int) -> _Context:
    """The same table, of so many texts."""
    if table.texts == texts:
        return table
    return table.once(("first texts", texts), lambda: table.keep(slice(texts)))


def _cut(table: ContextTable, positions: int) -> ContextTable:
    side: dict[str, SideTable] = dict(table.side)
    if table.position_sums is not None:
        cut = {name: each[:positions] for name, each in table.position_sums.arrays().items()}
        side[POSITION_SUMS] = PositionSums(**cut)
    return replace(
        table,
        columns={name: values[:, :positions] for name, values in table.columns.items()},
        labels={name: values[:, :positions] for name, values in table.labels.items()},
        side=side,
    )
