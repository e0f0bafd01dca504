"""Places, cells and keys of a baseline, written shortly."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from sae_checks.evals.context.cells import Cell
from sae_checks.evals.context.table import ContextTable
from sae_checks.evals.declared.cells import DeclaredCell
from sae_checks.evals.registry import kind_named
from sae_checks.evals.tasks.cells import TaskCell
from sae_checks.evals.tasks.table import TaskTable
from sae_checks.judge.thresholds import Thresholds
from sae_checks.records import DeclaredFigure, PositionRange, SaeRef
from sae_checks.records.place import CellKey, CellRef, Place
from sae_checks.records.selectors import POSITIONS, SELECTORS, TASK, Pattern, Selector


def place(
    release: str,
    sae: str | None = None,
    layer: int | None = None,
    site: str | None = None,
    positions: PositionRange | None = None,
    task: str | None = None,
    hook: str | None = None,
    trained_as: str | None = None,
) -> Place:
    """A place that has what is not None."""
    given = (release, sae, layer, site, hook, trained_as, positions, task)
    parts = zip(SELECTORS, given, strict=True)
    return Place(tuple((selector, value) for selector, value in parts if value is not None))


def cell_ref(
    kind: str,
    release: str,
    sae: SaeRef | None,
    positions: PositionRange | None = None,
    task: str | None = None,
    **more: Any,
) -> CellRef:
    """A cell of an SAE, or of the whole release where there is none."""
    at = Place.of_release(release) if sae is None else Place.of_sae(release, sae)
    for selector, value in ((POSITIONS, positions), (TASK, task)):
        at = at if value is None else at.at(selector, value)
    return CellRef(kind_named(kind), at, () if sae is None else (sae,), **more)


def cell_key(check: str, sae: str = "", positions: str = "", task: str = "") -> CellKey:
    """A key that has what is not empty."""
    named = (("sae", sae), ("positions", positions), ("task", task))
    return CellKey(check, tuple(pair for pair in named if pair[1]))


def where(selectors: tuple[Selector, ...] = SELECTORS, **patterns: Any) -> dict[str, Pattern]:
    """Patterns by the names of their selectors, made of texts, numbers and ranges."""
    kinds = {each.name: each.pattern for each in selectors}
    made: dict[str, Pattern] = {}
    for name, pattern in patterns.items():
        kind = kinds[name]
        assert kind is not None
        if pattern is not None:
            made[name] = kind(pattern)
    return made


def cell_on_texts(
    release: str,
    table: ContextTable,
    kind: str,
    positions: PositionRange,
    check: str,
    thresholds: Thresholds,
) -> Cell:
    """A cell in these positions; one of a whole SAE, of kind "sae", names none."""
    at = Place.of_sae(release, table.sae)
    at = at if kind == "sae" else at.at(POSITIONS, positions)
    return Cell(at, table, positions, check, thresholds)


def declared_cell(cell: Cell, figure: DeclaredFigure, corpus: str) -> DeclaredCell:
    """The same cell, beside a figure that is declared."""
    given = {each.name: getattr(cell, each.name) for each in fields(Cell)}
    return DeclaredCell(**given, figure=figure, corpus=corpus)


def cell_on_items(release: str, table: TaskTable, check: str, thresholds: Thresholds) -> TaskCell:
    """A cell of the SAE and the task of a table."""
    at = Place.of_sae(release, table.sae).at(TASK, table.dataset)
    return TaskCell(at, table, check, thresholds)
