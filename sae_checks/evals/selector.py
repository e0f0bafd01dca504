"""What a check's function is given to see: a cell cut from a measurement, or why there is none."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from sae_checks.errors import UnmeasuredError
from sae_checks.evals.kind import AnyCell, kind_of
from sae_checks.judge.check import Check
from sae_checks.judge.coverage import Coverage
from sae_checks.judge.thresholds import Thresholds
from sae_checks.records import Measurement, SaeRef
from sae_checks.records.place import CellRef


@dataclass(frozen=True)
class CellSelector:
    """A measurement, as the checks see it.

    Args:
        measurement: of a release or some of its SAEs.
        thresholds: which the cells are held to.
        coverage: of the intervals.
    """

    measurement: Measurement
    thresholds: Thresholds
    coverage: Coverage

    def cell(self, check: Check, ref: CellRef) -> AnyCell:
        """What the check's function gets to see.

        Raises:
            UnmeasuredError: the SAE (any SAE, for a cell of the whole release) or the task could
                not be measured, or what is stored of it lacks what the check needs.
        """
        return kind_of(ref.kind).given(self, check, ref)

    def coverage_of(self, complete: bool) -> Coverage:
        """The coverage of intervals from a table that is complete, or not."""
        return self.coverage.at_the_end() if complete else self.coverage.on_the_way()

    def unmeasured(self, sae: SaeRef, where: str) -> UnmeasuredError:
        """Why there is no table of an SAE; `where` says on what."""
        reason = self.measurement.failures.get(sae.sae_id)
        return UnmeasuredError(reason or f"SAE {sae.sae_id!r} was not measured {where}")


def refuse_less(
    check: Check, where: str, needs: AbstractSet[str], columns: AbstractSet[str]
) -> None:
    """Refuse a table that lacks columns which a check needs.

    Raises:
        UnmeasuredError: names them.
    """
    missing = needs - columns
    if missing:
        raise UnmeasuredError(
            f"{check.name} needs {', '.join(sorted(missing))}, which the stored tables of "
            f"{where!r} lack; measure again without --sae-measurements"
        )
