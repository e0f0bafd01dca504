"""One line each on what a run wrote, and on accepted failures that are out of date."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sae_checks.report.words import known_failure
from sae_checks.session.result import BaselineWriting, Outcome, RunFacts, StaleFailure
from sae_checks.wording import counted


def stale_line(stale: StaleFailure, facts: RunFacts) -> str:
    """What to do about an accepted failure that accepts nothing any more."""
    entry = known_failure(stale.entry)
    if stale.cells:
        return f"note: {entry}: all of its {stale.cells} cells pass; remove it"
    return f"note: {entry}: matches no cell of {facts.release.name}; mend or remove it"


def accepting_line(outcomes: Iterable[Outcome], file: Path) -> str:
    """That failures were written as accepted ones."""
    failed = sum(outcome.outcome == "failed" for outcome in outcomes)
    return (
        f"{counted(failed, 'failure')} as [[known_failure]] in {file}: review "
        "them, give each its reason, and move them to the thresholds file"
    )


def baseline_line(writing: BaselineWriting) -> str:
    """That a baseline was written, or why not."""
    if writing.errors:
        return f"no baseline was written: {counted(writing.errors, 'test')} could not be measured"
    if writing.partial:
        return "no baseline was written: only part of the collected tests ran"
    if writing.incomplete:
        return (
            "no baseline was written: the release was measured only until its verdicts were "
            "clear; measure it with --sae-fixed"
        )
    line = (
        f"baseline {writing.file} written: {writing.cells:,} cells of "
        f"{counted(writing.saes, 'SAE')}, {writing.size / 1024:.0f} KiB; look at what changed, "
        "keep it, and run again without --sae-baseline-update"
    )
    if writing.fails:
        line += "; this run fails, so that no baseline changes unseen (--sae-baseline-force)"
    return line
