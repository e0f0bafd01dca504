"""Comparing a release with a baseline: which cells, on what terms, and each side's values."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from sae_checks.baseline.identity import (
    Baseline,
    BaselineSae,
    Identity,
    key_of,
    pairing_terms,
    refuse_other_terms,
    refuse_unpaired,
)
from sae_checks.baseline.paired import (
    NO_INFLUENCES,
    NOT_APPLICABLE,
    CellValue,
    Influences,
    PairedCell,
    Terms,
    as_in_a_file,
    influences_of_groups,
)
from sae_checks.errors import UserError
from sae_checks.evals.leaving_out import groups_in, without_group
from sae_checks.evals.registry import selectors
from sae_checks.evals.selector import CellSelector
from sae_checks.judge.check import Check
from sae_checks.judge.coverage import FIXED, Coverage
from sae_checks.judge.estimate import Estimate
from sae_checks.judge.thresholds import QUESTIONS, Question, Thresholds
from sae_checks.records import GROUPS, TEXTS, Measurement
from sae_checks.records.place import CellKey, CellRef, Place
from sae_checks.records.selectors import TASK

Cells = Mapping[CellKey, CellValue]


def check_regression(cell: PairedCell) -> Estimate:
    """On the same texts, the figure is no worse than the baseline's by more than its margin."""
    return cell.difference()


def check_equivalence(cell: PairedCell) -> Estimate:
    """On the same texts, the figure is the baseline's, to within its margin either way."""
    return cell.difference()


_FUNCTIONS = {"regression": check_regression, "equivalence": check_equivalence}


def comparison_of(check: Check, question: Question) -> Check:
    """The check that compares another check's cells with a baseline."""
    return Check(
        question,
        _FUNCTIONS[question],
        check.cells,
        check.needs,
        check.unit,
        compared=check,
    )


class Source(Protocol):
    """Where a baseline comes from: a file of cells, or a stored measurement."""

    @property
    def name(self) -> str:
        """In messages."""

    @property
    def identity(self) -> Identity:
        """What it is."""

    @property
    def saes(self) -> Sequence[BaselineSae]:
        """Its SAEs."""

    @property
    def pairing_terms(self) -> Mapping[str, object]:
        """What the candidate must agree with."""

    def keys(self, check: Check) -> Sequence[CellKey]:
        """The cells of a check that it has."""

    def terms(self, key: CellKey) -> Terms | None:
        """On which a cell was judged; None where it is judged on the run's own, or is not there."""

    def values(self, thresholds: Thresholds, checks: Sequence[Check]) -> Cells:
        """The values of its cells of these checks."""


class Comparison:
    """A release beside a baseline.

    Args:
        source: the baseline.
        matches: the release's SAE id -> the baseline's.
        question: what is asked of the difference, and so by which margins.
    """

    def __init__(
        self, source: Source, matches: Mapping[str, str], question: Question = "regression"
    ) -> None:
        self.source, self.matches, self.question = source, matches, question
        self._candidate: Cells = {}
        self._baseline: Cells = {}

    def cells(
        self,
        check: Check,
        refs: Iterable[CellRef],
        release: str,
        *,
        narrowed: bool = False,
        tasks: Collection[str] | None = None,
    ) -> list[CellRef]:
        """The comparisons of a check: its own cells, then those that only the baseline has.

        Of a run that was narrowed to some SAEs or ranges, its own alone, and of what is about
        several SAEs only what the baseline has too: a stack of some is another than that of all.
        Of one on some tasks, what the baseline has on these and on texts.
        """
        own = [replace(ref, compared=check.name) for ref in refs]
        known = {key_of(check, ref, self.matches) for ref in own}
        if narrowed:
            there = set(self.source.keys(check))
            return [
                ref for ref in own if len(ref.saes) < 2 or key_of(check, ref, self.matches) in there
            ]
        return own + [
            CellRef(check.cells, _of_dataset(release, key), compared=check.name, absent=key)
            for key in self.source.keys(check)
            if key not in known and (tasks is None or key.get(TASK.name) in {"", *tasks})
        ]

    def refuse_other_terms(
        self, thresholds: Thresholds, cells: Iterable[tuple[Check, CellRef]]
    ) -> None:
        """Refuse a baseline whose checks were defined, or given parameters, otherwise.

        Raises:
            BaselineError: names all that differs.
        """
        pairs = []
        for check, ref in _asked(cells):
            key = key_of(check, ref, self.matches) if ref.absent is None else None
            theirs = self.source.terms(key) if key is not None else None
            if key is not None and theirs is not None:
                pairs.append((key, _terms(thresholds, check, ref), theirs))
        refuse_other_terms(self.source.name, pairs)

    def prepare(
        self,
        measurement: Measurement,
        thresholds: Thresholds,
        cells: Iterable[tuple[Check, CellRef]],
    ) -> None:
        """Take the values of the cells that are compared, each with its influences.

        Raises:
            BaselineError: the two were not measured on the same texts, or not judged alike.
        """
        cells = list(cells)
        asked = _asked(cells)
        if not asked:
            return
        refuse_unpaired(pairing_terms(measurement), self.source.name, self.source.pairing_terms)
        self.refuse_other_terms(thresholds, cells)
        own = [(check, ref) for check, ref in asked if ref.absent is None]
        self._candidate = cell_values(measurement, thresholds, own)
        checks = list({check.name: check for check, _ in asked}.values())
        self._baseline = self.source.values(thresholds, checks)

    def cell(
        self, check: Check, ref: CellRef, thresholds: Thresholds, coverage: Coverage
    ) -> PairedCell:
        """What the comparison of one cell sees."""
        margin = thresholds.limit(check.name, ref.place).compared(self.question)
        assert margin is not None, "only cells with a margin are compared"
        if ref.absent is not None:
            there = self._baseline.get(ref.absent)
            return PairedCell(None, there, margin, check.unit, coverage)
        key, own = key_of(check, ref, self.matches), key_of(check, ref)
        baseline = self._baseline.get(key) if key is not None else None
        candidate = self._candidate.get(own) if own is not None else None
        return PairedCell(candidate, baseline, margin, check.unit, coverage)


