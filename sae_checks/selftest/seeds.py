"""The unharmed release on other texts: how often it fails, by its limits and against itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from sae_checks.checking import bundled_checks
from sae_checks.comparison import Comparison, make_baseline, regression_of
from sae_checks.court import Court
from sae_checks.gate import Gate
from sae_checks.judge.thresholds import Thresholds
from sae_checks.measure.progress import Progress
from sae_checks.options import Options
from sae_checks.records import Measurement
from sae_checks.report.budget import passes, total
from sae_checks.selftest.trial import Cells, Finding, failures, through_a_file


@dataclass(frozen=True)
class SeedRun:
    """The unharmed release on one sample of texts."""

    seed: int
    by_limits: tuple[Finding, ...]
    against_itself: tuple[Finding, ...]
    share_of_budget: float


def unharmed(options: Options, seeds: int, progress: Progress) -> Iterator[SeedRun]:
    """Gate a release on samples 1 .. seeds of its corpus, as any run would."""
    checks = tuple(bundled_checks().values())
    for seed in range(1, seeds + 1):
        gate = Gate(replace(options, seed=seed))
        thresholds = gate.read_thresholds(())
        cells = [(check, ref) for check in checks for ref in gate.cells(check)]
        court = gate.court(thresholds)
        gate.gating_cells = sum(court.gates(check, ref) for check, ref in cells)
        gate.measure(cells, thresholds, progress)
        progress.close()
        assert gate.measurement is not None, "it was measured"
        spent, budget = total(passes(gate.measurement))
        yield SeedRun(
            seed,
            tuple(failures(gate.court(thresholds), gate.measurement, cells)),
            tuple(_against_itself(gate.measurement, thresholds, cells)),
            spent / budget,
        )


def _against_itself(
    measurement: Measurement, thresholds: Thresholds, cells: Cells
) -> list[Finding]:
    """What fails against the baseline that the same measurement makes."""
    source = through_a_file(make_baseline(measurement, thresholds, cells))
    comparison = Comparison(source, {sae.sae_id: sae.sae_id for sae in measurement.release.saes})
    compared = [
        (regression_of(check), replace(ref, compared=check.name))
        for check, ref in cells
        if thresholds.limit(check.name, ref.place).regression is not None
    ]
    comparison.prepare(measurement, thresholds, compared)
    court = Court(thresholds, gating_cells=len(compared), comparison=comparison)
    return failures(court, measurement, compared)
