"""The closing summary: per SAE the worst cell of each check, and which failures are accepted."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

from sae_checks.judge.check import Check
from sae_checks.judge.estimate import WHERE
from sae_checks.judge.verdict import Verdict
from sae_checks.records.selectors import POSITIONS
from sae_checks.report.budget import budget_lines
from sae_checks.report.features import density_lines, feature_lines
from sae_checks.report.notes import stale_line
from sae_checks.report.overview.levels import level, worst
from sae_checks.report.overview.verdict import run_verdict
from sae_checks.report.tasks import task_lines
from sae_checks.report.texts import text_lines
from sae_checks.report.words import baseline_lines, known_failure, limit
from sae_checks.session.result import Outcome, RunResult
from sae_checks.wording import counted

# From what is well to what is not.
_KINDS = (
    *("not applicable", "reported", "passed", "unexpectedly passed", "accepted", "undecided"),
    *("failed", "error"),
)


def summary_lines(result: RunResult) -> list[str]:
    """The lines of the summary, in the order of the release's SAEs; the last is the verdict."""
    facts, measurement, outcomes = result.facts, result.measurement, result.outcomes
    lines = _sae_lines(result)
    if measurement is not None:
        lines += text_lines(measurement.manifest)
        lines += task_lines(measurement.manifest, _tasks(outcomes))
    lines += budget_lines(result)
    lines += baseline_lines(facts)
    lines += [improvement_line(outcome) for outcome in result.improvements]
    if not any(outcome.cell.family == "claim" for outcome in outcomes):
        lines.append("no claim was asked: ranges say where, and decide nothing by themselves")
    lines += _accepted(result)
    lines += _undecided(outcomes) + _not_applicable(outcomes)
    lines += [stale_line(each, facts) for each in result.stale]
    if facts.tables is not None:
        lines.append(f"tables: {facts.tables}")
    if result.junit:
        lines.append(f"JUnit report: {result.junit}")
    return [*lines, run_verdict(result).sentence]


def _sae_lines(result: RunResult) -> list[str]:
    """A block for each SAE, with its features; then for what is about several, and about all."""
    lines = []
    failures = {} if result.measurement is None else result.measurement.failures
    tasks = _tasks(result.outcomes)
    by_sae: dict[str, list[Outcome]] = {}
    for outcome in result.outcomes:
        by_sae.setdefault(outcome.cell.place.of_saes, []).append(outcome)
    whole = by_sae.pop("", [])
    for sae in result.facts.release.saes:
        if sae.sae_id in by_sae:
            lines += _block(sae.sae_id, by_sae.pop(sae.sae_id), failures.get(sae.sae_id))
            for task in tasks:
                lines += feature_lines(result.features.get((sae.sae_id, task)))
    for title, of_several in _of_several(by_sae).items():
        lines += _block(title, of_several, None)
    return lines + (_block("whole release", whole, None) if whole else [])


def _of_several(by_place: Mapping[str, list[Outcome]]) -> dict[str, list[Outcome]]:
    """What is about several SAEs at once, in a block for each place, or one for all such places."""
    blocks: dict[str, list[Outcome]] = {}
    for place, outcomes in by_place.items():
        blocks.setdefault(outcomes[0].cell.place.title_of_saes or place, []).extend(outcomes)
    return blocks


def _tasks(outcomes: Iterable[Outcome]) -> list[str]:
    """The tasks that were asked about, in the order of their tests."""
    return list(dict.fromkeys(o.cell["task"] for o in outcomes if "task" in o.cell))


def _block(title: str, outcomes: list[Outcome], not_measured: str | None) -> list[str]:
    counts = Counter(map(_became, outcomes))
    told = ", ".join(f"{counts[name]} {name}" for name in _KINDS if counts[name])
    lines = [f"{title}: {told}"]
    if not_measured is not None:
        return [*lines, f"  not measured: {not_measured}"]
    by_check: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_check.setdefault(name_of(outcome.check), []).append(outcome)
    lines += [_worst_line(worst(cells)) for cells in by_check.values()]
    return lines + density_lines(outcomes)


def _became(outcome: Outcome) -> str:
    """What became of a test; where nothing was asked, it did not pass but is reported."""
    return "reported" if level(outcome) == "reported" else outcome.outcome


def name_of(check: Check) -> str:
    """A check's name in the summary; of a comparison, what is compared."""
    return f"vs baseline: {check.compared.name}" if check.compared is not None else check.name


def _worst_line(outcome: Outcome) -> str:
    verdict, cell = outcome.verdict, outcome.cell
    parts = [(f"at {of}" if s == POSITIONS else f"on {of}") for s, of in cell.place.within_saes]
    if cell.place.title_of_saes:
        parts.insert(0, cell.place.of_saes)
    if verdict is None:
        return f"  {name_of(outcome.check):<27} not measured"
    parts += [str(note) for name, note in verdict.estimate.notes if name == WHERE]
    where = ", ".join(parts)
    value = (
        f"{verdict.estimate.value:.4g}" if not math.isnan(verdict.estimate.value) else "undefined"
    )
    held_to = limit(verdict) or "no limit"
    return (
        f"  {name_of(outcome.check):<27} {value:>10} {held_to:<12} {where:<14} "
        f"{told_of(outcome.outcome, verdict)}".rstrip()
    )


def told_of(outcome: str, verdict: Verdict) -> str:
    """An outcome, and what it does not say by itself."""
    if verdict.status == "undecided" and outcome == "failed":
        return "failed: insufficient evidence"
    if verdict.status == "undecided" and outcome != "undecided":
        return f"{outcome} (undecided)"
    if verdict.status == "reported" and outcome == "passed":
        return "reported"
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


def _accepted(result: RunResult) -> list[str]:
    """What is accepted and why: one line per entry."""
    counts: Counter[str] = Counter()
    for outcome in result.outcomes:
        entry = result.known_failure(outcome)
        if outcome.outcome == "accepted" and entry is not None:
            counts[f"{known_failure(entry)}: {entry.reason}"] += 1
    return [f"accepted: {counted(count, 'cell')} by {entry}" for entry, count in counts.items()]
