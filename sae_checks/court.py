"""The court: a measurement and a cell go in, a verdict comes out."""

from __future__ import annotations

from dataclasses import dataclass

from sae_checks.checking import CellRef, Check
from sae_checks.comparison import Comparison
from sae_checks.evidence import AnyCell, Evidence
from sae_checks.judge.coverage import Coverage
from sae_checks.judge.paired import PairedCell
from sae_checks.judge.thresholds import Thresholds
from sae_checks.judge.verdict import Verdict, judge
from sae_checks.records import Measurement


@dataclass(frozen=True)
class Court:
    """How the cells of one run are judged.

    Attributes:
        thresholds: what they are held to.
        gating_cells: how many of the run's cells have a limit; together they are to be as sure as
            one would be alone.
        adaptive: whether measuring stops where verdicts are clear.
        comparison: with a baseline, if there is one.
    """

    thresholds: Thresholds
    gating_cells: int = 1
    adaptive: bool = False
    comparison: Comparison | None = None

    def gates(self, check: Check, ref: CellRef) -> bool:
        """Whether a cell has a limit; a comparison with a baseline always has."""
        return (
            check.compared is not None
            or not self.thresholds.limit(check.name, ref.place).report_only
        )

    def verdict(self, measurement: Measurement, check: Check, ref: CellRef) -> Verdict:
        """Judge one cell.

        Raises:
            UnmeasuredError: the cell's SAE (any SAE, for a cell of the whole release) or its task
                could not be measured.
        """
        own = Coverage(self.thresholds.gate.confidence, stopping=self.adaptive)
        cell = self._cell(measurement, check, ref, own)
        estimate, limit = check.function(cell), cell.limit()
        policy = self.thresholds.gate.undecided
        verdict = judge(estimate, limit, policy)
        if verdict.status in ("reported", "undefined"):
            return verdict
        shared = self._cell(measurement, check, ref, own.shared_by(self.gating_cells))
        return judge(estimate, limit, policy, check.function(shared))

    def _cell(
        self, measurement: Measurement, check: Check, ref: CellRef, coverage: Coverage
    ) -> AnyCell | PairedCell:
        if check.compared is None:
            return Evidence(measurement, self.thresholds, coverage).cell(check, ref)
        assert self.comparison is not None, "comparisons are collected only with a baseline"
        return self.comparison.cell(check.compared, ref, self.thresholds, coverage)
