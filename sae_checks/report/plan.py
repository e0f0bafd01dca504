"""What a budget would cost and could tell, from a pilot on its first texts and items."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sae_checks.judge.verdict import Verdict, detectable
from sae_checks.records import TEXTS
from sae_checks.report import text
from sae_checks.report.budget import Passes, passes
from sae_checks.wording import counted

if TYPE_CHECKING:
    from sae_checks.judge.check import Check
    from sae_checks.records.place import CellRef
    from sae_checks.session.session import Session


def plan_lines(
    session: Session, wanted: list[tuple[Check, CellRef]], seconds: Mapping[tuple[str, str], float]
) -> list[str]:
    """The lines of `--sae-plan`.

    Args:
        session: whose pilot has been measured.
        wanted: the cells of the run.
        seconds: what the first block took, by data set and activity.
    """
    measurement = session.gate.measurement
    assert measurement is not None, "the pilot was measured"
    by_phase = passes(measurement)
    lines = ["cost at the whole budget, by what the pilot took:"]
    for phase, counted_passes in by_phase.items():
        lines.append(_cost(phase, counted_passes, seconds.get((phase or TEXTS, "measuring"), 0.0)))
        ablating = seconds.get((phase, "ablating"), 0.0)
        if ablating:
            spent, budget = counted_passes.spent, counted_passes.budget
            lines.append(
                f"    and about {_duration(ablating * budget / spent)} for ablating features "
                f"({spent:,} took {ablating:.1f} s)"
            )
    lines.append("by how much a limit must be exceeded to be noticed 8 times in 10, at worst:")
    worst: dict[str, tuple[float, str]] = {}  # by check; below all where nothing is to be noticed
    for check, cell in wanted:
        if not session.gates(check, cell):
            continue
        budget = by_phase.get(cell.task or "", Passes(0, 0, 0)).size
        excess, told = _at_budget(session, check, cell, budget)
        if check.name not in worst or excess > worst[check.name][0]:
            worst[check.name] = (excess, told)
    return lines + [f"  {name:<27} {told}" for name, (_, told) in worst.items()]


def _cost(phase: str, counted_passes: Passes, seconds: float) -> str:
    spent, budget = counted_passes.spent, counted_passes.budget
    name = f"task {phase}" if phase else "texts"
    what = f"  {name}: {budget:,} passes of an SAE over {'an item' if phase else 'a text'}"
    if not seconds:
        return f"{what}, of which {spent:,} were stored before; no time was taken"
    return f"{what}, about {_duration(seconds * budget / spent)} ({spent:,} took {seconds:.1f} s)"


def _at_budget(session: Session, check: Check, cell: CellRef, budget: int) -> tuple[float, str]:
    """The excess that the whole budget would show, and the line that tells it.

    A cell that the pilot fails leaves nothing to be noticed, and its spread is often vast.
    """
    from sae_checks.errors import UnmeasuredError

    try:
        verdict = session.judge(check, cell)
    except UnmeasuredError as error:
        return math.inf, str(error)
    if verdict.status == "fail":
        return -2.0, f"{text.limit(verdict)} {verdict.limit.unit}: exceeded already (at {cell})"
    excess = _extrapolated(session, check, cell, verdict, budget)
    if math.isnan(excess):
        return -1.0, f"{text.limit(verdict)} {verdict.limit.unit}: not known of this quantity"
    each = verdict.estimate
    return excess, (
        f"{text.limit(verdict)} {verdict.limit.unit}: {excess:.3g} with "
        f"{counted(budget, each.unit_name)} (at {cell})"
    )


def _extrapolated(
    session: Session, check: Check, cell: CellRef, verdict: Verdict, budget: int
) -> float:
    """What the sample could detect if it were the whole budget: spreads stay, 1/√n shrinks.

    Documents grow in number as texts do, up to as many as the texts have.
    """
    each = verdict.adjusted
    if not math.isfinite(each.standard_error) or not each.texts or not budget:
        return math.nan
    units = max(2, round(budget * each.units / each.texts))
    if each.unit_name == "text" and session.gate.measurement is not None:
        documents = session.gate.measurement.manifest.texts.get("documents")
        units = max(2, min(units, documents or units))
    error = each.standard_error * math.sqrt(each.units / units)
    coverage = session.gate.rule(session.thresholds).shared_coverage(check, cell)
    return detectable(coverage.at_the_end().reach(units - 1, units) * error, error)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
