"""One fault, planted and judged: which checks notice it, and on which SAEs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from sae_checks.baseline.comparison import make_baseline
from sae_checks.errors import UserError
from sae_checks.faults import Fault, Strength
from sae_checks.faults.default_run import as_default_run
from sae_checks.faults.findings import Cells, Finding, differences, failures, through_a_file
from sae_checks.faults.injection import Injection
from sae_checks.judge.thresholds import QUESTIONS
from sae_checks.load.language_model import LanguageModel
from sae_checks.load.sae import LoadedSae
from sae_checks.records import Intervention, Measurement, SaeRef, Table, by_key


@dataclass(frozen=True)
class Trial:
    """What became of one fault at one strength."""

    fault: Fault
    strength: Strength
    planted_in: tuple[str, ...]  # SAE ids
    findings: tuple[Finding, ...]
    seconds: float

    @property
    def caught(self) -> bool:
        """Whether something failed on every damaged SAE."""
        return set(self.planted_in) <= _named(self.findings)

    def caught_by(self, question: str) -> bool:
        """Whether it would have been caught by this question alone."""
        return set(self.planted_in) <= _named(self.of(question))

    def of(self, question: str) -> list[Finding]:
        """What was found by one question."""
        return [f for f in self.findings if f.question == question]

    @property
    def others(self) -> tuple[str, ...]:
        """SAEs that are blamed without being damaged, by tests that are about no damaged one."""
        blamed = [f for f in self.findings if f.saes.isdisjoint(self.planted_in)]
        return tuple(sorted(_named(blamed)))


def _named(findings: Sequence[Finding]) -> frozenset[str]:
    """Ids of the SAEs that some tests are about."""
    return frozenset[str]().union(*(finding.saes for finding in findings))


class Trials:
    """Plants faults into a release, and judges it by its limits and against itself unharmed."""

    def __init__(self, injection: Injection) -> None:
        self.injection = injection
        baseline = make_baseline(injection.measurement, injection.thresholds, injection.cells)
        self._baseline = through_a_file(baseline)
        self.unharmed = self._judge(injection.measurement, injection.cells)
        # What is undecided of the unharmed release, by too small a budget, says nothing of a fault.
        self._before = {finding.outcome for finding in self.unharmed}

    def run(self, fault: Fault, strength: Strength, number: int) -> Trial:
        """One trial; `number` says which SAE gets the fault, so that all have their turn."""
        begun = time.monotonic()
        saes, measurement, cells = self._planted(fault, strength, number)
        findings = self._judge(measurement, cells)
        new = [finding for finding in findings if finding.outcome not in self._before]
        ids = tuple(sae.sae_id for sae in saes)
        return Trial(fault, strength, ids, tuple(new), time.monotonic() - begun)

    def _planted(
        self, fault: Fault, strength: Strength, number: int
    ) -> tuple[Sequence[SaeRef], Measurement, Cells]:
        injection = self.injection
        turn = number + 1 if fault.at is None else fault.at
        ref = injection.saes[turn % len(injection.saes)]
        if fault.target == "processing":
            measurement = self._with_model(injection.otherwise_processed)
            return injection.saes, _otherwise_loaded(measurement), injection.cells
        if fault.target == "positions":
            measurement = self._with_model(partial(injection.otherwise_placed, strength.value))
            return injection.saes, measurement, injection.cells
        if fault.target == "description":
            return self._described(fault, strength, ref, injection.measurement)
        if fault.target == "swap":
            damaged = self._swapped(ref)
        elif fault.target == "copy":
            damaged = self._copied(injection.saes[0])
        else:
            sae = injection.loaded(ref)
            damaged = [fault.into(sae, strength.value, injection.sample(sae))]
        measurement = injection.with_tables(injection.remeasure(damaged))
        if fault.describe is not None:
            return self._described(fault, strength, ref, measurement)
        return [sae.ref for sae in damaged], measurement, injection.cells

    def _with_model(self, make: Callable[[Sequence[LoadedSae]], LanguageModel]) -> Measurement:
        """The good SAEs, measured with another model."""
        good = [self.injection.loaded(each) for each in self.injection.saes]
        return self.injection.with_tables(self.injection.remeasure(good, make(good)))

    def _copied(self, ref: SaeRef) -> list[LoadedSae]:
        """All other SAEs of an SAE's widths, each with its weights."""
        widths = ref.d_in, ref.d_out
        others = [s for s in self.injection.saes if (s.d_in, s.d_out) == widths and s != ref]
        if not others:
            raise UserError("the release has no two SAEs of the same widths")
        return [LoadedSae(each, self.injection.loaded(ref).sae) for each in others]

    def _swapped(self, ref: SaeRef) -> list[LoadedSae]:
        """An SAE and another of its widths, each with the other's weights."""
        widths = ref.d_in, ref.d_out
        others = [
            s for s in self.injection.saes if (s.d_in, s.d_out) == widths and s.hooks != ref.hooks
        ]
        if not others:
            raise UserError("the release has no two SAEs that could change places")
        one, other = self.injection.loaded(ref), self.injection.loaded(others[-1])
        return [LoadedSae(one.ref, other.sae), LoadedSae(other.ref, one.sae)]

    def _described(
        self, fault: Fault, strength: Strength, ref: SaeRef, measurement: Measurement
    ) -> tuple[Sequence[SaeRef], Measurement, Cells]:
        """An SAE that says something else of itself: the same tables, other cells."""
        injection = self.injection
        assert fault.describe is not None, "a fault of this target describes"
        other = fault.describe(ref, strength.value)

        def exchanged(each: SaeRef) -> SaeRef:
            return other if each.sae_id == ref.sae_id else each

        saes = tuple(exchanged(each) for each in measurement.release.saes)
        release = replace(measurement.release, saes=saes)
        tables = [_of_saes(table, exchanged) for table in measurement.tables.values()]
        measurement = replace(measurement, release=release, tables=by_key(tables))
        return [other], measurement, injection.gate.cells_of(release, injection.checks)

    def _judge(self, measurement: Measurement, cells: Cells) -> list[Finding]:
        """All tests that block the release: by its limits in a default run, and as comparisons."""
        injection = self.injection
        rule = injection.gate.rule(injection.thresholds)
        found = failures(
            replace(rule, adaptive=True),
            as_default_run(measurement, replace(rule, adaptive=True), cells),
            [(check, ref) for check, ref in cells if rule.gates(check, ref)],
        )
        for question in QUESTIONS:
            found += differences(rule, self._baseline, measurement, cells, question)
        return found


def _of_saes(table: Table, exchanged: Callable[[SaeRef], SaeRef]) -> Table:
    """The same table, as one of the SAEs that take its own ones' places."""
    saes = tuple(exchanged(sae) for sae in table.intervention.saes)
    observed = None if table.observed is None else exchanged(table.observed)
    return replace(table, intervention=Intervention(saes), observed=observed)


def _otherwise_loaded(measurement: Measurement) -> Measurement:
    """A measurement whose manifest says what a release with other loading options would say."""
    provenance = dict(measurement.manifest.provenance)
    loading = dict(provenance["loading"])
    pairs = dict(loading["from_pretrained_kwargs"])
    pairs["center_writing_weights"] = not pairs.get("center_writing_weights", False)
    loading["from_pretrained_kwargs"] = sorted(pairs.items())
    provenance["loading"] = loading
    return replace(measurement, manifest=replace(measurement.manifest, provenance=provenance))
