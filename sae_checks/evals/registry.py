"""The evaluations that there are: a new one is a folder beside this file, and a line in it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Set

from sae_checks.evals.activity.kinds import ACTIVITY
from sae_checks.evals.context.kinds import CONTEXT
from sae_checks.evals.declared.kinds import DECLARED
from sae_checks.evals.kind import CellKind, Registration
from sae_checks.evals.positions.kinds import POSITION
from sae_checks.evals.propagation.kinds import PROPAGATION
from sae_checks.evals.shift.kinds import SHIFTS
from sae_checks.evals.stack.kinds import STACKS, STACKS_ON_TASKS
from sae_checks.evals.tasks.kinds import TASKS
from sae_checks.judge.check import Check
from sae_checks.measure.evaluation import Evaluation
from sae_checks.records import Release, Table
from sae_checks.records.selectors import SELECTORS, Selector

EVALUATIONS: tuple[Registration, ...] = (
    CONTEXT,
    TASKS,
    ACTIVITY,
    DECLARED,
    PROPAGATION,
    STACKS,
    STACKS_ON_TASKS,
    SHIFTS,
    POSITION,
)


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


def notes(
    checks: Iterable[Check], release: Release, stored: Collection[str] | None = None
) -> list[str]:
    """What the start of a run says of how a release's SAEs are put together for some checks."""
    asked = {check.cells.name for check in checks}
    of_checks = [each for each in EVALUATIONS if asked & {kind.name for kind in each.kinds}]
    return list(dict.fromkeys(note for each in of_checks if (note := each.note(release, stored))))


def evaluations() -> list[Evaluation]:
    """Those that measure something."""
    return [each.evaluation for each in EVALUATIONS if each.evaluation is not None]


def tables() -> dict[str, type[Table]]:
    """The classes of tables, by the names of their evaluations."""
    return {each.name: each.table for each in evaluations()}


def measured_at_the_end() -> frozenset[str]:
    """Names of the columns that are measured once all rows are there."""
    return frozenset(c.name for each in evaluations() for c in each.columns if c.at_the_end)


def refuse_unknown(needs: Set[str]) -> None:
    """Raise ValueError where a check needs what does not exist (a mistake in the check)."""
    measured = evaluations()
    unknown = sorted(needs - {name for each in measured for name in each.names})
    if unknown:
        raise ValueError(f"no such column: {', '.join(unknown)}; there are, {_told(measured)}")


def _told(measured: Iterable[Evaluation]) -> str:
    """As "per token, l0, l1 and mse, and per item of a task, clean_ln_p and sae_ln_p"."""
    parts = []
    for each in measured:
        *names, last = [column.name for column in each.columns if not column.hidden]
        parts.append(f"per {each.each}, {', '.join(names)} and {last}")
    return ", and ".join(parts)
