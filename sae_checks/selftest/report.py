"""The self-test as Markdown: a row per fault and strength, then the unharmed release."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from sae_checks.selftest.seeds import SeedRun
from sae_checks.selftest.trial import Finding, Trial
from sae_checks.wording import counted

_SHOWN = 4  # checks named in a cell of the table

HEAD = (
    "| fault | strength | planted in | caught by its limits | against the baseline | others blamed "
    "| seconds |\n|---|---|---|---|---|---|---|"
)


def row(trial: Trial) -> str:
    """One fault at one strength."""
    listed = trial.strength.label + ("" if trial.strength.listed else " (weaker)")
    planted = ", ".join(trial.planted_in) if len(trial.planted_in) < 3 else "all SAEs"
    cells = [
        trial.fault.name,
        listed,
        planted,
        _checks(f for f in trial.findings if not f.against_baseline),
        _checks(f for f in trial.findings if f.against_baseline),
        ", ".join(trial.others) or "none",
        f"{trial.seconds:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def not_planted(name: str, strength: str, why: str) -> str:
    """A fault that this release cannot have."""
    return f"| {name} | {strength} | – | not planted: {why} | – | – | – |"


def verdict(trials: Sequence[Trial]) -> str:
    """One sentence on the faults that have to be caught."""
    listed = [trial for trial in trials if trial.strength.listed]
    missed = [f"{t.fault.name} ({t.strength.label})" for t in listed if not t.caught]
    blamed = [f"{t.fault.name} ({t.strength.label})" for t in trials if t.others]
    told = f"{len(listed) - len(missed)} of {counted(len(listed), 'listed fault')} caught"
    if missed:
        told += f"; missed: {', '.join(missed)}"
    if blamed:
        told += f"; SAEs blamed without being damaged: {', '.join(blamed)}"
    return told


def on_seeds(runs: Sequence[SeedRun]) -> str:
    """What became of the unharmed release on other texts."""
    by_limits = [run for run in runs if run.by_limits]
    against = [run for run in runs if run.against_itself]
    share = sum(run.share_of_budget for run in runs) / len(runs)
    lines = [
        f"unharmed, on {counted(len(runs), 'other sample')} of the corpus: {len(by_limits)} failed "
        f"by the limits, {len(against)} against their own baseline; decided with {share:.0%} of "
        "the budget on average"
    ]
    lines += [
        f"seed {run.seed}: {finding.check}: {finding.told}"
        for run in runs
        for finding in (*run.by_limits, *run.against_itself)
    ]
    return "\n".join(lines)


def _checks(findings: Iterable[Finding]) -> str:
    """Which checks found it, the most frequent first."""
    counts = Counter(finding.check for finding in findings)
    named = [f"{name} ({count})" for name, count in counts.most_common(_SHOWN)]
    if len(counts) > _SHOWN:
        named.append(f"{len(counts) - _SHOWN} more")
    return ", ".join(named) or "–"
