"""What a check is: a function from a cell to an estimate, and what it must be given."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sae_checks.judge.estimate import Estimate
from sae_checks.judge.thresholds import Limit
from sae_checks.judge.topics import VS_BASELINE, spaced
from sae_checks.records.place import Kind


@dataclass(frozen=True)
class Check:
    """One check: its name in reports and thresholds, and the function that makes its estimate."""

    name: str  # without "check_"
    function: Callable[[Any], Estimate]  # of what its kind of cells gives
    cells: Kind
    needs: frozenset[str]  # columns that have to be measured for it
    unit: str
    parameters: tuple[str, ...] = ()
    beyond_training: bool = False  # asks about positions past the training context
    default: Limit | None = None  # where the thresholds file has no table for it
    limits: tuple[str, ...] = ()  # other checks whose limits it reads
    compared: Check | None = None  # of a comparison with a baseline: whose cells
    definition: int = 1  # raised when what it computes changes, so that old figures are told apart
    topic: str = ""  # what it asks about, as reports group checks; see `topics.py`
    best: float | None = None  # where beyond some value more is no better: that value

    @property
    def title(self) -> str:
        """Its name where comparisons are told apart by what they compare."""
        return self.name if self.compared is None else f"{self.name} of {self.compared.name}"

    @property
    def about(self) -> str:
        """Its topic: of a comparison `VS_BASELINE`, and its own name where it has none."""
        return VS_BASELINE if self.compared is not None else self.topic or spaced(self.name)

    @property
    def summary(self) -> str:
        """The first line of the function's docstring: what the check asks."""
        return (inspect.getdoc(self.function) or "").split("\n")[0]
