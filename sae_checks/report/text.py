"""Sentences and properties about single verdicts: headers, failure messages, JUnit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sae_checks.baseline.identity import same_weights
from sae_checks.evals.registry import selectors
from sae_checks.judge.check import Check
from sae_checks.judge.thresholds import KnownFailure
from sae_checks.judge.verdict import Verdict
from sae_checks.records.place import CellRef, Place
from sae_checks.records.selectors import POSITIONS, RELEASE, SAE, property_names
from sae_checks.report.sentence import sentence
from sae_checks.report.texts import text_lines
from sae_checks.session.suite import BUNDLED_THRESHOLDS
from sae_checks.wording import counted

if TYPE_CHECKING:
    from sae_checks.options import Options
    from sae_checks.session.gate import Gate


def header(gate: Gate, options: Options, *, with_tasks: bool) -> list[str]:
    """The lines at the start of a run; tasks only where a check asks about them."""
    release, loading = gate.release, gate.release.loading
    notes = "".join(f" ({note})" for note in release.notes)
    processing = ", ".join(f"{k}={v}" for k, v in loading.from_pretrained_kwargs)
    lines = [
        f"sae-checks: release {release.name}{notes}: {counted(len(release.saes), 'SAE')}, "
        + f"model {loading.model_name}"
        + (f" ({processing})" if processing else "")
    ]
    lines += [f"sae-checks: {told}" for told in baseline_lines(gate)]
    if gate.stored is not None:
        drawn = "".join(f": {line}" for line in text_lines(gate.stored.manifest))
        judged = f"sae-checks: judging stored measurements of {options.measurements}"
        return [*lines, judged + drawn]
    texts = options.tokens // gate.context
    lines.append(
        f"sae-checks: corpus {gate.corpus}, {options.tokens:,} tokens at most: {texts:,} texts of "
        f"{gate.context:,}, seed {options.seed}; limits {options.thresholds or BUNDLED_THRESHOLDS}"
    )
    if with_tasks and gate.tasks:
        names = ", ".join(task.name for task in gate.tasks)
        lines.append(
            f"sae-checks: tasks {names}: {options.items:,} items of each at most, "
            + ("all tokens of an answer" if options.answer == "whole" else "its first token")
            + " scored"
        )
    whole = [s for s in release.saes if not gate.ranges[s.sae_id].past_context]
    if whole:
        lines.append(
            "sae-checks: nothing past the training context is measured for "
            + counted(len(whole), "SAE")
        )
    if gate.store is not None:
        lines.append(f"sae-checks: measurements in {gate.store.folder}")
    return lines


def baseline_lines(gate: Gate) -> list[str]:
    """Which baseline the release is compared with, what is asked, and whether it is the same."""
    comparison = gate.comparison
    if comparison is None:
        return []
    lines = [f"baseline {comparison.source.identity}; asked is {comparison.question}"]
    if same_weights(gate.release.saes, comparison.source.saes, comparison.matches):
        lines.append(
            "the baseline is this very release: every difference is 0, but for what another "
            "device, library or loading changes"
        )
    return lines


def properties(
    check: Check, cell: CellRef, verdict: Verdict | None, context: int
) -> dict[str, str]:
    """What the JUnit report says of a test; what was not measured is "nan", its verdict "error"."""
    # A task's items have no range of positions in common.
    every = {"first_position": "1", "last_position": str(context - 2)}
    made = {
        **dict.fromkeys(property_names(selectors()), ""),
        **(every if cell.kind.of_positions else {}),
        **cell.place.properties(),
        "metric": check.name,
        "compared": cell.compared,
        "value": "nan",
        "family": cell.family,
        "limit": "",
        "margin": "nan",
        "ci_low": "nan",
        "ci_high": "nan",
        "adjusted_low": "nan",
        "adjusted_high": "nan",
        "detectable": "nan",
        "texts_to_decide": "nan",
        "texts": "0",
        "documents": "0",
        "tokens": "0",
        "verdict": "error",
    }
    if verdict is not None:
        estimate = verdict.estimate
        made |= {
            "value": _figure(estimate.value),
            "limit": limit(verdict),
            "margin": _figure(verdict.limit.margin) if limit(verdict) else "nan",
            "ci_low": _figure(estimate.low),
            "ci_high": _figure(estimate.high),
            "adjusted_low": _figure(verdict.adjusted.low),
            "adjusted_high": _figure(verdict.adjusted.high),
            "detectable": _figure(verdict.detectable),
            "texts_to_decide": _figure(verdict.texts_to_decide),
            "texts": str(estimate.texts),
            "documents": str(estimate.units),
            "tokens": str(estimate.tokens),
            "verdict": verdict.status,
        }
        made |= {name: _figure(v) if isinstance(v, float) else str(v) for name, v in estimate.notes}
    return made


def limit(verdict: Verdict) -> str:
    """The limit as reports write it: "<= 0.3", ">= 1", "1 to 300", or "" where there is none."""
    low, high = verdict.limit.min, verdict.limit.max
    if low is not None and high is not None:
        return f"{low:g} to {high:g}"
    if high is not None:
        return f"<= {high:g}"
    return f">= {low:g}" if low is not None else ""


def failure(check: Check, cell: CellRef, verdict: Verdict) -> str:
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
    return "\n".join(lines)


def _where(place: Place) -> str:
    """A place in the words of a sentence."""
    told = place.of_saes or f"release {place['release']}"
    for selector, value in place.within_saes:
        if selector == POSITIONS:
            told += f", positions {value.first} to {value.last}"
        else:
            told += f"{' on' if selector.dataset else ','} {selector.name} {value}"
    return told


def known_failure(entry: KnownFailure) -> str:
    """An accepted failure's own identity, for messages about it."""
    where = dict(entry.where)
    release, sae = where.pop(RELEASE.name), where.pop(SAE.name, "*")
    told = "".join(f", {name} {pattern}" for name, pattern in where.items())
    return f"[[known_failure]] {entry.check} of {release} ({sae}{told})"


def _figure(value: float) -> str:
    return "nan" if math.isnan(value) else f"{value:.6g}"
