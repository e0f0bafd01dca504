"""What the whole budget could tell about each cell, from a pilot on its first texts and items."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from sae_checks.errors import UnmeasuredError
from sae_checks.judge.check import Check
from sae_checks.judge.verdict import Verdict, detectable
from sae_checks.records import Measurement
from sae_checks.records.place import CellRef
from sae_checks.session.budget import passes
from sae_checks.session.decision import DecisionRule
from sae_checks.session.result import BudgetPlan, Passes, PlannedCell


def plan_budget(
    rule: DecisionRule,
    pilot: Measurement,
    wanted: Iterable[tuple[Check, CellRef]],
    seconds: Mapping[tuple[str, str], float],
) -> BudgetPlan:
    """The plan of a run.

    Args:
        rule: which judges its cells.
        pilot: as measured.
        wanted: the cells of the run; those without a limit of their own are left aside.
        seconds: what the pilot took, by data set and activity.
    """
    by_phase = passes(pilot)
    cells = []
    for check, cell in wanted:
        if check.compared is None and rule.gates(check, cell):
            budget = by_phase.get(cell.task or "", Passes(0, 0, 0)).size
            cells.append(_planned(rule, pilot, check, cell, budget))
    return BudgetPlan(dict(seconds), tuple(cells))


def _planned(
    rule: DecisionRule, pilot: Measurement, check: Check, cell: CellRef, budget: int
) -> PlannedCell:
    try:
        verdict = rule.verdict(pilot, check, cell)
    except UnmeasuredError as error:
        return PlannedCell(check, cell, None, str(error), math.inf, budget)
    excess = _detectable(rule, pilot, check, cell, verdict, budget)
    return PlannedCell(check, cell, verdict, "", excess, budget)


def _detectable(
    rule: DecisionRule,
    pilot: Measurement,
    check: Check,
    cell: CellRef,
    verdict: Verdict,
    budget: int,
) -> float:
    """What the sample could detect if it were the whole budget: spreads stay, 1/√n shrinks.

    Documents grow in number as texts do, up to as many as the texts have.
    """
    each = verdict.adjusted
    if not math.isfinite(each.standard_error) or not each.texts or not budget:
        return math.nan
    units = max(2, round(budget * each.units / each.texts))
    if each.unit_name == "text":
        documents = pilot.manifest.texts.get("documents")
        units = max(2, min(units, documents or units))
    error = each.standard_error * math.sqrt(each.units / units)
    coverage = rule.shared_coverage(check, cell)
    return detectable(coverage.at_the_end().reach(units - 1, units) * error, error)
