"""The self-test as Markdown: a row per fault and strength, then the unharmed release."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from sae_checks.faults.findings import LIMITS, Finding
from sae_checks.faults.seeds import RetrainedRun, SeedRun
from sae_checks.faults.trial import Trial
from sae_checks.judge.thresholds import QUESTIONS
from sae_checks.wording import counted

ASKED = (LIMITS, *QUESTIONS)
_SHOWN = 4  # checks named in a cell of the table

_INTRODUCTION = """# Self-test of the gate: {release}

What `{command}` printed, with sae-checks {version}.

One fault at a time is planted into the release, which is then asked three questions: whether it
keeps its limits, in a default run that stops where its claims are decided; whether it is worse than
the unharmed release (*regression*, which a retrained release has to pass); and whether it is the
same as it (*equivalence*, which the same weights in another form have to pass). A fault is caught
if every SAE that has it is named by a test that fails, or an undecided claim, where there was none
without it. The table names the checks that fail, with how many of their cells do; *refused* means
that the run ends, as the texts cannot be paired with the baseline's. Strengths marked *weaker* need
not be caught: they show where the gate stops noticing.
"""
_COLUMNS = (
    "fault",
    "strength",
    "planted in",
    "by its limits",
    "regression",
    "equivalence",
    "others blamed",
    "seconds",
)


_FURTHER = """
## Faults for single checks

The faults above are what goes wrong most. These are there since none of them makes certain checks
fail, or not on this release; each has to be caught as well.
"""


_BY_CHECK = """
## Each check

Which of these faults make a check fail by its limits, of all strengths, and how many do so compared
with the unharmed release. A check without a limit of its own has none in the first column."""


def head(release: str, command: str, version: str) -> str:
    """What stands above the tables."""
    return _INTRODUCTION.format(release=release, command=command, version=version)


def table_head() -> str:
    """What stands above the rows."""
    return f"| {' | '.join(_COLUMNS)} |\n{'|---' * len(_COLUMNS)}|"


def further_head() -> str:
    """What stands above the rows of faults for single checks."""
    return f"{_FURTHER}\n{table_head()}"


def row(trial: Trial) -> str:
    """One fault at one strength."""
    listed = trial.strength.label + ("" if trial.strength.listed else " (weaker)")
    planted = ", ".join(trial.planted_in) if len(trial.planted_in) < 3 else "all SAEs"
    cells = [
        trial.fault.name,
        listed,
        planted,
        *(_checks(f for f in trial.findings if f.question == question) for question in ASKED),
        ", ".join(trial.others) or "none",
        f"{trial.seconds:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def by_check(trials: Sequence[Trial], checks: Sequence[str]) -> str:
    """Which faults make each check fail: by its limits, and in how many trials as a comparison."""
    lines = [_BY_CHECK, "", f"| check | {' | '.join(ASKED)} |", f"|---{'|---' * len(ASKED)}|"]
    for check in checks:
        told = []
        for question in ASKED:
            found = [t for t in trials if any(f.check == check for f in t.of(question))]
            told.append(_faults(found) if question == LIMITS else str(len(found) or "–"))
        lines.append(f"| {check} | {' | '.join(told)} |")
    return "\n".join(lines)


def _faults(trials: Sequence[Trial]) -> str:
    """The first few, and how many there are."""
    named = [f"{trial.fault.name} ({trial.strength.label})" for trial in trials[:2]]
    if len(trials) > 2:
        named.append(f"{len(trials) - 2} more")
    return ", ".join(named) or "–"


def not_planted(name: str, strength: str, why: str) -> str:
    """A fault that this release cannot have."""
    return f"| {name} | {strength} | – | not planted: {why} | – | – | – | – |"


def verdict(trials: Sequence[Trial], kind: str = "listed") -> str:
    """One sentence on the faults that have to be caught."""
    listed = [trial for trial in trials if trial.strength.listed]
    caught = ", ".join(
        f"{sum(trial.caught_by(question) for trial in listed)} {said}"
        for question, said in zip(
            ASKED, ("by the limits alone", "as regression", "as equivalence"), strict=True
        )
    )
    missed = [f"{t.fault.name} ({t.strength.label})" for t in listed if not t.caught]
    blamed = [f"{t.fault.name} ({t.strength.label})" for t in trials if t.others]
    told = f"of {counted(len(listed), f'{kind} fault')}, caught: {caught}"
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
        f"unharmed, on {counted(len(runs), 'other sample')} of the corpus: {len(by_limits)} "
        f"blocked by the limits, {len(against)} as not equivalent to themselves measured anew; "
        f"decided with {share:.0%} of the budget on average"
    ]
    lines += [
        f"seed {run.seed}: {finding.question}: {finding.check}: {finding.told}"
        for run in runs
        for finding in (*run.by_limits, *run.against_itself)
    ]
    return "\n".join(lines)


def on_retrained(runs: Sequence[RetrainedRun]) -> str:
    """What became of releases that were trained again from other seeds."""
    blocked = [run for run in runs if run.findings]
    lines = [
        f"trained again from {counted(len(runs), 'other seed')}: {len(blocked)} blocked as a "
        "regression"
    ]
    lines += [f"{run.name}: {f.check}: {f.told}" for run in runs for f in run.findings]
    return "\n".join(lines)


def _checks(findings: Iterable[Finding]) -> str:
    """Which checks found it, the most frequent first."""
    counts = Counter(finding.check for finding in findings)
    named = [f"{name} ({count})" for name, count in counts.most_common(_SHOWN)]
    if len(counts) > _SHOWN:
        named.append(f"{len(counts) - _SHOWN} more")
    return ", ".join(named) or "–"
