"""The summary of a run in a screenful: verdict, matrix, failures by cause, where the rest lies."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from sae_checks.report.budget import budget_lines
from sae_checks.report.first_line import value_and_limit
from sae_checks.report.notes import stale_line
from sae_checks.report.overview.levels import Level, excess, level
from sae_checks.report.overview.matrix import matrix
from sae_checks.report.overview.verdict import RunVerdict, run_verdict
from sae_checks.report.sections import (
    GroupText,
    accepted_lines,
    failure_texts,
    not_applicable_lines,
    undecided_lines,
    undecided_texts,
    unmeasured_lines,
)
from sae_checks.report.summary import improvement_line
from sae_checks.report.terminal.screen import Screen
from sae_checks.report.terminal.table import legend_lines, table_lines
from sae_checks.report.words import baseline_lines
from sae_checks.session.result import Outcome, RunResult
from sae_checks.wording import counted

_MOST_GROUPS = 8
_MOST_FAILED = 12
_INDENT = "  "
# What has lines of its own, the gravest first: what was shown to fail says more than what was not
# measured, and that more than what nobody knows yet.
_GRAVITY: tuple[Level, ...] = ("failed", "not measurable", "insufficient evidence")


def screen_lines(result: RunResult, screen: Screen | None = None) -> list[str]:
    """What a run says in the end: a screenful on it, and a line for each failed claim."""
    screen = Screen() if screen is None else screen
    failed = failed_lines(result.outcomes, screen)
    return [*compact_lines(result, screen), *([""] * bool(failed)), *failed]


def compact_lines(result: RunResult, screen: Screen) -> list[str]:
    """A screenful on a run, as wide as the screen."""
    found = matrix(result)
    return [
        *verdict_lines(result, screen),
        "",
        *table_lines(found, screen),
        *legend_lines(found, screen),
        *_failures(result, screen),
        *_rest(result, screen),
    ]


def verdict_lines(result: RunResult, screen: Screen) -> list[str]:
    """The verdict alone, which is all that the quietest run says."""
    verdict = run_verdict(result)
    lines = _wrapped(verdict.sentence, screen, "")
    return [screen.painted(line, _level_of(verdict)) for line in lines]


def failed_lines(outcomes: Iterable[Outcome], screen: Screen) -> list[str]:
    """A line for each failed claim: value and limit first, so that cutting it hurts nothing.

    The gravest come first: failures, those furthest beyond their limits before others, then what
    could not be measured, then what is undecided. Ranges say where a claim fails; they have lines
    only where no claim of their level does.
    """
    of_level: dict[Level, list[Outcome]] = {each: [] for each in _GRAVITY}
    for outcome in outcomes:
        if level(outcome) in of_level:
            of_level[level(outcome)].append(outcome)
    shown: list[Outcome] = []
    for failed in of_level.values():
        claims = [each for each in failed if each.cell.family == "claim"] or failed
        shown += sorted(claims, key=lambda each: -excess(each))
    lines = [_failed_line(outcome, screen) for outcome in shown[:_MOST_FAILED]]
    more = sum(map(len, of_level.values())) - len(lines)
    return lines + ([f"and {counted(more, 'test')} more: -v lists all"] if more else [])


def _failed_line(outcome: Outcome, screen: Screen) -> str:
    verdict, of_level = outcome.verdict, level(outcome)
    said = f"{outcome.check.title} not measured"
    if verdict is not None:
        said = value_and_limit(outcome.check, verdict)
    word = "UNDECIDED" if of_level == "insufficient evidence" else "FAILED"
    word = "ERROR" if verdict is None else word
    line = screen.cut(screen.text(f"{word} {said}: check_{outcome.check.name}[{outcome.cell}]"))
    return screen.painted(line[: len(word)], of_level) + line[len(word) :]


def _level_of(verdict: RunVerdict) -> Level:
    return "passed" if verdict.status == "passed" else verdict.status


def _failures(result: RunResult, screen: Screen) -> list[str]:
    failed, unsure = failure_texts(result), undecided_texts(result)
    texts: list[tuple[Level, GroupText]] = [("failed", text) for text in failed]
    texts += [("insufficient evidence", text) for text in unsure]
    lines = []
    for of_level, text in texts[:_MOST_GROUPS]:
        lines += _group_lines(text, of_level, screen)
    more = len(texts) - _MOST_GROUPS
    if more > 0:
        lines += [f"and {counted(more, 'group')} of failures more: --sae-summary-full"]
    return ["", *lines] if lines else []


def _group_lines(text: GroupText, of_level: Level, screen: Screen) -> list[str]:
    sign = screen.mark(of_level)
    title, *rest = _wrapped(f"{sign} {text.title} ({text.count})", screen, "", 2)
    lines = [screen.bold(screen.painted(title, of_level)), *rest]
    parts = [text.figures, f"worst: {text.worst}"]
    parts += [f"usually: {text.means}"] * bool(text.means)
    parts += [f"try: {text.remedy}"] * bool(text.remedy)
    for part in parts:
        lines += _wrapped(part, screen, _INDENT, further=2)
    # A command is never broken: it is there to be copied.
    return [*lines, f"{_INDENT}more: {screen.text(text.command)}"]


def _rest(result: RunResult, screen: Screen) -> list[str]:
    facts = result.facts
    said = [
        *unmeasured_lines(result),
        *accepted_lines(result),
        *undecided_lines(result),
        *not_applicable_lines(result),
        *map(improvement_line, result.improvements),
        *(stale_line(each, facts) for each in result.stale),
        *baseline_lines(facts),
        *budget_lines(result),
    ]
    lines = [line for each in said for line in _wrapped(each, screen, "", further=2)]
    where = [] if facts.tables is None else [f"tables: {facts.tables}"]
    where += [f"JUnit report: {result.junit}"] * bool(result.junit)
    return ["", *lines, *map(screen.text, where), "everything: -v or --sae-summary-full"]


def _wrapped(text: str, screen: Screen, indent: str, further: int = 0) -> list[str]:
    """A text in as many lines as it takes; words that are too long stand out of them."""
    return textwrap.wrap(
        screen.text(text),
        width=screen.width,
        initial_indent=indent,
        subsequent_indent=indent + " " * further,
        break_long_words=False,
        break_on_hyphens=False,
    )
