"""What was measured of one SAE on texts: a row per text, a figure per token."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from sae_checks.records import (
    TEXTS,
    BoolArray,
    FloatArray,
    IntArray,
    Intervention,
    SaeRef,
    SideTable,
    Table,
    dealt_out,
)
from sae_checks.records.units import Units

_Made = TypeVar("_Made")

POSITION_SUMS = "position_sums"
# ‖x‖ of what a transcoder reads; all else of an activation is of the one where it writes. Tables of
# transcoders always have it, others never: an SAE reads what its reconstruction stands for.
INPUT_NORM = "input_norm"
# How far the error x − x̂ of a token lies along the mean error of a few texts, in units of
# activation: what of the error is one constant vector.
ERROR_PROJECTION = "error_projection"

# Of what the active features of a token write: its strength, and products with the error.
STRENGTH = "strength"
WRITTEN = (
    STRENGTH,
    "written_square",
    "written_error",
    "directions_written",
    "directions_error",
)


@dataclass(frozen=True)
class PositionSums(SideTable):
    """Σ(x − c) per position, which explained variance of any range needs; c is the mean activation.

    Ordinary and massive tokens stand apart, so that both figures can be given.
    """

    ordinary_counts: FloatArray  # (C,) tokens
    ordinary_sums: FloatArray  # (C, d)
    massive_counts: FloatArray  # (C,)
    massive_sums: FloatArray  # (C, d); zero nearly everywhere

    def join(self, later: PositionSums) -> PositionSums:
        """Sums over the texts of both."""
        names = [each.name for each in fields(PositionSums)]
        return PositionSums(**{n: getattr(self, n) + getattr(later, n) for n in names})

    def kept(self) -> PositionSums:
        """Those of all texts, which stand in for those of some (`Table.part`)."""
        return self

    def derived(self, table: Table) -> dict[str, NDArray[Any]]:
        """(C,) the position of each row."""
        return {"position": np.arange(len(self.ordinary_counts))}


@dataclass(frozen=True)
class ContextTable(Table):
    """Dense arrays over (text, position), NaN where undefined.

    `columns` maps a name of the quantities table (docs/quantities.md) to a (texts, C) array:
    l0, l1, mse, norm, squared_distance (‖x − c‖²), ce_clean, ce_sae, kl, ce_zero, ce_mean, and
    more. A transcoder's have input_norm beside them, of what it reads; all else is of its output.
    Position 0 and special tokens are NaN everywhere; the last position has no loss. `massive`
    marks tokens whose norm is far above the median. Tokens of one document are alike; documents
    are what is independent (`units`).
    """

    EVALUATION: ClassVar[str] = "context"
    UNIT: ClassVar[str] = "text"
    SIDE: ClassVar[Mapping[str, type[SideTable]]] = {POSITION_SUMS: PositionSums}

    @classmethod
    def of(
        cls,
        sae: SaeRef,
        columns: dict[str, FloatArray],
        massive: BoolArray,
        position_sums: PositionSums | None = None,
        *,
        documents: NDArray[np.int32] | None = None,
        complete: bool = True,
        part: bool = False,
    ) -> ContextTable:
        """The table of an SAE that was spliced in by itself.

        Args:
            sae: which one.
            columns: (texts, C) each.
            massive: (texts, C).
            position_sums: where they were measured.
            documents: (texts, C) of each measured token, -1 elsewhere; None: each text is its own.
            complete: whether all texts of the budget were measured.
            part: whether these are some of the texts that were.
        """
        labels = {"massive": massive, **({} if documents is None else {"document": documents})}
        side = {} if position_sums is None else {POSITION_SUMS: position_sums}
        alone = Intervention((sae,))
        return cls(TEXTS, alone, columns, labels, {**side}, complete=complete, part=part)

    @property
    def massive(self) -> BoolArray:
        """(texts, C) whether a token is massive."""
        return self.labels["massive"]

    @property
    def documents(self) -> NDArray[np.int32] | None:
        """(texts, C) of each measured token, -1 elsewhere; None: each text is its own."""
        return self.labels.get("document")

    @property
    def norms(self) -> tuple[str, ...]:
        """The columns of norms: where the SAE writes, and where it reads if that is elsewhere."""
        return ("norm", *(name for name in (INPUT_NORM,) if name in self.columns))

    @property
    def position_sums(self) -> PositionSums | None:
        """Where they were measured."""
        return self.side_table(POSITION_SUMS, PositionSums)

    def keep_documents(self, which: BoolArray) -> ContextTable:
        """Some of the documents, (units,); tokens of the others are as if not measured."""
        index = self.units.index
        if index is None:
            return self.keep(which)
        kept = which[index]
        labels = {"massive": self.massive & kept}
        if self.documents is not None:
            labels["document"] = np.where(kept, self.documents, -1)
        columns = {n: np.where(kept, values, np.nan) for n, values in self.columns.items()}
        return replace(self, columns=columns, labels=labels, part=True)

    def without_group(self, group: int) -> ContextTable:
        """The documents of all groups but one."""
        return self.keep_documents(self.groups != group)

    @cached_property
    def units(self) -> Units:
        """The documents, or the texts where each is a document of its own."""
        return Units.of(self.documents, self.texts)

    @cached_property
    def _made(self) -> dict[Hashable, Any]:
        return {}

    def once(self, key: Hashable, make: Callable[[], _Made]) -> _Made:
        """What is made of this table alone, and so is the same each time: made once.

        A table is never changed; one that is made of it, of fewer texts say, makes its own.

        Args:
            key: all that it is made by, beside the table; the first of it says what it is.
            make: what makes it.
        """
        if not self._made:  # from here on, a writer would make what was made untrue
            for values in (*self.columns.values(), *self.labels.values()):
                values.setflags(write=False)
        if key not in self._made:
            self._made[key] = make()
        made: _Made = self._made[key]
        return made

    @property
    def unit_count(self) -> int:
        """How many documents."""
        return self.units.count

    @property
    def groups(self) -> IntArray:
        """(units,) the group of each document, 0 .. GROUPS - 1."""
        return dealt_out(np.arange(self.units.count))

    @property
    def texts(self) -> int:
        """How many texts."""
        return int(self.massive.shape[0])

    @property
    def context(self) -> int:
        """Positions of a text."""
        return int(self.massive.shape[1])
