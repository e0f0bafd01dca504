"""The decision rule: a measurement and a cell go in, a verdict comes out."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from sae_checks.baseline.comparison import Comparison
from sae_checks.baseline.paired import PairedCell
from sae_checks.evals.kind import AnyCell, evaluations_of, kind_of
from sae_checks.evals.selector import CellSelector
from sae_checks.judge.check import Check
from sae_checks.judge.coverage import Coverage
from sae_checks.judge.estimate import Estimate
from sae_checks.judge.thresholds import Thresholds
from sae_checks.judge.verdict import FEWEST_UNITS, FEWEST_UNITS_TO_STOP, Verdict, judge
from sae_checks.records import Measurement
from sae_checks.records.place import CellRef
from sae_checks.session.family import Family


class _Verdicts:
    """The verdicts on the tables that were judged last.

    The stopping rule judges the very tables that the tests are judged by in the end. Tables are
    never changed, so that a cell of the same ones, where the same failed, has the same verdict; of
    others, none is kept.
    """

    def __init__(self) -> None:
        self._last: Measurement | None = None  # kept, so that no other table has one's identity
        self._known: dict[tuple[Check, CellRef], Verdict] = {}

    def on(self, measurement: Measurement) -> dict[tuple[Check, CellRef], Verdict]:
        """Those known on the tables of a measurement."""
        if measurement is not self._last:
            if self._last is None or not _as_judged(self._last, measurement):
                self._known = {}
            self._last = measurement
        return self._known


def _as_judged(one: Measurement, other: Measurement) -> bool:
    """Whether two measurements are the same but for their manifests."""
    facts = [(m.release, m.context, m.failures, m.dataset_failures) for m in (one, other)]
    return (
        facts[0] == facts[1]
        and one.tables.keys() == other.tables.keys()
        and all(table is other.tables[key] for key, table in one.tables.items())
    )


@dataclass(frozen=True)
class DecisionRule:
    """How the cells of one run are judged.

    Attributes:
        thresholds: what they are held to.
        family: how sure each of them has to be, since together they may block the release.
        adaptive: whether measuring stops where verdicts are clear.
        comparison: with a baseline, if there is one.
    """

    thresholds: Thresholds
    family: Family
    adaptive: bool = False
    comparison: Comparison | None = None
    _known: _Verdicts = field(
        default_factory=lambda: _Verdicts(), init=False, repr=False, compare=False
    )

    def gates(self, check: Check, ref: CellRef) -> bool:
        """Whether a cell has a limit; a comparison with a baseline always has."""
        return (
            check.compared is not None
            or not self.thresholds.limit(check.name, ref.place).report_only
        )

    def own_coverage(self) -> Coverage:
        """Of the interval by which a cell passes."""
        return Coverage.one_sided(1 - self.thresholds.gate.confidence, stopping=self.adaptive)

    def shared_coverage(self, check: Check, ref: CellRef) -> Coverage:
        """Of the interval by which a cell fails."""
        return Coverage.one_sided(self.family.error(check, ref), stopping=self.adaptive)

    def verdict(self, measurement: Measurement, check: Check, ref: CellRef) -> Verdict:
        """Judge one cell.

        Raises:
            UnmeasuredError: the cell's SAE (any SAE, for a cell of the whole release) or its task
                could not be measured.
        """
        # A comparison rests on what it was prepared with, too.
        if check.compared is not None or not kind_of(ref.kind).of_tables:
            return self._verdict(measurement, check, ref)
        known, key = self._known.on(measurement), (check, ref)
        verdict = known.get(key)
        if verdict is None:
            verdict = known[key] = self._verdict(measurement, check, ref)
        return verdict

    def _verdict(self, measurement: Measurement, check: Check, ref: CellRef) -> Verdict:
        cell = self._cell(measurement, check, ref, self.own_coverage())
        estimate: Estimate = check.function(cell)
        limit = cell.limit()
        if limit.report_only or math.isnan(estimate.value):
            return judge(estimate, limit)
        adjusted = self._adjusted(measurement, check, ref, estimate)
        growing = self.adaptive and not self.complete(measurement, check, ref)
        return judge(
            estimate,
            limit,
            adjusted,
            fewest=FEWEST_UNITS_TO_STOP if growing else FEWEST_UNITS,
            family=ref.family,
            undecided_holds=self.thresholds.gate.undecided(ref.family) == "pass",
        )

    def _adjusted(
        self, measurement: Measurement, check: Check, ref: CellRef, estimate: Estimate
    ) -> Estimate:
        """An estimate with the interval by which its cell fails."""
        own = self._fixed_beside_a_baseline(check, self.own_coverage())
        coverage = self._fixed_beside_a_baseline(check, self.shared_coverage(check, ref))
        # A check may have made something else of an estimate: then it does not tell its own
        # interval any more, and the check has to be asked again.
        again, known = estimate.at(own), estimate.at(coverage)
        if again is not None and known is not None and _alike(again, estimate):
            return known
        adjusted: Estimate = check.function(self._cell(measurement, check, ref, coverage))
        if math.isnan(adjusted.value):  # so sure one cannot be that there is anything to measure
            return replace(estimate, low=-math.inf, high=math.inf)
        return adjusted

    @staticmethod
    def _fixed_beside_a_baseline(check: Check, coverage: Coverage) -> Coverage:
        """Nothing stops early beside a baseline: the whole error is for the whole budget."""
        return coverage if check.compared is None else replace(coverage, stopping=False)

    @staticmethod
    def complete(measurement: Measurement, check: Check, ref: CellRef) -> bool:
        """Whether all tables that a cell is cut from have the whole budget."""
        saes, evaluations = set(ref.saes), evaluations_of(check)
        return all(
            table.complete
            for key, table in measurement.tables.items()
            if key.dataset in ref.datasets
            and key.evaluation in evaluations
            and (ref.kind.whole_release or saes.issuperset(table.saes))
        )

    def _cell(
        self, measurement: Measurement, check: Check, ref: CellRef, coverage: Coverage
    ) -> AnyCell | PairedCell:
        if check.compared is None:
            return CellSelector(measurement, self.thresholds, coverage).cell(check, ref)
        assert self.comparison is not None, "comparisons are collected only with a baseline"
        fixed = self._fixed_beside_a_baseline(check, coverage)
        return self.comparison.cell(check.compared, ref, self.thresholds, fixed)


def _alike(one: Estimate, other: Estimate) -> bool:
    """Whether two estimates have the same interval, up to rounding."""
    size = max(abs(one.value), one.standard_error)
    return math.isclose(one.low, other.low, rel_tol=1e-9, abs_tol=1e-9 * size) and math.isclose(
        one.high, other.high, rel_tol=1e-9, abs_tol=1e-9 * size
    )
