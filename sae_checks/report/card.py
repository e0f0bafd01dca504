"""The section of a model card: what was measured of a release, with intervals and limits.

Only claims stand in it: each is about the whole training context of an SAE, or about one task.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version

from sae_checks.judge.estimate import Estimate
from sae_checks.records import Manifest, SaeRef
from sae_checks.report.overview.levels import Level, level
from sae_checks.report.overview.matrix import in_layer_order
from sae_checks.report.sentence import number
from sae_checks.report.words import limit
from sae_checks.session.result import Outcome, RunResult
from sae_checks.wording import counted, printable

# What readers of a card look for, by check, and how its column is called.
_COLUMNS = {
    "l0": "L0",
    "explained_variance": "explained variance",
    "delta_ce": "ΔCE",
    "kl": "KL",
    "ce_recovered": "CE recovered (zero ablation)",
    "cosine_similarity": "cosine similarity",
    "alive_features": "alive features",
    "usable_context": "usable context",
    "accuracy_drop": "accuracy drop",
    "delta_ln_p": "Δ ln p(answer)",
}
_USABLE = "usable_context"
_SAID: dict[Level, str] = {
    "not measurable": "not measured",
    "failed": "**beyond limit**",
    "accepted": "**beyond limit**, accepted",
    "insufficient evidence": "not shown",
    "undecided": "not shown",
}
_HELD: tuple[Level, ...] = ("passed", "unexpectedly passed")
# Claims that do not hold, by what is known of them: the last part of a card.
_NOT_HELD: dict[str, tuple[Level, ...]] = {
    "Shown to be beyond the limit": ("failed",),
    "Known failures that were accepted": ("accepted",),
    "Neither shown to hold nor to fail": ("insufficient evidence", "undecided"),
    "Not measured": ("not measurable",),
}


def card_lines(result: RunResult) -> list[str]:
    """The lines of the section, in Markdown."""
    claims = [o for o in result.outcomes if o.cell.family == "claim" and o.check.compared is None]
    saes = in_layer_order(result.facts.release.saes)
    lines = ["## Measured by sae-checks", "", *_measured(result), ""]
    on_texts = [o for o in claims if o.cell.task is None and o.cell.sae is not None]
    made = _table(saes, on_texts, result.facts.context)
    lines += [_of_texts(on_texts), "", *made] if made else []
    for task in dict.fromkeys(o.cell.task for o in claims if o.cell.task and o.cell.sae):
        of_task = [o for o in claims if o.cell.task == task and o.cell.sae is not None]
        made = _table(saes, of_task, result.facts.context)
        lines += ["", f"On the task {_text(str(task))}, over its items:", "", *made] if made else []
    return [*lines, "", *_not_held(claims, result.facts.context)]


def _measured(result: RunResult) -> Iterator[str]:
    """What measured it, on what, and how figures are to be read."""
    facts, measurement = result.facts, result.measurement
    manifest = Manifest() if measurement is None else measurement.manifest
    setting = manifest.provenance
    texts = manifest.texts
    drawn = f"{counted(int(texts['texts']), 'text')} of " if texts.get("texts") else ""
    documents = f", {counted(int(texts['documents']), 'document')}" if "documents" in texts else ""
    yield (
        f"[sae-checks](https://github.com/sae-checks/sae-checks) {version('sae-checks')} on "
        f"{_text(facts.corpus)}: {drawn}{facts.context:,} tokens{documents}"
        f"; budget {setting.get('tokens', 0):,} tokens, seed {setting.get('seed', 0)}, "
        f"{setting.get('dtype', 'float32')}; model {_text(facts.release.loading.model_name)}."
    )
    yield (
        "In brackets are 95% intervals. Limits are those of the sae-checks gate"
        + ("." if result.thresholds.changes is None else ", as this release's file changes them.")
    )


def _of_texts(outcomes: Iterable[Outcome]) -> str:
    """What the figures on texts are taken over; how far a release can be used is of all texts."""
    over = "On texts, over the positions of the training context"
    if all(outcome.check.name != _USABLE for outcome in outcomes):
        return f"{over}:"
    return (
        f"{over}; usable context is for how many training contexts ΔCE holds its limit, with ≥ "
        "where it does as far as was measured:"
    )


def _table(saes: Sequence[SaeRef], outcomes: Sequence[Outcome], context: int) -> list[str]:
    """A row for each SAE and the limits above them; nothing where no column was measured."""
    by_cell = {}
    for outcome in outcomes:
        if outcome.cell.sae is not None:
            by_cell[outcome.cell.sae.sae_id, outcome.check.name] = outcome
    checks = [name for name in _COLUMNS if any(check == name for _, check in by_cell)]
    if not checks:
        return []
    first = {name: next(o for (_, check), o in by_cell.items() if check == name) for name in checks}
    head = [f"{_COLUMNS[name]} ({first[name].check.unit})" for name in checks]
    lines = [_line(["SAE", *head]), _line(["---"] * (len(head) + 1))]
    lines.append(_line(["*limit*", *(_limit(first[name]) for name in checks)]))
    for sae in saes:
        cells = [_cell(by_cell.get((sae.sae_id, name)), context) for name in checks]
        lines.append(_line([_text(sae.sae_id), *cells]))
    return lines


def _limit(outcome: Outcome) -> str:
    if outcome.verdict is None:
        return "–"
    return _text(limit(outcome.verdict)) or "no limit"


def _cell(outcome: Outcome | None, context: int) -> str:
    if outcome is None:
        return "–"
    if outcome.verdict is None:
        return _SAID["not measurable"]
    said = _SAID.get(level(outcome), "")
    if level(outcome) == "accepted" and outcome.verdict.status == "undecided":
        said = "not shown, accepted"
    return f"{_figure(outcome, outcome.verdict.estimate, context)}{f' {said}' if said else ''}"


def _figure(outcome: Outcome, estimate: Estimate, context: int) -> str:
    """A value with its interval; what ended where the measuring did is the least it can be."""
    if math.isnan(estimate.value):
        return "not defined"
    value = number(estimate.value)
    if outcome.check.name == _USABLE and estimate.high == math.inf:
        training = outcome.cell.sae.training_context if outcome.cell.sae is not None else None
        at_end = training is not None and estimate.value >= context / training
        low = "" if estimate.low == estimate.value else f" [≥ {number(estimate.low)}]"
        return f"{'≥ ' if at_end else ''}{value}{low}"
    if not (math.isfinite(estimate.low) and math.isfinite(estimate.high)):
        return value
    return f"{value} [{number(estimate.low)}, {number(estimate.high)}]"


def _not_held(claims: Sequence[Outcome], context: int) -> list[str]:
    """Every claim that does not hold, by what is known of it."""
    found = {
        title: [outcome for outcome in claims if level(outcome) in levels]
        for title, levels in _NOT_HELD.items()
    }
    parts = [_part(title, outcomes, context) for title, outcomes in found.items() if outcomes]
    if not parts:
        if not any(level(outcome) in _HELD for outcome in claims):
            return ["No claim of the gate has a limit here."]
        return ["Every claim of the gate that has a limit is shown to hold, within its margin."]
    return [line for part in parts for line in ("", *part)][1:]


def _part(title: str, outcomes: Sequence[Outcome], context: int) -> list[str]:
    lines = [f"{title}: {counted(len(outcomes), 'claim')} of the gate.", ""]
    for outcome in outcomes:
        verdict = outcome.verdict
        value = "not measured" if verdict is None else _figure(outcome, verdict.estimate, context)
        asked = f", limit {_text(limit(verdict))}" if verdict is not None and limit(verdict) else ""
        lines.append(f"- `{outcome.check.title}` of {_text(str(outcome.cell))}: {value}{asked}")
    return lines


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _text(text: str) -> str:
    """A text from outside as Markdown shows it, whatever it holds."""
    flat = printable(text)
    marked = "".join(f"\\{sign}" if sign in "\\`*_{}[]<>#|!&~@$" else sign for sign in flat)
    # A bare address would become a link.
    return re.sub(r":(?=//)|(?<=www)\.", lambda sign: f"&#{ord(sign[0])};", marked)
