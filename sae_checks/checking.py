"""What a check is: a function from a cell to an estimate, and what it must be given."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from sae_checks.evals.context import EVALUATION as CONTEXT
from sae_checks.evals.context.cells import Cell, CellKind, ReleaseCell
from sae_checks.evals.needs import refuse_unknown
from sae_checks.evals.tasks.cells import TaskCell
from sae_checks.evals.tasks.release import TaskReleaseCell
from sae_checks.judge.statistics import Estimate
from sae_checks.judge.thresholds import CellFamily, Limit, Place
from sae_checks.records import PositionRange, SaeRef

_PACKAGE = Path(__file__).resolve().parent
# In a wheel the suite and its limits travel inside the package; in a checkout they stand beside it.
_HOME = _PACKAGE if (_PACKAGE / "checks").is_dir() else _PACKAGE.parent
BUNDLED_CHECKS = _HOME / "checks"
BUNDLED_THRESHOLDS = _HOME / "thresholds.toml"

_Function = TypeVar("_Function", bound=Callable[..., Estimate])
_PREFIX = "check_"


@dataclass(frozen=True)
class Check:
    """One check: its name in reports and thresholds, and the function that makes its estimate."""

    name: str  # without "check_"
    # Of a Cell, a ReleaseCell, a TaskCell or a TaskReleaseCell.
    function: Callable[[Any], Estimate]
    cells: CellKind
    needs: frozenset[str]  # columns that have to be measured for it
    unit: str
    parameters: tuple[str, ...] = ()
    beyond_training: bool = False  # asks about positions past the training context
    default: Limit | None = None  # where the thresholds file has no table for it
    limits: tuple[str, ...] = ()  # other checks whose limits it reads
    compared: Check | None = None  # of a comparison with a baseline: whose cells
    definition: int = 1  # raised when what it computes changes, so that old figures are told apart

    @property
    def title(self) -> str:
        """Its name where comparisons are told apart by what they compare."""
        return self.name if self.compared is None else f"{self.name} of {self.compared.name}"

    @property
    def of_tasks(self) -> bool:
        """Whether it asks about tasks."""
        return self.cells in ("task", "task_release")

    @property
    def of_texts(self) -> bool:
        """Whether texts have to be measured for it."""
        return not self.of_tasks or bool(self.needs & CONTEXT.names)

    @property
    def summary(self) -> str:
        """The first line of the function's docstring: what the check asks."""
        return (inspect.getdoc(self.function) or "").split("\n")[0]


class CellKey(NamedTuple):
    """Names one cell in a baseline."""

    check: str
    sae: str  # "" for the whole release
    positions: str  # "128:159", or "" for all that was measured
    task: str  # "" for texts


@dataclass(frozen=True)
class CellRef:
    """Which cell a test is about, before anything is measured."""

    kind: CellKind
    release: str
    sae: SaeRef | None  # None: the whole release
    positions: PositionRange | None  # None: all that was measured
    task: str | None = None  # None: texts
    compared: str = ""  # of a comparison with a baseline: the check
    absent: CellKey | None = None  # a cell of the baseline that the release does not have
    # A claim decides; a range of positions within one says where.
    family: CellFamily = "claim"

    def __str__(self) -> str:
        if self.absent is not None:
            return "-".join(["missing", *(part for part in self.absent if part)])
        parts = (self.sae.sae_id if self.sae else self.release, self.positions, self.task)
        told = "-".join(str(part) for part in parts if part is not None)
        return f"{self.compared}-{told}" if self.compared else told

    @property
    def place(self) -> Place:
        """Where it lies, for limits and accepted failures."""
        if self.sae is None:
            return Place(self.release, positions=self.positions, task=self.task)
        sae = self.sae
        return Place(self.release, sae.sae_id, sae.layer, sae.site, self.positions, self.task)


def check(
    *,
    cells: CellKind,
    needs: tuple[str, ...] = (),
    unit: str,
    parameters: tuple[str, ...] = (),
    beyond_training: bool = False,
    min: float | None = None,
    max: float | None = None,
    margin: float | None = None,
    definition: int = 1,
    limits: tuple[str, ...] = (),
) -> Callable[[_Function], _Function]:
    """Make a function `check_<name>(cell) -> Estimate` a check of the suite.

    Args:
        cells: "in_context" or "past_context" (one test per SAE × position range), "sae" (one per
            SAE), "release" (one in all; the function gets a `ReleaseCell`), "task" (one per SAE ×
            task, which gets a `TaskCell`) or "task_release" (one per task: `TaskReleaseCell`).
        needs: the columns that it uses beside `norm`, so that no more than these are measured.
        unit: of the estimate; the thresholds file must agree.
        parameters: names of numbers that it reads with `cell.parameter(name)`.
        beyond_training: for cells of "sae" and "release": it asks about positions past the training
            context, and is asked only where such were measured.
        min: the smallest value allowed, where the thresholds file has no table for the check.
        max: the largest one; with neither, and no table, the check is report-only.
        margin: the smallest excess over them that would matter; a limit needs one.
        definition: of what it computes; raise it when that changes, so that no figure is compared
            with a baseline that was computed otherwise.
        limits: names of other checks whose limits it reads with `cell.limit(name)`: its figures
            depend on them as on a parameter.

    Raises:
        ValueError: the function's name does not begin with "check_", a column does not exist, or a
            limit has no margin above 0.
    """

    def mark(function: _Function) -> _Function:
        refuse_unknown(frozenset(needs))  # here and now, not when measuring
        if not function.__name__.startswith(_PREFIX):
            raise ValueError(f"a check's name begins with {_PREFIX!r}, got {function.__name__!r}")
        name = function.__name__.removeprefix(_PREFIX)
        default = _default_limit(name, unit, min, max, margin)
        made = Check(
            name,
            function,
            cells,
            frozenset(needs),
            unit,
            parameters,
            beyond_training,
            # Parameters have no defaults but those of the thresholds file.
            None if parameters else default,
            definition=definition,
            limits=limits,
        )
        function.sae_check = made  # type: ignore[attr-defined]
        return function

    return mark


def _default_limit(
    name: str, unit: str, low: float | None, high: float | None, margin: float | None
) -> Limit:
    """What a check holds cells to where the thresholds have no table for it."""
    limited = low is not None or high is not None
    if limited and (margin is None or margin <= 0):
        raise ValueError(
            f"check_{name} has a limit and so needs a margin above 0: the smallest excess over the "
            f"limit that would matter, in its unit; got {margin}"
        )
    return Limit(unit, low, high, report_only=not limited, margin=margin or 0.0)


def check_of(function: object) -> Check | None:
    """The check that a function was made into, or None."""
    found = getattr(function, "sae_check", None)
    return found if isinstance(found, Check) else None


@cache
def bundled_checks() -> dict[str, Check]:
    """The suite's own checks by name, whichever of them a run collects."""
    found: dict[str, Check] = {}
    for path in sorted(BUNDLED_CHECKS.glob("check_*.py")):
        spec = importlib.util.spec_from_file_location(f"sae_checks._bundled.{path.stem}", path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path} cannot be imported")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        checks = (check_of(value) for value in vars(module).values())
        found |= {made.name: made for made in checks if made is not None}
    return found


__all__ = [
    "Cell",
    "CellRef",
    "Check",
    "ReleaseCell",
    "TaskCell",
    "TaskReleaseCell",
    "bundled_checks",
    "check",
    "check_of",
]
