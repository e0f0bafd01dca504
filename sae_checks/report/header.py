"""The lines at the start of a run: what is gated, on what, at what budget."""

from __future__ import annotations

from collections.abc import Sequence

from sae_checks.records import SaeRef
from sae_checks.report.texts import text_lines
from sae_checks.report.words import baseline_lines
from sae_checks.session.result import RunFacts
from sae_checks.wording import SAY_TRAINING_CONTEXT, counted


def header_lines(facts: RunFacts) -> list[str]:
    """Each begins with the name of the tool; tasks only where a check asks about them."""
    return [f"sae-checks: {line}" for line in [_release(facts), *_rest(facts)]]


def short_header_lines(facts: RunFacts) -> list[str]:
    """Three lines: the release, on what it is gated, with which limits; and what is unusual."""
    unusual = [*_undeclared(facts), *baseline_lines(facts), *facts.notes, *changed_lines(facts)]
    unusual += _second_corpus(facts)
    if facts.stored is not None:
        measured = f"judging stored measurements of {facts.stored[0]}"
        data, kept = measured, ""
    else:
        data, kept = _data(facts), "" if facts.tables is None else f"; tables in {facts.tables}"
    lines = [_release(facts), data, f"limits {facts.limits}{kept}", *unusual]
    return [f"sae-checks: {line}" for line in lines]


def _data(facts: RunFacts) -> str:
    texts = counted(facts.tokens // facts.context, "text")
    line = f"at most {texts} of {facts.context:,} tokens of {facts.corpus}"
    if facts.tasks:
        scored = ", whole answers" if facts.whole_answers else ""
        line += f", {counted(facts.items, 'item')} of {', '.join(facts.tasks)}{scored}"
    return f"{line}; seed {facts.seed}" + (f"; on {facts.device}" if facts.device else "")


def _second_corpus(facts: RunFacts) -> list[str]:
    if not facts.shift:
        return []
    return [f"second corpus {facts.shift}: as many texts of it, all of them measured"]


def _release(facts: RunFacts) -> str:
    release, loading = facts.release, facts.release.loading
    notes = "".join(f" ({note})" for note in release.notes)
    processing = ", ".join(f"{k}={v}" for k, v in loading.from_pretrained_kwargs)
    return (
        f"release {release.name}{notes}: {counted(len(release.saes), 'SAE')}, "
        + f"model {loading.model_name}"
        + (f" ({processing})" if processing else "")
    )


def _rest(facts: RunFacts) -> list[str]:
    lines = [*_undeclared(facts), *baseline_lines(facts), *facts.notes]
    lines += changed_lines(facts)
    if facts.stored is not None:
        folder, manifest = facts.stored
        drawn = "".join(f": {line}" for line in text_lines(manifest))
        return [*lines, f"judging stored measurements of {folder}{drawn}"]
    texts = facts.tokens // facts.context
    lines.append(
        f"corpus {facts.corpus}, {facts.tokens:,} tokens at most: {texts:,} texts of "
        f"{facts.context:,}, seed {facts.seed}; limits {facts.limits}"
        + (f"; on {facts.device}" if facts.device else "")
    )
    lines += _second_corpus(facts)
    if facts.tasks:
        lines.append(
            f"tasks {', '.join(facts.tasks)}: {facts.items:,} items of each at most, "
            + ("all tokens of an answer" if facts.whole_answers else "its first token")
            + " scored"
        )
    if facts.within_context:
        lines.append(
            "nothing past the training context is measured for "
            + counted(facts.within_context, "SAE")
        )
    if facts.tables is not None:
        lines.append(f"measurements in {facts.tables}")
    return lines


def changed_lines(facts: RunFacts) -> list[str]:
    """Which of the shipped limits the run's file changes."""
    changes = facts.changes
    if changes is None:
        return []
    told = [*changes.checks, *(f"{key} of [gate]" for key in changes.gate)]
    if changes.known_failures:
        told.append(counted(changes.known_failures, "accepted failure"))
    return [f"{facts.limits} changes of the shipped limits: {', '.join(told) or 'nothing'}"]


def _unasked(without: Sequence[SaeRef]) -> str:
    """Which declared figures nothing is held against for want of a training context."""
    figures = {
        "L0": sum(sae.declared.l0 is not None for sae in without),
        "explained variance": sum(sae.declared.explained_variance is not None for sae in without),
    }
    declared = " and ".join(name for name, count in figures.items() if count)
    return f"; nor is the declared {declared} compared with what is measured" if declared else ""


def _undeclared(facts: RunFacts) -> list[str]:
    """What the release does not say of its SAEs, and what is done without it."""
    saes, lines = facts.release.saes, []
    without = [sae for sae in saes if sae.training_context is None]
    if without:
        some = f" of {len(without):,} of {counted(len(saes), 'SAE')}"
        whose = "" if len(without) == len(saes) else some
        lines.append(
            f"training context{whose} not declared; {SAY_TRAINING_CONTEXT}. Until then all "
            "positions measured count as within it, and nothing is asked past it"
            f"{_unasked(without)}"
        )
    assumed = sorted({s.dataset for s in saes if s.dataset and not s.declared.dataset})
    if assumed:
        lines.append(f"data set not declared; sae_lens's loader says {', '.join(assumed)}")
    return lines
