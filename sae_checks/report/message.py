"""The message of a failing test: value, limit, interval, what it rests on, and where to look."""

from __future__ import annotations

from sae_checks.judge.check import Check
from sae_checks.judge.verdict import Verdict
from sae_checks.records.place import CellRef
from sae_checks.report.features import feature_lines
from sae_checks.report.first_line import first_line
from sae_checks.report.words import known_failure
from sae_checks.report.worst import unit_lines, worst_ranges
from sae_checks.session.result import Failing, NotAccepted
from sae_checks.wording import visible


def failure_message(failing: Failing) -> str:
    """All that a person is shown of a test that fails."""
    lines = _lines(failing.check, failing.cell, failing.verdict)
    if failing.not_accepted is not None:
        lines.append(f"not accepted: {_not_accepted(failing.not_accepted)}")
    lines += [line for line in [worst_ranges(failing.ranges)] if line]
    if failing.heaviest:
        lines += ["weighing most:", *unit_lines(failing.heaviest)]
    lines += [line.strip() for line in feature_lines(failing.features)]
    return "\n".join(map(visible, lines))


def _lines(check: Check, cell: CellRef, verdict: Verdict) -> list[str]:
    """Measured value, limit, interval, texts and tokens, and what to look at."""
    lines = [first_line(check, cell, verdict)]
    if verdict.estimate.notes:
        notes = ", ".join(
            f"{n} = {v:.4g}" if isinstance(v, float) else f"{n} = {v}"
            for n, v in verdict.estimate.notes
        )
        lines.append(f"also: {notes}")
    if check.summary:
        lines.append(f"asked: {check.summary}")
    if verdict.limit.source:
        lines.append(f"limit: {verdict.limit.source}")
    lines += [
        f"features: https://www.neuronpedia.org/{sae.neuronpedia_id}"
        for sae in cell.saes
        if sae.neuronpedia_id
    ]
    return lines


def _not_accepted(why: NotAccepted) -> str:
    entry = why.entry
    if why.expired:
        return f"{known_failure(entry)} accepted this until {entry.expires}"
    return f"{known_failure(entry)} accepts this up to {entry.bound:g} and no further"
