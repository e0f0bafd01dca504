"""Comparing a release with a baseline: which cells, and what becomes of each without some texts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from sae_checks.baseline import Baseline, BaselineSae, key_of, refuse_unpaired, setting_of
from sae_checks.checking import CellKey, CellRef, Check
from sae_checks.errors import UserError
from sae_checks.evidence import Evidence
from sae_checks.judge.coverage import FIXED, Coverage
from sae_checks.judge.paired import RegressionCell, Replicated
from sae_checks.judge.statistics import Estimate
from sae_checks.judge.thresholds import Thresholds
from sae_checks.judge.thresholds_file import REGRESSION
from sae_checks.records import ITEM_GROUPS, Measurement

Cells = Mapping[CellKey, Replicated]


def check_regression(cell: RegressionCell) -> Estimate:
    """On the same texts, the figure is no worse than the baseline's by more than its margin."""
    return cell.difference()


def regression_of(check: Check) -> Check:
    """The check that compares another check's cells with a baseline."""
    return Check(
        REGRESSION,
        check_regression,
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
    def saes(self) -> Sequence[BaselineSae]:
        """Its SAEs."""

    @property
    def setting(self) -> Mapping[str, object]:
        """What the candidate must agree with."""

    def keys(self, check: Check) -> Sequence[CellKey]:
        """The cells of a check that it has."""

    def values(self, thresholds: Thresholds, checks: Sequence[Check]) -> Cells:
        """Their values."""


class Comparison:
    """A release beside a baseline.

    Args:
        source: the baseline.
        matches: the release's SAE id -> the baseline's.
    """

    def __init__(self, source: Source, matches: Mapping[str, str]) -> None:
        self.source, self.matches = source, matches
        self._candidate: Cells = {}
        self._baseline: Cells = {}

    def cells(
        self, check: Check, refs: Iterable[CellRef], release: str, *, narrowed: bool = False
    ) -> list[CellRef]:
        """The comparisons of a check: its own cells, then those that only the baseline has.

        Of a run that was narrowed to some SAEs, ranges or tasks, its own alone.
        """
        own = [replace(ref, compared=check.name) for ref in refs]
        known = {key_of(check, ref, self.matches) for ref in own}
        if narrowed:
            return own
        return own + [
            CellRef(check.cells, release, None, None, key.task or None, check.name, key)
            for key in self.source.keys(check)
            if key not in known
        ]

    def prepare(
        self,
        measurement: Measurement,
        thresholds: Thresholds,
        cells: Iterable[tuple[Check, CellRef]],
    ) -> None:
        """Take the values of the cells that are compared, with and without each group of texts.

        Raises:
            BaselineError: the two were not measured on the same texts.
        """
        asked = [(check.compared, ref) for check, ref in cells if check.compared]
        if not asked:
            return
        refuse_unpaired(setting_of(measurement), self.source.name, self.source.setting)
        own = [(check, ref) for check, ref in asked if ref.absent is None]
        self._candidate = replicate(measurement, thresholds, own)
        checks = list({check.name: check for check, _ in asked}.values())
        self._baseline = self.source.values(thresholds, checks)

    def cell(
        self, check: Check, ref: CellRef, thresholds: Thresholds, coverage: Coverage
    ) -> RegressionCell:
        """What the comparison of one cell sees."""
        margin = thresholds.limit(check.name, ref.place).regression
        assert margin is not None, "only cells with a margin are compared"
        if ref.absent is not None:
            there = self._baseline.get(ref.absent)
            return RegressionCell(None, there, margin, check.unit, coverage)
        key, own = key_of(check, ref, self.matches), key_of(check, ref)
        baseline = self._baseline.get(key) if key is not None else None
        candidate = self._candidate.get(own) if own is not None else None
        return RegressionCell(candidate, baseline, margin, check.unit, coverage)


def make_baseline(
    measurement: Measurement, thresholds: Thresholds, cells: Iterable[tuple[Check, CellRef]]
) -> Baseline:
    """The baseline that a measured release makes: all of these cells that have a margin."""
    compared = [
        (check, ref)
        for check, ref in cells
        if thresholds.limit(check.name, ref.place).regression is not None
    ]
    saes = measurement.release.saes
    return Baseline(
        measurement.release.name,
        setting_of(measurement),
        tuple(BaselineSae(sae.sae_id, sae.hook_point, sae.weights_key) for sae in saes),
        replicate(measurement, thresholds, compared),
    )


def replicate(
    measurement: Measurement, thresholds: Thresholds, cells: Iterable[tuple[Check, CellRef]]
) -> dict[CellKey, Replicated]:
    """Each cell's value, and how it moves without each group of texts or items."""
    asked = [(check, replace(ref, compared="")) for check, ref in cells]
    whole = Evidence(measurement, thresholds, FIXED)
    estimates = [_estimate(whole, check, ref) for check, ref in asked]
    values = np.full((len(asked), ITEM_GROUPS), math.nan)
    for group in range(ITEM_GROUPS):
        less = Evidence(_without(measurement, group), thresholds, FIXED)
        values[:, group] = [_estimate(less, check, ref).value for check, ref in asked]
    made = {}
    for (check, ref), estimate, without in zip(asked, estimates, values, strict=True):
        key = key_of(check, ref)
        assert key is not None, "without matches every cell has a key"
        made[key] = Replicated(
            estimate.value,
            (without - estimate.value)[: _groups(measurement, ref, estimate)],
            estimate.texts,
            estimate.tokens,
            estimate.unit_name,
            estimate.reason,
        )
    return made


def _groups(measurement: Measurement, ref: CellRef, estimate: Estimate) -> int:
    """How many groups have a text or item, be it in the cell or not; none without a value."""
    if math.isnan(estimate.value):
        return 0
    if ref.task is None:
        units = [table.texts for table in measurement.tables.values()]
    else:
        tables = measurement.tasks.get(ref.task, {}).values()
        units = [len(np.unique(table.groups)) for table in tables]
    return min([ITEM_GROUPS, *units])


def _estimate(evidence: Evidence, check: Check, ref: CellRef) -> Estimate:
    try:
        estimate: Estimate = check.function(evidence.cell(check, ref))
    except UserError as error:  # what was not measured, or is not known of a part of the texts
        return Estimate(math.nan, math.nan, math.nan, math.nan, 0, 0, str(error))
    return estimate


def _without(measurement: Measurement, group: int) -> Measurement:
    """The measurement without the texts and items of one group."""
    return replace(
        measurement,
        tables={
            sae_id: table.keep(np.arange(table.texts) % ITEM_GROUPS != group)
            for sae_id, table in measurement.tables.items()
        },
        tasks={
            task: {sae_id: table.keep(table.groups != group) for sae_id, table in tables.items()}
            for task, tables in measurement.tasks.items()
        },
    )
