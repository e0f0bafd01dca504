"""The evaluations that there are: a new one is a folder beside this file, and a line in it."""

from __future__ import annotations

from sae_checks.evals.context.kinds import CONTEXT
from sae_checks.evals.kind import CellKind, Registration
from sae_checks.evals.tasks.kinds import TASKS
from sae_checks.records.selectors import SELECTORS, Selector

EVALUATIONS: tuple[Registration, ...] = (CONTEXT, TASKS)


def kinds() -> dict[str, CellKind]:
    """The kinds of cells by name."""
    return {kind.name: kind for each in EVALUATIONS for kind in each.kinds}


def kind_named(name: str) -> CellKind:
    """A kind of cells.

    Raises:
        ValueError: there is none of this name (a mistake in a check).
    """
    known = kinds()
    if name not in known:
        raise ValueError(f"no such kind of cells: {name!r}; there are {', '.join(known)}")
    return known[name]


def selectors() -> tuple[Selector, ...]:
    """All selectors that a place may have."""
    return SELECTORS + tuple(own for each in EVALUATIONS for own in each.selectors)
