"""What a run noted down that was watched by `tests.kills.plugin`."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

# A unit of a data set as an intervention is measured on it.
Measured = tuple[str, str, int]


@dataclass
class Log:
    """The events of a run, summed up.

    Attributes:
        phase: what it was doing last.
        writes: how many files it changed.
        kept: what was measured in parts that came to their end.
        begun: what the part under way is of, if it did not end.
        measured: units counted by the engine's progress, of all interventions.
    """

    phase: str = "starting"
    writes: int = 0
    measured: int = 0
    kept: list[Measured] = field(default_factory=list)
    begun: list[Measured] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> Log:
        """Of a log, whose last line may be cut off."""
        log = cls()
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            log._add(json.loads(line))
        return log

    def _add(self, event: list[object]) -> None:
        kind, *rest = event
        if kind == "phase":
            self.phase = str(rest[0])
        elif kind == "write":
            self.writes += 1
            self.phase = f"{self.phase.split(', in ')[0]}, in {rest[0]} of {rest[1]}"
        elif kind == "measured":
            assert isinstance(rest[0], int)
            self.measured += rest[0]
        elif kind == "begin":
            dataset, names, units = rest
            assert isinstance(names, list)
            assert isinstance(units, list)
            self.begun = [(str(dataset), name, unit) for name in names for unit in units]
            self.phase = f"measuring {len(units)} units of {dataset}"
        elif kind == "end":
            self.kept += self.begun
            self.begun = []
            self.phase = "between parts"
