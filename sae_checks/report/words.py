"""The words that several reports share for a limit, a baseline, and an accepted failure."""

from __future__ import annotations

from sae_checks.judge.thresholds import KnownFailure
from sae_checks.judge.verdict import Verdict
from sae_checks.records.selectors import RELEASE, SAE
from sae_checks.session.result import RunFacts


def limit(verdict: Verdict) -> str:
    """The limit as reports write it: "<= 0.3", ">= 1", "1 to 300", or "" where there is none."""
    low, high = verdict.limit.min, verdict.limit.max
    if low is not None and high is not None:
        return f"{low:g} to {high:g}"
    if high is not None:
        return f"<= {high:g}"
    return f">= {low:g}" if low is not None else ""


def known_failure(entry: KnownFailure) -> str:
    """An accepted failure's own identity, for messages about it."""
    where = dict(entry.where)
    release, sae = where.pop(RELEASE.name), where.pop(SAE.name, "*")
    within = "".join(f", {name} {pattern}" for name, pattern in where.items())
    return f"[[known_failure]] {entry.check} of {release} ({sae}{within})"


def baseline_lines(facts: RunFacts) -> list[str]:
    """Which baseline the release is compared with, what is asked, and whether it is the same."""
    baseline = facts.baseline
    if baseline is None:
        return []
    lines = [f"baseline {baseline.identity}; asked is {baseline.question}"]
    if baseline.same_weights:
        lines.append(
            "the baseline is this very release: every difference is 0, but for what another "
            "device, library or loading changes"
        )
    return lines
