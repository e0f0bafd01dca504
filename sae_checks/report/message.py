"""The message of a failing test: value, limit, interval, what it rests on, and where to look."""

from __future__ import annotations

from sae_checks.judge.check import Check
from sae_checks.judge.verdict import Verdict
from sae_checks.records.place import CellRef, Place
from sae_checks.records.selectors import POSITIONS
from sae_checks.report.features import feature_lines
from sae_checks.report.sentence import sentence
from sae_checks.report.words import known_failure
from sae_checks.report.worst import unit_lines, worst_ranges
from sae_checks.session.result import Failing, NotAccepted


def failure_message(failing: Failing) -> str:
    """All that a person is shown of a test that fails."""
    lines = _lines(failing.check, failing.cell, failing.verdict)
    if failing.not_accepted is not None:
        lines.append(f"not accepted: {_not_accepted(failing.not_accepted)}")
    lines += [line for line in [worst_ranges(failing.ranges)] if line]
    if failing.heaviest:
        lines += ["weighing most:", *unit_lines(failing.heaviest)]
    lines += [line.strip() for line in feature_lines(failing.features)]
    return "\n".join(lines)


def _lines(check: Check, cell: CellRef, verdict: Verdict) -> list[str]:
    """Measured value, limit, interval, texts and tokens, and what to look at."""
    where = _where(cell.place)
    if cell.absent is not None:
        where = cell.absent.where or where
    lines = [f"{check.title} of {where}: {sentence(verdict)}"]
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


def _where(place: Place) -> str:
    """A place in the words of a sentence."""
    where = place.of_saes or f"release {place['release']}"
    for selector, value in place.within_saes:
        if selector == POSITIONS:
            where += f", positions {value.first} to {value.last}"
        else:
            where += f"{' on' if selector.dataset else ','} {selector.name} {value}"
    return where


def _not_accepted(why: NotAccepted) -> str:
    entry = why.entry
    if why.expired:
        return f"{known_failure(entry)} accepted this until {entry.expires}"
    return f"{known_failure(entry)} accepts this up to {entry.bound:g} and no further"