def _of_dataset(release: str, key: CellKey) -> Place:
    """The place of a cell that only a baseline has, as far as it is not the baseline's alone."""
    place = Place.of_release(release)
    for selector in selectors():
        if selector.dataset and key.get(selector.name):
            place = place.at(selector, key.get(selector.name))
    return place


def _asked(cells: Iterable[tuple[Check, CellRef]]) -> list[tuple[Check, CellRef]]:
    """The comparisons among the cells of a run, as checks that are compared."""
    return [(check.compared, ref) for check, ref in cells if check.compared is not None]


def _terms(thresholds: Thresholds, check: Check, ref: CellRef) -> Terms:
    """What a cell's figure depends on beside the measurement: parameters, and limits it reads."""
    parameters = dict(thresholds.limit(check.name, ref.place).parameters)
    for name in check.limits:
        limit = thresholds.limit(name, ref.place)
        ends = {f"{name}.min": limit.min, f"{name}.max": limit.max}
        parameters |= {end: value for end, value in ends.items() if value is not None}
    return Terms(check.definition, tuple(sorted(parameters.items())))


def make_baseline(
    measurement: Measurement, thresholds: Thresholds, cells: Iterable[tuple[Check, CellRef]]
) -> Baseline:
    """The baseline that a measured release makes: all of these cells that have a margin."""
    compared = []
    for check, ref in cells:
        limit = thresholds.limit(check.name, ref.place)
        if any(limit.compared(question) is not None for question in QUESTIONS):
            compared.append((check, ref))
    saes = measurement.release.saes
    return Baseline(
        measurement.release.name,
        pairing_terms(measurement),
        tuple(BaselineSae(sae.sae_id, sae.hooks, sae.weights_key) for sae in saes),
        cell_values(measurement, thresholds, compared),
    )


def cell_values(
    measurement: Measurement, thresholds: Thresholds, cells: Iterable[tuple[Check, CellRef]]
) -> dict[CellKey, CellValue]:
    """Each cell's value and its influences: by unit where the check knows them, else by group."""
    asked = [(check, replace(ref, compared="")) for check, ref in cells]
    whole = CellSelector(measurement, thresholds, FIXED)
    made: dict[CellKey, CellValue] = {}
    by_group = []
    for check, ref in asked:
        key = key_of(check, ref)
        assert key is not None, "without matches every cell has a key"
        estimate = _estimate(whole, check, ref)
        made[key] = _cell_value(estimate, _terms(thresholds, check, ref))
        if math.isfinite(estimate.value) and estimate.influence is None:
            by_group.append((key, check, ref))
    values = np.full((len(by_group), GROUPS), math.nan)
    for group in range(GROUPS) if by_group else ():
        less = CellSelector(without_group(measurement, group), thresholds, FIXED)
        values[:, group] = [_estimate(less, check, ref).value for _, check, ref in by_group]
    for (key, _, ref), without in zip(by_group, values, strict=True):
        influences = influences_of_groups(without[groups_in(measurement, ref.task or TEXTS)])
        made[key] = replace(made[key], influences=influences, grouped=True)
    return made


def _cell_value(estimate: Estimate, terms: Terms) -> CellValue:
    """An estimate as it is compared, its influences rounded as in a file."""
    value, reason, influences = estimate.value, estimate.reason, NO_INFLUENCES
    if not math.isfinite(value):
        reason = reason or ("the value is not a number" if math.isnan(value) else f"it is {value}")
        reason = NOT_APPLICABLE * estimate.inapplicable + reason
        value = math.nan
    elif estimate.influence is not None:
        influences = Influences.of(estimate.influence)
        if influences is NO_INFLUENCES:  # without an interval it could hide a regression
            value, reason = math.nan, "its influences are not finite"
    return CellValue(
        value,
        influences,
        estimate.texts,
        estimate.tokens,
        estimate.units,
        estimate.unit_name,
        reason=reason,
        terms=terms,
        unseen=estimate.unseen,
        seen=as_in_a_file(estimate.seen),
    )


def _estimate(selector: CellSelector, check: Check, ref: CellRef) -> Estimate:
    try:
        estimate: Estimate = check.function(selector.cell(check, ref))
    except UserError as error:  # what was not measured, or is not known of a part of the texts
        return Estimate(math.nan, math.nan, math.nan, math.nan, 0, 0, str(error))
    return estimate
