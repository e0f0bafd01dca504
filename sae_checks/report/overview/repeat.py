"""The commands that show more of a run: the whole of it again, or some of its tests alone."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence

from sae_checks.report.overview.groups import FailureGroup
from sae_checks.session.result import RunResult

# What a run writes, or how it is told: left out of a command that shows some of its tests. Those
# below take a value that may stand by itself.
_FLAGS = (
    *("-q", "--quiet", "--sae-baseline-update", "--sae-baseline-force"),
    *("--lf", "--last-failed", "--ff", "--failed-first", "-x", "--exitfirst"),
)
_WITH_VALUE = (
    *("--junitxml", "--junit-xml", "--sae-report", "--sae-markdown", "--sae-accept"),
    *("--sae-figures", "-k", "-n", "--numprocesses", "--maxfail"),
)
# What pytest -k takes as one word.
_WORD = re.compile(r"[\w:+.\[\]\\/-]+")
_MOST_CHECKS, _MOST_SAES = 4, 2


def whole_command(result: RunResult) -> str:
    """The command that started the run; one that would, where that is not known."""
    program, arguments = _started(result)
    return shlex.join((*program, *arguments))


def command_of(group: FailureGroup, result: RunResult) -> str:
    """The command that runs the worst test of each of a group's checks again, told in full.

    What is measured is stored, so that it measures nothing.
    """
    program, arguments = _started(result)
    kept = _without_writing(arguments)
    return shlex.join((*program, *kept, "-k", _expression(group), "-v"))


def _started(result: RunResult) -> tuple[Sequence[str], Sequence[str]]:
    """The run's own command; of stored tables that were judged without pytest, what judges them."""
    facts = result.facts
    if result.invocation or result.program != ("pytest",):
        return result.program, result.invocation
    if facts.stored is None:
        return result.program, ("checks/", "--sae", facts.release.name)
    limits = () if facts.changes is None else ("--sae-thresholds", str(facts.limits))
    return ("sae-checks", "judge", str(facts.stored[0])), limits


def _without_writing(arguments: Sequence[str]) -> list[str]:
    kept, skip = [], False
    for each in arguments:
        if skip or each in _FLAGS:
            skip = False
        elif each in _WITH_VALUE:
            skip = True
        elif not _holds_its_value(each):
            kept.append(each)
    return kept


def _holds_its_value(argument: str) -> bool:
    name, equals, _ = argument.partition("=")
    short = any(argument.startswith(each) for each in _WITH_VALUE if not each.startswith("--"))
    return (bool(equals) and name in _WITH_VALUE) or (short and not argument.startswith("--"))


def _expression(group: FailureGroup) -> str:
    """For pytest -k: the group's checks, and its SAEs where these are few."""
    checks = _any_of(f"check_{name}" for name in _test_names(group))
    words = [sae.sae_id for sae in group.saes]
    if len(words) > _MOST_SAES:
        words = [sae.sae_id for sae in group.worst.cell.saes[:1]]
    if not words or not all(map(_WORD.fullmatch, words)):
        return checks
    saes = _any_of(words)
    return " and ".join(f"({each})" if " or " in each else each for each in (checks, saes))


def _test_names(group: FailureGroup) -> list[str]:
    names = list(dict.fromkeys(outcome.check.name for outcome in group.outcomes))
    worst = group.worst.check.name
    return names if len(names) <= _MOST_CHECKS else [worst]


def _any_of(words: Iterable[str]) -> str:
    return " or ".join(words)
