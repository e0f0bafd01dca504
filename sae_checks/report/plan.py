"""What a budget would cost and could tell, from a pilot on its first texts and items."""

from __future__ import annotations

import math

from sae_checks.records import SHIFT, TEXTS
from sae_checks.report.words import limit
from sae_checks.session.result import Passes, PlannedCell, RunResult
from sae_checks.wording import counted


def plan_lines(result: RunResult) -> list[str]:
    """The lines of `--sae-plan`; none of another run."""
    plan = result.plan
    if plan is None:
        return []
    lines = ["cost at the whole budget, by what the pilot took:"]
    for phase, passes in result.passes.items():
        lines.append(_cost(phase, passes, plan.seconds.get((phase or TEXTS, "measuring"), 0.0)))
        ablating = plan.seconds.get((phase, "ablating"), 0.0)
        if ablating:
            spent, budget = passes.spent, passes.budget
            lines.append(
                f"    and about {_duration(ablating * budget / spent)} for ablating features "
                f"({spent:,} took {ablating:.1f} s)"
            )
    lines.append("by how much a limit must be exceeded to be noticed 8 times in 10, at worst:")
    worst: dict[str, tuple[float, str]] = {}  # by check; below all where nothing is to be noticed
    for cell in plan.cells:
        excess, line = _at_budget(cell)
        if cell.check.name not in worst or excess > worst[cell.check.name][0]:
            worst[cell.check.name] = (excess, line)
    return lines + [f"  {name:<27} {line}" for name, (_, line) in worst.items()]


def _cost(phase: str, passes: Passes, seconds: float) -> str:
    spent, budget = passes.spent, passes.budget
    name = {"": "texts", SHIFT: "second corpus"}.get(phase, f"task {phase}")
    unit = "a text" if phase in ("", SHIFT) else "an item"
    what = f"  {name}: {budget:,} passes of an SAE over {unit}"
    if not seconds:
        return f"{what}, of which {spent:,} were stored before; no time was taken"
    return f"{what}, about {_duration(seconds * budget / spent)} ({spent:,} took {seconds:.1f} s)"


def _at_budget(planned: PlannedCell) -> tuple[float, str]:
    """The excess that the whole budget would show, and the line that says it.

    A cell that the pilot fails leaves nothing to be noticed, and its spread is often vast.
    """
    verdict, cell, excess = planned.verdict, planned.cell, planned.detectable
    if verdict is None:
        return math.inf, planned.reason
    asked = f"{limit(verdict)} {verdict.limit.unit}"
    if verdict.status == "fail":
        return -2.0, f"{asked}: exceeded already (at {cell})"
    if math.isnan(excess):
        return -1.0, f"{asked}: not known of this quantity"
    sample = counted(planned.budget, verdict.estimate.unit_name)
    return excess, f"{asked}: {excess:.3g} with {sample} (at {cell})"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
