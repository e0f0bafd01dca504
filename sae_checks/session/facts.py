"""What is known of a run before anything is measured, as reports are given it."""

from __future__ import annotations

from collections.abc import Collection

from sae_checks.baseline.comparison import Comparison
from sae_checks.baseline.identity import same_weights
from sae_checks.evals.registry import notes, selectors
from sae_checks.judge.check import Check
from sae_checks.records import Release
from sae_checks.records.selectors import property_names
from sae_checks.session.datasets import reads
from sae_checks.session.gate import Gate
from sae_checks.session.result import ComparedBaseline, RunFacts
from sae_checks.session.suite import BUNDLED_THRESHOLDS


def run_facts(gate: Gate, checks: Collection[Check]) -> RunFacts:
    """What is gated, on what, at what budget.

    Args:
        gate: of the run.
        checks: that were met; tasks are looked up only where one asks about them.
    """
    options, store, comparison = gate.options, gate.store, gate.comparison
    declaring = [sae for sae in gate.release.saes if sae.training_context is not None]
    within = [sae for sae in declaring if not gate.ranges[sae.sae_id].past_context]
    with_tasks = any(reads(check, "item") for check in checks)
    judged = None
    if gate.stored is not None and options.measurements is not None:
        judged = options.measurements, gate.stored.manifest
    return RunFacts(
        release=gate.release,
        context=gate.context,
        corpus=gate.corpus,
        shift=gate.shift,
        device=gate.device,
        tokens=options.tokens,
        seed=options.seed,
        limits=options.thresholds or BUNDLED_THRESHOLDS,
        property_names=tuple(property_names(selectors())),
        tasks=tuple(task.name for task in gate.tasks) if with_tasks else (),
        items=options.items,
        whole_answers=options.answer == "whole",
        within_context=len(within),
        notes=tuple(notes(checks, gate.release, gate.judged_part)),
        tables=None if store is None else store.folder,
        stored=judged,
        baseline=None if comparison is None else _baseline(comparison, gate.release),
    )


def _baseline(comparison: Comparison, release: Release) -> ComparedBaseline:
    source = comparison.source
    same = same_weights(release.saes, source.saes, comparison.matches)
    return ComparedBaseline(str(source.identity), comparison.question, same)
