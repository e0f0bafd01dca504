"""What summaries say beside the matrix, in plain words that any medium may show.

Failures by cause, what is accepted and why, what is undecided, what does not apply, what could not
be measured.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sae_checks.records import Release, SaeRef
from sae_checks.report.first_line import first_line
from sae_checks.report.overview.groups import FailureGroup, failure_groups, undecided_groups
from sae_checks.report.overview.levels import level
from sae_checks.report.overview.matrix import in_layer_order
from sae_checks.report.overview.repeat import command_of
from sae_checks.report.place_words import figures_of, saes_of, where_of
from sae_checks.report.short import short_limit
from sae_checks.session.result import Outcome, RunResult
from sae_checks.wording import counted

_MOST_FIGURES = 4


@dataclass(frozen=True)
class GroupText:
    """A group of failures in words.

    Attributes:
        title: where, and the cause: "layers 0–3, positions 128 to 1022: grows past ...".
        count: how many claims and ranges.
        figures: of each check, what was measured against which limit.
        worst: the worst test with its limit, margin, interval, and what it rests on.
        means: what it usually comes from; "" where that is not known.
        remedy: what to try, or what would decide it; "" where that is not known.
        command: the one that shows more.
        topics: of its checks, each once.
    """

    title: str
    count: str
    figures: str
    worst: str
    means: str
    remedy: str
    command: str
    topics: tuple[str, ...]


def failure_texts(result: RunResult) -> list[GroupText]:
    """What failed, cause by cause."""
    return [
        _text(
            group,
            result,
            group.name,
            "" if group.cause is None else group.cause.means,
            "" if group.cause is None else group.cause.remedy,
        )
        for group in failure_groups(result)
    ]


def undecided_texts(result: RunResult) -> list[GroupText]:
    """What fails the run for lack of evidence, and what would decide it."""
    return [
        _text(
            group,
            result,
            f"not enough evidence on {', '.join(group.checks)}",
            "",
            _deciding(group),
        )
        for group in undecided_groups(result)
    ]


def accepted_lines(result: RunResult) -> list[str]:
    """What is accepted: one line for each reason."""
    by_reason: dict[str, list[Outcome]] = {}
    for outcome in result.outcomes:
        entry = result.known_failure(outcome) if level(outcome) == "accepted" else None
        if entry is not None:
            by_reason.setdefault(entry.reason, []).append(outcome)
    return [
        f"accepted: {family_counts(of)} of {_saes_and_checks(of, result.facts.release)}: {reason}"
        for reason, of in by_reason.items()
    ]


def undecided_lines(result: RunResult) -> list[str]:
    """What is undecided without failing the run, counted, and why that is so."""
    found = [outcome for outcome in result.outcomes if level(outcome) == "undecided"]
    if not found:
        return []
    where = _saes_and_checks(found, result.facts.release)
    return [
        f"undecided: {family_counts(found)} of {where}: neither shown to hold nor to fail; the "
        "run does not fail for them"
    ]


def not_applicable_lines(result: RunResult) -> list[str]:
    """What the clean model gives no ground to judge: one line for each reason."""
    by_reason: dict[str, list[Outcome]] = {}
    for outcome in result.outcomes:
        if level(outcome) == "not applicable" and outcome.verdict is not None:
            by_reason.setdefault(outcome.verdict.estimate.reason, []).append(outcome)
    return [
        f"not applicable: {family_counts(of)} of {_saes_and_checks(of, result.facts.release)}: "
        f"{reason}"
        for reason, of in by_reason.items()
    ]


def unmeasured_lines(result: RunResult) -> list[str]:
    """What could not be measured: one line for each reason."""
    failures = {} if result.measurement is None else result.measurement.failures
    by_reason: dict[str, list[Outcome]] = {}
    for outcome in result.outcomes:
        if level(outcome) == "not measurable":
            by_reason.setdefault(_why(outcome, failures), []).append(outcome)
    return [
        f"not measurable: {family_counts(of)} of {_saes_and_checks(of, result.facts.release)}: "
        f"{reason}"
        for reason, of in by_reason.items()
    ]


def family_counts(outcomes: Iterable[Outcome]) -> str:
    """As "5 claims and 40 ranges"."""
    families = [outcome.cell.family for outcome in outcomes]
    told = [(families.count("claim"), "claim"), (families.count("range"), "range")]
    return " and ".join(counted(count, noun) for count, noun in told if count)


def _text(group: FailureGroup, result: RunResult, name: str, means: str, remedy: str) -> GroupText:
    worst = group.worst
    assert worst.verdict is not None, "what failed was judged"
    return GroupText(
        title=f"{where_of(group, result.facts.release)}: {name}",
        count=family_counts(group.outcomes),
        figures=_figures(group),
        worst=first_line(worst.check, worst.cell, worst.verdict),
        means=means,
        remedy=remedy,
        command=command_of(group, result),
        topics=tuple(dict.fromkeys(outcome.check.about for outcome in group.outcomes)),
    )


def _figures(group: FailureGroup) -> str:
    limits = {
        (o.check.compared or o.check).name: short_limit(o.verdict.limit)
        for o in reversed(group.outcomes)
        if o.verdict is not None
    }
    shown = [figures_of(each, limits.get(each.check, "")) for each in group.figures]
    more = len(shown) - _MOST_FIGURES
    return ", ".join(shown[:_MOST_FIGURES]) + (f" and {counted(more, 'check')} more" * (more > 0))


def _deciding(group: FailureGroup) -> str:
    """How much more would decide all of a group."""
    items = any(o.verdict and o.verdict.estimate.unit_name == "item" for o in group.outcomes)
    option, name = ("--sae-items", "items") if items else ("--sae-tokens", "texts")
    wanted = group.units_to_decide
    if not math.isfinite(wanted):
        return f"raise {option}, or give more documents"
    return f"raise {option}: some {_rounded_up(wanted)} {name} would decide all of them"


def _rounded_up(count: float) -> str:
    step = 10 ** max(math.floor(math.log10(count)) - 1, 0) if count >= 1 else 1
    return f"{math.ceil(count / step) * step:,}"


def _saes_and_checks(outcomes: Sequence[Outcome], release: Release) -> str:
    saes: dict[str, SaeRef] = {sae.sae_id: sae for o in outcomes for sae in o.cell.saes}
    checks = list(dict.fromkeys(outcome.check.title for outcome in outcomes))
    more = len(checks) - _MOST_FIGURES
    told = ", ".join(checks[:_MOST_FIGURES]) + (f" and {more} more" if more > 0 else "")
    return f"{saes_of(in_layer_order(saes.values()), release)} ({told})"


def _why(outcome: Outcome, failures: dict[str, str]) -> str:
    if outcome.verdict is not None:
        return outcome.verdict.estimate.reason or "the value is not a number"
    reasons = [failures[sae.sae_id] for sae in outcome.cell.saes if sae.sae_id in failures]
    return reasons[0] if reasons else "see the message of the test (-v)"
