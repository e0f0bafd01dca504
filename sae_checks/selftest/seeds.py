"""The unharmed release on other texts: how often it fails, by its limits and against itself."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from sae_checks.checking import bundled_checks
from sae_checks.comparison import Comparison, comparison_of, make_baseline
from sae_checks.court import Court
from sae_checks.gate import Gate
from sae_checks.judge.thresholds import Thresholds
from sae_checks.measure.progress import Progress
from sae_checks.options import Options
from sae_checks.records import Measurement
from sae_checks.report.budget import passes, total
from sae_checks.selftest.trial import Cells, Finding, failures, through_a_file

# A release is measured a second time in batches of another size, as on another machine.
OTHER_BATCH_TOKENS = 1_000


@dataclass(frozen=True)
class SeedRun:
    """The unharmed release on one sample of texts."""

    seed: int
    by_limits: tuple[Finding, ...]
    against_itself: tuple[Finding, ...]
    share_of_budget: float


def unharmed(options: Options, seeds: int, progress: Progress) -> Iterator[SeedRun]:
    """Gate a release on samples 1 .. seeds of its corpus, as any run would.

    Then measure all of each sample, make a baseline of it, measure it anew in other batches, and
    compare the two.
    """
    for seed in range(1, seeds + 1):
        chosen = replace(options, seed=seed)
        gate, thresholds, cells = _measured(chosen, progress)
        assert gate.measurement is not None, "it was measured"
        spent, budget = total(passes(gate.measurement))
        by_limits = failures(gate.court(thresholds), gate.measurement, cells)
        baseline, _, _ = _measured(replace(chosen, fixed=True), progress)
        with tempfile.TemporaryDirectory() as folder:
            anew = replace(chosen, fixed=True, store=Path(folder), batch_tokens=OTHER_BATCH_TOKENS)
            candidate, _, _ = _measured(anew, progress)
        assert baseline.measurement is not None, "it was measured"
        assert candidate.measurement is not None, "it was measured"
        against = against_baseline(candidate.measurement, baseline.measurement, thresholds, cells)
        yield SeedRun(seed, tuple(by_limits), tuple(against), spent / budget)


def _measured(options: Options, progress: Progress) -> tuple[Gate, Thresholds, Cells]:
    """A run of the whole suite up to its measurement."""
    gate = Gate(options)
    thresholds = gate.read_thresholds(())
    cells = [(check, ref) for check in bundled_checks().values() for ref in gate.cells(check)]
    court = gate.court(thresholds)
    gate.gating_cells = sum(court.gates(check, ref) for check, ref in cells)
    gate.measure(cells, thresholds, progress)
    progress.close()
    return gate, thresholds, cells


def against_baseline(
    candidate: Measurement, baseline: Measurement, thresholds: Thresholds, cells: Cells
) -> list[Finding]:
    """What of a measurement fails against the baseline that another one makes."""
    source = through_a_file(make_baseline(baseline, thresholds, cells))
    comparison = Comparison(source, {sae.sae_id: sae.sae_id for sae in candidate.release.saes})
    compared = [
        (comparison_of(check, "regression"), replace(ref, compared=check.name))
        for check, ref in cells
        if thresholds.limit(check.name, ref.place).regression is not None
    ]
    comparison.prepare(candidate, thresholds, compared)
    court = Court(thresholds, gating_cells=len(compared), comparison=comparison)
    return failures(court, candidate, compared)
