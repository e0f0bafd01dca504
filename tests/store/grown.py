"""Tables in blocks, as a run measures them, and what they are together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path

import numpy as np

from sae_checks.records import Intervention, Release, Table, TableRef
from sae_checks.store import Store
from tests.stored import LOADING, provenance, sae_ref, sae_table, table_ref, task_table

ALONE = Intervention((sae_ref(0),))
SIZES = (5, 4, 3)
TEXT_REF = table_ref(sae_table(0))
ITEM_REF = table_ref(task_table(0))
Block = tuple[Table, np.ndarray]


def text_blocks(sizes: Sequence[int] = SIZES) -> list[Block]:
    """Of texts 0 .. 4, 5 .. 8, and 9 .. 11, the last of all."""
    tables: list[Table] = [
        replace(sae_table(10 + n, texts=size), intervention=ALONE) for n, size in enumerate(sizes)
    ]
    return _numbered(tables)


def item_blocks(sizes: Sequence[int] = SIZES) -> list[Block]:
    """The same of items, with the scores of features and no ablations."""
    tables: list[Table] = []
    for n, size in enumerate(sizes):
        made = task_table(10 + n, items=size)
        side = {name: each for name, each in made.side.items() if name != "ablations"}
        tables.append(replace(made, intervention=ALONE, side=side))
    return _numbered(tables)


def _numbered(tables: list[Table]) -> list[Block]:
    ends = np.cumsum([table.rows for table in tables])
    numbers = [np.arange(end - t.rows, end) for t, end in zip(tables, ends, strict=True)]
    complete = [replace(table, complete=table is tables[-1]) for table in tables]
    return list(zip(complete, numbers, strict=True))


def together(blocks: Sequence[Block]) -> Table:
    """Blocks that follow one another as one table."""
    return reduce(lambda table, later: table.join(later), [table for table, _ in blocks])


def append(store: Store, ref: TableRef, blocks: Sequence[Block]) -> None:
    """Store blocks one by one."""
    for table, units in blocks:
        store.append(ref, table, units, {"corpus": "tales"})


def store_in(folder: Path) -> Store:
    """The store of a release of two SAEs."""
    release = Release("made-up", "folder", LOADING, (sae_ref(0), sae_ref(1)))
    return Store(folder, release, provenance())


def table_of(store: Store, ref: TableRef, needs: frozenset[str] = frozenset()) -> Table:
    """What is found of a table, which is there and whole."""
    told: list[str] = []
    stored = store.find(ref, told.append, needs)
    assert told == []
    assert stored is not None
    assert len(stored.units) == stored.table.rows
    return stored.table


def names(store: Store, ref: TableRef) -> list[str]:
    """The files of a table."""
    return sorted(path.name for path in store.table_folder(ref).iterdir())
