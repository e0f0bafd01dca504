"""What the propagation evaluation measures: the first positions of texts, at a later SAE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from sae_checks.evals.context.table import POSITION_SUMS, ContextTable, PositionSums
from sae_checks.records import SideTable


@dataclass(frozen=True)
class PropagationTable(ContextTable):
    """Dense arrays over (text, position), of the SAE that is observed while another is spliced in.

    Columns are those of `ContextTable` that the SAE has without the splice, and `direct_l0`,
    `direct_mse`, `direct_norm`: NaN where no residual stream carries anything directly.
    """

    EVALUATION: ClassVar[str] = "propagation"
    SIDE: ClassVar[Mapping[str, type[SideTable]]] = {POSITION_SUMS: PositionSums}


def first_positions(table: ContextTable, positions: int) -> ContextTable:
    """The same table, cut after so many positions."""
    return table.once(("first positions", positions), lambda: _cut(table, positions))


def massive_as_in(table: PropagationTable, clean: ContextTable) -> PropagationTable:
    """A table whose massive tokens are those of another one, on the same texts and positions.

    Every check of a pair asks for the same two tables.
    """
    # Kept with the table that they are of, so that no other one has its identity.
    of, made = table.once(
        ("massive as in", id(clean)),
        lambda: (clean, replace(table, labels={**table.labels, "massive": clean.massive})),
    )
    assert of is clean, "it is kept, and so has its identity to itself"
    return made


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
