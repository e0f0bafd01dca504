"""The Markdown of a run: verdict, rule, matrix, regressions, failures by cause, the rest folded.

Never longer than `MOST_BYTES`: what does not fit is counted, the most telling parts come first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sae_checks.judge.topics import VS_BASELINE
from sae_checks.report.budget import budget_lines
from sae_checks.report.header import changed_lines
from sae_checks.report.markdown.escape import block, code, escaped
from sae_checks.report.notes import stale_line
from sae_checks.report.overview.levels import LEVELS
from sae_checks.report.overview.matrix import Matrix, Row, Square, matrix
from sae_checks.report.overview.repeat import whole_command
from sae_checks.report.overview.verdict import run_verdict
from sae_checks.report.sections import (
    GroupText,
    accepted_lines,
    failure_texts,
    not_applicable_lines,
    undecided_lines,
    undecided_texts,
    unmeasured_lines,
)
from sae_checks.report.short import mark, short_value
from sae_checks.report.summary import improvement_line
from sae_checks.report.words import baseline_lines
from sae_checks.session.result import RunResult
from sae_checks.wording import counted

MOST_BYTES = 60_000
_RESERVED = 1_000  # for what is said of parts that were left out
_SHARE_OF_MATRIX = 0.5
_SQUARES = (
    "A square shows its topic's main figure or, where any test of it fails or is undecided, the "
    "worst one."
)
_SIGNS = {"passed": "✅", "failed": "❌", "insufficient evidence": "❔", "not measurable": "❌"}


def markdown_lines(result: RunResult) -> list[str]:
    """The lines of a Markdown file on a run, of `MOST_BYTES` in UTF-8 at most."""
    page = _Page()
    page.add(_verdict(result))
    page.add(["", _rule(result)])
    _add_matrix(page, matrix(result))
    failed = failure_texts(result)
    regressions = [text for text in failed if text.topics == (VS_BASELINE,)]
    others = [text for text in failed if text not in regressions]
    _add_section(page, "Against the baseline", _regressions(regressions, result))
    _add_section(page, "Failures by cause", map(_group, others))
    _add_section(page, "Not enough evidence", map(_group, undecided_texts(result)))
    _add_section(page, "Not measurable", ([f"- {escaped(e)}"] for e in unmeasured_lines(result)))
    _add_folded(page, "Accepted, undecided, budget", _rest(result))
    page.add(["", "<details><summary>How to reproduce</summary>", "", *_repeat(result)])
    page.add(["", "</details>"])
    return page.finished()


@dataclass
class _Page:
    """Lines as long as there is room for them, a part at a time."""

    lines: list[str] = field(default_factory=list)
    size: int = 0
    left_out: int = 0

    def add(self, lines: Sequence[str], room: float = MOST_BYTES - _RESERVED) -> bool:
        """Add all of these lines, or none of them and count that."""
        size = sum(len(line.encode()) + 1 for line in lines)
        if self.size + size > room:
            self.left_out += 1
            return False
        self.lines += lines
        self.size += size
        return True

    def finished(self) -> list[str]:
        """All lines, and how much was left out."""
        if not self.left_out:
            return self.lines
        left = counted(self.left_out, "part")
        return [*self.lines, "", f"Left out for length: {left}; the JUnit report has all of it."]


def _verdict(result: RunResult) -> list[str]:
    verdict = run_verdict(result)
    name = code(result.facts.release.name[:200])
    return [f"### {_SIGNS[verdict.status]} {name}: {escaped(verdict.sentence)}"]


def _rule(result: RunResult) -> str:
    gate = result.thresholds.gate
    return (
        "A claim fails where its interval, widened for all cells of the release together (error "
        f"{gate.claims_error:.0%}), lies beyond its limit; it passes where its own interval "
        f"({gate.confidence:.0%} each side) lies within limit and margin; anything between is no "
        "pass. Ranges say where."
    )


def _add_matrix(page: _Page, found: Matrix) -> None:
    if not found.rows:
        return
    heads = [escaped(topic) for topic in found.topics]
    page.add(["", f"| | {' | '.join(heads)} |", f"|---|{'---|' * len(heads)}"])
    room = _SHARE_OF_MATRIX * MOST_BYTES
    for row in found.rows:
        page.add([_row(row, found.topics)], room)
    levels = {square.level for row in found.rows for square in row.squares.values()}
    legend = [f"{mark(each)} {each}" for each in LEVELS if each in levels]
    page.add(["", f"{', '.join(legend)}. {_SQUARES}"])


def _row(row: Row, topics: Sequence[str]) -> str:
    squares = [_square(row.squares.get(topic)) for topic in topics]
    return f"| {escaped(row.label)} | {' | '.join(squares)} |"


def _square(square: Square | None) -> str:
    if square is None:
        return ""
    text = f"{mark(square.level)} {escaped(short_value(square.value, square.unit))}"
    return f"**{text}**" if square.level in ("failed", "not measurable") else text


def _add_section(page: _Page, title: str, parts: Iterable[Sequence[str]]) -> None:
    """A heading and its parts; nothing where there are none."""
    found = list(parts)
    if found and page.add(["", f"#### {title}", ""]):
        for part in found:
            page.add(part)


def _add_folded(page: _Page, title: str, lines: Sequence[str]) -> None:
    if lines and page.add(["", f"<details><summary>{title}</summary>", ""]):
        for line in lines:
            page.add([f"- {escaped(line)}"])
        page.add(["", "</details>"], MOST_BYTES)


def _regressions(texts: Sequence[GroupText], result: RunResult) -> list[list[str]]:
    better = [[f"- {escaped(improvement_line(outcome))}"] for outcome in result.improvements]
    return [*map(_group, texts), *better]


def _group(text: GroupText) -> list[str]:
    """One group of failures: what, where, how badly, how sure, what to do."""
    lines = [f"- **{escaped(text.title)}** ({text.count})", f"  - {escaped(text.figures)}"]
    lines.append(f"  - worst: {escaped(text.worst)}")
    if text.means:
        lines.append(f"  - usually: {escaped(text.means)}")
    if text.remedy:
        lines.append(f"  - try: {escaped(text.remedy)}")
    return [*lines, f"  - more: {code(text.command)}"]


def _rest(result: RunResult) -> list[str]:
    facts = result.facts
    return [
        *accepted_lines(result),
        *undecided_lines(result),
        *not_applicable_lines(result),
        *(stale_line(each, facts) for each in result.stale),
        *baseline_lines(facts),
        *budget_lines(result),
    ]


def _repeat(result: RunResult) -> list[str]:
    facts = result.facts
    texts = facts.tokens // facts.context
    said = [
        f"- corpus {code(facts.corpus)}: at most {counted(texts, 'text')} of {facts.context:,} "
        f"tokens, seed {facts.seed}",
        f"- limits {code(str(facts.limits.name))}",
        *(f"- {escaped(line)}" for line in changed_lines(facts)),
    ]
    if facts.tasks:
        said.append(f"- tasks {code(', '.join(facts.tasks))}: {counted(facts.items, 'item')} each")
    return [*block(whole_command(result)), "", *said]
