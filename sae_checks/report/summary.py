"""The closing summary: per SAE the worst cell of each check, and which failures are accepted."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from sae_checks.records.selectors import POSITIONS
from sae_checks.report import text
from sae_checks.report.budget import budget_lines
from sae_checks.report.tasks import task_lines
from sae_checks.report.texts import text_lines
from sae_checks.wording import counted

if TYPE_CHECKING:
    from sae_checks.judge.check import Check
    from sae_checks.judge.verdict import Verdict
    from sae_checks.session.session import Outcome, Session

_RANK = {
    name: rank
    for rank, name in enumerate(
        (
            "error",
            "failed",
            "undecided",
            "accepted",
            "unexpectedly passed",
            "passed",
            "not applicable",
        )
    )
}


def summary_lines(session: Session, junit: str | None) -> list[str]:
    """The lines of the summary, in the order of the release's SAEs."""
    lines = []
    by_sae: dict[str, list[Outcome]] = {}
    for outcome in session.outcomes:
        by_sae.setdefault(outcome.cell.place.of_saes, []).append(outcome)
    tasks = dict.fromkeys(o.cell["task"] for o in session.outcomes if "task" in o.cell)
    whole = by_sae.pop("", [])
    for sae in session.gate.release.saes:
        if sae.sae_id in by_sae:
            own = by_sae.pop(sae.sae_id)
            lines += _block(sae.sae_id, own, session.not_measured(sae.sae_id))
            for task in tasks:
                lines += session.feature_lines(session.task_table(task, sae.sae_id))
    for several, of_several in by_sae.items():
        lines += _block(several, of_several, None)
    if whole:
        lines += _block("whole release", whole, None)
    if session.gate.measurement is not None:
        lines += text_lines(session.gate.measurement.manifest)
        lines += task_lines(session.gate.measurement.manifest, tasks)
    lines += budget_lines(session)
    lines += text.baseline_lines(session.gate)
    lines += [improvement_line(outcome) for outcome in session.improvements()]
    if not any(outcome.cell.family == "claim" for outcome in session.outcomes):
        lines.append("no claim was asked: ranges say where, and decide nothing by themselves")
    lines += _accepted(session)
    lines += _undecided(session.outcomes) + _not_applicable(session.outcomes)
    lines += [f"note: {sentence}" for sentence in session.stale_known_failures()]
    if session.gate.store is not None:
        lines.append(f"tables: {session.gate.store.folder}")
    if junit:
        lines.append(f"JUnit report: {junit}")
    return lines


def _block(title: str, outcomes: list[Outcome], not_measured: str | None) -> list[str]:
    counts = Counter(outcome.outcome for outcome in outcomes)
    told = ", ".join(f"{counts[name]} {name}" for name in reversed(_RANK) if counts[name])
    lines = [f"{title}: {told}"]
    if not_measured is not None:
        return [*lines, f"  not measured: {not_measured}"]
    by_check: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_check.setdefault(name_of(outcome.check), []).append(outcome)
    return lines + [_worst_line(worst(cells)) for cells in by_check.values()]


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The outcome that most needs looking at: by kind, then by how far it is beyond its limit."""
    return min(outcomes, key=lambda o: (_RANK[o.outcome], -excess(o)))


def excess(outcome: Outcome) -> float:
    """How far the value lies beyond its nearest limit, as a share of it; negative within."""
    if outcome.verdict is None:
        return math.inf
    value, limit = outcome.verdict.estimate.value, outcome.verdict.limit
    if math.isnan(value):
        return math.inf
    distances = []
    if limit.max is not None:
        distances.append((value - limit.max) / (abs(limit.max) or 1.0))
    if limit.min is not None:
        distances.append((limit.min - value) / (abs(limit.min) or 1.0))
    return max(distances, default=value)


def name_of(check: Check) -> str:
    """A check's name in the summary; of a comparison, what is compared."""
    return f"vs baseline: {check.compared.name}" if check.compared is not None else check.name


def _worst_line(outcome: Outcome) -> str:
    verdict, cell = outcome.verdict, outcome.cell
    parts = [(f"at {of}" if s == POSITIONS else f"on {of}") for s, of in cell.place.within_saes]
    where = ", ".join(parts)
    if verdict is None:
        return f"  {name_of(outcome.check):<27} not measured"
    value = (
        f"{verdict.estimate.value:.4g}" if not math.isnan(verdict.estimate.value) else "undefined"
    )
    limit = text.limit(verdict) or "reported"
    return (
        f"  {name_of(outcome.check):<27} {value:>10} {limit:<12} {where:<14} "
        f"{told_of(outcome.outcome, verdict)}".rstrip()
    )


def told_of(outcome: str, verdict: Verdict) -> str:
    """An outcome, and what it does not say by itself."""
    if verdict.status == "undecided" and outcome == "failed":
        return "failed: insufficient evidence"
    if verdict.status == "undecided" and outcome != "undecided":
        return f"{outcome} (undecided)"
    if verdict.status == "pass" and verdict.beyond_limit:
        return f"{outcome}: beyond its limit by less than its margin of {verdict.limit.margin:g}"
    return outcome


def improvement_line(outcome: Outcome) -> str:
    """A cell that is better than the baseline's."""
    assert outcome.verdict is not None, "it was compared"
    values = dict(outcome.verdict.estimate.notes)
    return (
        f"better than the baseline: {outcome.cell}: {values['candidate_value']:.4g}, was "
        f"{values['baseline_value']:.4g}"
    )


def _undecided(outcomes: Iterable[Outcome]) -> list[str]:
    """How many cells the sample could not decide, and what that means for the run."""
    undecided = [o for o in outcomes if o.verdict is not None and o.verdict.status == "undecided"]
    lines = []
    for outcome, means in (
        ("failed", "the run fails, since nobody has shown that they hold"),
        ("undecided", "no pass, but the run does not fail for them"),
        ("accepted", "accepted failures, which the sample does not decide"),
    ):
        families = Counter(o.cell.family for o in undecided if o.outcome == outcome)
        if families:
            told = " and ".join(counted(n, name) for name, n in sorted(families.items()))
            lines.append(f"insufficient evidence: {told}: {means}")
    return lines


def _not_applicable(outcomes: Iterable[Outcome]) -> list[str]:
    """What the clean model gives no ground to judge, and why: one line per check and reason."""
    places: dict[tuple[str, str], list[str]] = {}
    for outcome in outcomes:
        if outcome.outcome == "not applicable" and outcome.verdict is not None:
            key = (name_of(outcome.check), outcome.verdict.estimate.reason)
            places.setdefault(key, []).append(str(outcome.cell))
    return [
        f"not applicable: {name} of {counted(len(cells), 'cell')} (such as {cells[0]}): {reason}"
        for (name, reason), cells in places.items()
    ]


def _accepted(session: Session) -> list[str]:
    """What is accepted and why: one line per entry."""
    counts: Counter[str] = Counter()
    for outcome in session.outcomes:
        entry = session.known_failure(outcome.check, outcome.cell)
        if outcome.outcome == "accepted" and entry is not None:
            counts[f"{text.known_failure(entry)}: {entry.reason}"] += 1
    return [f"accepted: {counted(count, 'cell')} by {told}" for told, count in counts.items()]
