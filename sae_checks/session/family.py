"""How sure each cell of a release has to be before it may block it.

A single failing cell blocks a release, so that the error of all of them together is what counts. It
is shared out by the release and the limits alone, never by what a run happens to collect: a cell
gets the same verdict in the whole suite, in a shard of it, beside any task, and by itself.

- *Claims* (a check on an SAE over its whole regime, or on a task, or on the release) share one
  error: each SAE of the release gets an equal part, and so does the release as a whole; within it,
  every check that has a limit gets an equal part, and one on tasks a part for each of so many
  tasks as `[gate]` allows for.
- *Ranges* of positions, which say where, share another: again equal parts for the SAEs, and
  within them for every check and range.

Comparisons with a baseline ask a question of their own and share errors of their own. A check that
has its limit in its decorator alone is not counted among these, since no run of the suite without
it could know of it; its cells are held to the same error, which comes on top.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sae_checks.evals.kind import kind_of
from sae_checks.judge.check import Check
from sae_checks.judge.thresholds import CheckLimits, Thresholds
from sae_checks.records.place import CellRef
from sae_checks.records.ranges import PositionRanges


@dataclass(frozen=True)
class Family:
    """The cells of a release that share an error.

    Attributes:
        thresholds: what they are held to, and how much error they share.
        checks: every check that has a table in the thresholds, by name.
        saes: how many SAEs the whole release has, whether or not all of them are gated.
        ranges: the default position ranges of each SAE; those asked for where these are more.
    """

    thresholds: Thresholds
    checks: Mapping[str, Check]
    saes: int
    ranges: Mapping[str, PositionRanges]
    _errors: dict[tuple[object, ...], float] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def error(self, check: Check, ref: CellRef) -> float:
        """With which probability the cell may fail if it lies exactly at its limit."""
        asked = "" if check.compared is None else check.name
        of = ref["sae"] if ref.family == "range" else ref.kind.whole_release
        key = (asked, ref.family, of)
        if key not in self._errors:
            self._errors[key] = self._error(check, ref)
        return self._errors[key]

    def _error(self, check: Check, ref: CellRef) -> float:
        gate = self.thresholds.gate
        counted = list(self._counted(check))
        if ref.family == "range":
            ranges = self.ranges[ref["sae"]]
            cells = sum(len(kind_of(each.cells).ranges(ranges)) for each in counted)
            return gate.ranges_error / self.saes / max(cells, 1)
        whole = ref.kind.whole_release
        alike = [each for each in counted if each.cells.whole_release == whole]
        cells = sum(kind_of(each.cells).parts(gate, self.saes) for each in alike)
        return gate.claims_error / (self.saes + 1) / max(cells, 1)

    def _counted(self, check: Check) -> Iterable[Check]:
        """The checks that share an error with one of this kind: of limits, or of a comparison."""
        for name, limits in self.thresholds.checks.items():
            if name in self.checks and not limits.by_default and _counts(check, limits):
                yield self.checks[name]


def _counts(check: Check, limits: CheckLimits) -> bool:
    return limits.gates if check.compared is None else check.name in limits.compared
