"""The unharmed release: on other texts, and trained again from other seeds. It has to pass."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sae_checks.baseline.comparison import make_baseline
from sae_checks.faults.findings import (
    Cells,
    Finding,
    differences,
    failures,
    that_can_fail,
    through_a_file,
)
from sae_checks.faults.injection import Injection
from sae_checks.judge.thresholds import Thresholds
from sae_checks.measure.progress import Progress
from sae_checks.options import Options
from sae_checks.session.budget import passes
from sae_checks.session.gate import Gate
from sae_checks.session.result import total

# A release is measured a second time in batches of another size, as on another machine.
OTHER_BATCH_TOKENS = 1_000


@dataclass(frozen=True)
class SeedRun:
    """The unharmed release on one sample of texts."""

    seed: int
    by_limits: tuple[Finding, ...]
    against_itself: tuple[Finding, ...]  # asked for equivalence
    share_of_budget: float


@dataclass(frozen=True)
class RetrainedRun:
    """A release that was trained again from another seed, against the one under test."""

    name: str
    findings: tuple[Finding, ...]  # asked for regression


def unharmed(options: Options, seeds: int, progress: Progress) -> Iterator[SeedRun]:
    """Gate a release on samples 1 .. seeds of its corpus, as any run would.

    Then measure all of each sample, make a baseline of it, measure it anew in other batches, and
    ask whether the two are equivalent.
    """
    for seed in range(1, seeds + 1):
        chosen = replace(options, seed=seed)
        gate, thresholds, cells = _measured(chosen, progress)
        assert gate.measurement is not None, "it was measured"
        spent, budget = total(passes(gate.measurement))
        by_limits = failures(gate.rule(thresholds), gate.measurement, cells)
        before, _, _ = _measured(replace(chosen, fixed=True), progress)
        with tempfile.TemporaryDirectory() as folder:
            anew = replace(chosen, fixed=True, store=Path(folder), batch_tokens=OTHER_BATCH_TOKENS)
            candidate, _, _ = _measured(anew, progress)
        assert before.measurement is not None, "it was measured"
        assert candidate.measurement is not None, "it was measured"
        baseline = through_a_file(make_baseline(before.measurement, thresholds, cells))
        rule = candidate.rule(thresholds)
        against = differences(rule, baseline, candidate.measurement, cells, "equivalence")
        yield SeedRun(seed, tuple(by_limits), tuple(against), spent / budget)


def retrained(
    injection: Injection, folders: Sequence[Path], progress: Progress
) -> Iterator[RetrainedRun]:
    """Ask of releases that were trained again whether they are worse than the one under test."""
    baseline = through_a_file(
        make_baseline(injection.measurement, injection.thresholds, injection.cells)
    )
    for folder in folders:
        options = replace(injection.gate.options, release=str(folder), corpus=injection.gate.corpus)
        gate, thresholds, cells = _measured(options, progress)
        assert gate.measurement is not None, "it was measured"
        rule = gate.rule(thresholds)
        found = differences(rule, baseline, gate.measurement, cells, "regression")
        yield RetrainedRun(folder.name, tuple(found))


def _measured(options: Options, progress: Progress) -> tuple[Gate, Thresholds, Cells]:
    """A run of all checks that can fail, up to its measurement."""
    gate = Gate(options)
    thresholds = gate.read_thresholds(())
    cells = [(check, ref) for check in that_can_fail(thresholds) for ref in gate.cells(check)]
    gate.measure(cells, thresholds, progress)
    progress.close()
    return gate, thresholds, cells
