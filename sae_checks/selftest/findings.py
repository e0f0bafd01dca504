"""What blocks a release: the tests that fail, by its limits or compared with a baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal, get_args

from sae_checks.baseline_sources import FileBaseline
from sae_checks.checking import CellRef, Check
from sae_checks.comparison import ComparisonKind, Comparison, comparison_of
from sae_checks.court import Court
from sae_checks.errors import BaselineError, UserError
from sae_checks.records import Measurement
from sae_checks.report.sentence import sentence

Cells = Sequence[tuple[Check, CellRef]]
# What is asked of a release: to keep its limits, or to be no worse than, or the same as, another.
Question = Literal["limits", "regression", "equivalence"]
COMPARISONS: tuple[ComparisonKind, ...] = get_args(ComparisonKind)


@dataclass(frozen=True)
class Finding:
    """A test that fails and that no entry accepts."""

    check: str
    sae: str  # "" for the whole release
    question: Question
    told: str


def failures(court: Court, measurement: Measurement, cells: Cells) -> list[Finding]:
    """The tests that fail and that no entry accepts; one that cannot be measured fails."""
    found = []
    for check, ref in cells:
        question: Question = "limits" if check.compared is None else check.name
        name = check.compared.name if check.compared is not None else check.name
        try:
            verdict = court.verdict(measurement, check, ref)
        except UserError as error:
            found.append(Finding(name, sae_of(ref), question, str(error)))
            continue
        if not verdict.holds and not court.thresholds.accepts(
            check.title, ref.place, verdict, date.today()
        ):
            found.append(Finding(name, sae_of(ref), question, f"{ref}: {sentence(verdict)}"))
    return found


def against(
    court: Court, baseline: FileBaseline, measurement: Measurement, cells: Cells, kind: ComparisonKind
) -> list[Finding]:
    """What of a measurement fails against a baseline."""
    saes = measurement.release.saes
    comparison = Comparison(baseline, {sae.sae_id: sae.sae_id for sae in saes})
    ...


def sae_of(ref: CellRef) -> str:
    """The SAE that a cell is about; "" for the whole release."""
    if ref.absent is not None:
        return ref.absent.sae
    return ref.sae.sae_id if ref.sae is not None else ""
