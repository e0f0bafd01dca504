"""What blocks a release: the tests that fail, by its limits or compared with a baseline."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from sae_checks.baseline.comparison import Comparison, comparison_of
from sae_checks.baseline.file import read_baseline, write_baseline
from sae_checks.baseline.identity import Baseline
from sae_checks.baseline.source import FileBaseline
from sae_checks.errors import BaselineError, UserError
from sae_checks.judge.check import Check
from sae_checks.judge.thresholds import Question, Thresholds
from sae_checks.records import Measurement
from sae_checks.records.place import CellRef
from sae_checks.report.sentence import sentence
from sae_checks.session.decision import DecisionRule
from sae_checks.session.suite import bundled_checks

Cells = Sequence[tuple[Check, CellRef]]
LIMITS = "limits"  # what is asked where no baseline is


@dataclass(frozen=True)
class Finding:
    """A test that fails and that no entry accepts."""

    check: str
    sae: str  # "" for the whole release
    question: str  # "limits", "regression" or "equivalence"
    told: str
    # Ids of the SAEs that it is about, where these are several.
    several: tuple[str, ...] = ()
    where: str = ""  # the cell; "" where the whole run ends
    status: str = ""  # of its verdict

    @property
    def outcome(self) -> tuple[str, ...]:
        """Which test it is and how it came out, whatever its figures are."""
        return self.question, self.check, self.sae, self.where, self.status

    @property
    def saes(self) -> frozenset[str]:
        """Ids of those that it is about; none of the whole release."""
        return frozenset(self.several or ([self.sae] if self.sae else []))


def that_can_fail(thresholds: Thresholds) -> tuple[Check, ...]:
    """The suite's checks that a limit or a comparison may make fail; others are only reported."""
    return tuple(
        check
        for check in bundled_checks().values()
        for limits in [thresholds.checks.get(check.name)]
        if limits is not None and (limits.gates or limits.compared)
    )


def failures(rule: DecisionRule, measurement: Measurement, cells: Cells) -> list[Finding]:
    """The tests that fail and that no entry accepts; one that cannot be measured fails."""
    found = []
    for check, ref in cells:
        question = LIMITS if check.compared is None else check.name
        name = check.name if check.compared is None else check.compared.name
        try:
            verdict = rule.verdict(measurement, check, ref)
        except UserError as error:
            found.append(Finding(name, sae_of(ref), question, str(error), _several(ref), str(ref)))
            continue
        value, limit = verdict.estimate.value, verdict.limit
        accepted = verdict.status != "undefined" and rule.thresholds.accepts(
            check.title, ref.place, value, limit, date.today()
        )
        if not verdict.holds and not accepted:
            told = f"{ref}: {sentence(verdict)}"
            saes, where = _several(ref), str(ref)
            found.append(Finding(name, sae_of(ref), question, told, saes, where, verdict.status))
    return found


def differences(
    rule: DecisionRule,
    baseline: FileBaseline,
    measurement: Measurement,
    cells: Cells,
    question: Question,
) -> list[Finding]:
    """What of a measurement fails against a baseline; everything where the run is refused."""
    saes = measurement.release.saes
    comparison = Comparison(baseline, {sae.sae_id: sae.sae_id for sae in saes}, question)
    checks = {check.name: check for check, _ in cells}
    compared = [
        (comparison_of(check, question), ref)
        for check in checks.values()
        for ref in comparison.cells(
            check, [r for c, r in cells if c is check], measurement.release.name
        )
        if rule.thresholds.limit(check.name, ref.place).compared(question) is not None
    ]
    try:
        comparison.prepare(measurement, rule.thresholds, compared)
    except BaselineError as error:  # the run ends with this sentence, and no test passes
        return [Finding("refused", sae.sae_id, question, str(error)) for sae in saes]
    paired = replace(rule, adaptive=False, comparison=comparison)
    return failures(paired, measurement, compared)


def through_a_file(baseline: Baseline) -> FileBaseline:
    """A baseline as it is after being written and read."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "baseline.json"
        write_baseline(path, baseline)
        return FileBaseline(baseline.release, read_baseline(path))


def sae_of(ref: CellRef) -> str:
    """The SAE that a cell is about; "" for the whole release."""
    if ref.absent is not None:
        return ref.absent.get("sae")
    return ref.place.of_saes


def _several(ref: CellRef) -> tuple[str, ...]:
    return tuple(sae.sae_id for sae in ref.saes) if len(ref.saes) > 1 else ()
