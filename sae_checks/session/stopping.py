"""The stopping rule of an adaptive run: judges what is measured so far, and says who needs more.

A cell is decided when it passes or fails by intervals that hold whenever one stops (asymptotic
confidence sequences, `judge/coverage.py`), so that asking after every block does not raise the
error. An SAE is settled when all of its claims are decided, or beyond what the budget could decide.
A claim that is within its margin, but so near its limit that the whole budget may yet show it to
be beyond, is not decided: else an early look would pass what the whole budget fails.
What the clean model gives no ground for so far is measured further: more may show one. Ranges of
positions say where, and ask for nothing where claims are asked; nor does what is reported without
a limit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Set
from dataclasses import dataclass

from sae_checks.errors import UnmeasuredError
from sae_checks.evals.registry import measured_at_the_end
from sae_checks.judge.check import Check
from sae_checks.judge.coverage import Coverage
from sae_checks.judge.verdict import Verdict
from sae_checks.records import TEXTS, Measurement
from sae_checks.records.place import CellRef
from sae_checks.session.decision import DecisionRule

# A cell is given up where the whole budget would not decide it even if its value moved by so many
# of today's standard errors.
BENEFIT_OF_DOUBT = 2.0


@dataclass(frozen=True)
class _Asked:
    check: Check
    cell: CellRef


class FirstBlock:
    """Asks for the first block alone."""

    def unsettled(self, so_far: Measurement, dataset: str, budget: int) -> Set[str]:
        """The SAEs that have no table yet."""
        return {sae.sae_id for sae in so_far.release.saes} - _measured(so_far, dataset)


class Adaptive:
    """Asks for more until the gating cells are decided.

    Args:
        rule: which judges the cells.
        wanted: the cells of the run; those that are only reported are left aside, and so are
            ranges of positions where the same SAE has claims.
    """

    def __init__(self, rule: DecisionRule, wanted: Iterable[tuple[Check, CellRef]]) -> None:
        self._rule = rule
        self._open: dict[str, list[_Asked]] = {}
        gating = [(check, cell) for check, cell in wanted if rule.gates(check, cell)]
        claimed = {_phase(cell) for _, cell in gating if cell.family == "claim"}
        for check, cell in gating:
            if cell.family == "claim" or _phase(cell) not in claimed:
                self._open.setdefault(_phase(cell)[0], []).append(_Asked(check, cell))
        # What has no gating cell at all is measured for its own sake, to the end.
        self._gated = {_phase(asked.cell) for of_phase in self._open.values() for asked in of_phase}

    def unsettled(self, so_far: Measurement, dataset: str, budget: int) -> Set[str]:
        """Ids of the SAEs of which more has to be measured on a data set."""
        measured = _measured(so_far, dataset)
        ids = {sae.sae_id for sae in so_far.release.saes}
        gated = self._gated
        free = {i for i in ids if not {(dataset, i), (dataset, None)} & gated}
        unsettled = (ids - measured) | free
        for asked in self._open.get(dataset, []):
            whole = asked.cell.kind.whole_release
            sae_ids = ids if whole else {sae.sae_id for sae in asked.cell.saes}
            if sae_ids <= unsettled or not sae_ids <= measured:
                continue
            # Those that were decided are asked again at every look: they may be so no longer.
            if not self._decided(asked, so_far, budget):
                unsettled |= sae_ids
        return unsettled

    def _decided(self, asked: _Asked, so_far: Measurement, budget: int) -> bool:
        try:
            verdict = self._rule.verdict(so_far, asked.check, asked.cell)
        except UnmeasuredError:  # what comes last, as ablations do, keeps nobody waiting
            return bool(asked.check.needs & measured_at_the_end())
        if verdict.status == "not_applicable":
            return self._rule.complete(so_far, asked.check, asked.cell)
        own, shared = (
            self._rule.own_coverage(),
            self._rule.shared_coverage(asked.check, asked.cell),
        )
        return settled(verdict, budget, own.at_the_end(), shared.at_the_end())


def _phase(cell: CellRef) -> tuple[str, str | None]:
    """The data set, and the SAE, or None for all of them."""
    return cell.task or TEXTS, cell.sae.sae_id if cell.sae else None


def _measured(so_far: Measurement, dataset: str) -> set[str]:
    """Ids of the SAEs that have a table of a data set."""
    tables = (t for key, t in so_far.tables.items() if key.dataset == dataset)
    return {sae.sae_id for table in tables for sae in table.saes}


def settled(verdict: Verdict, budget: int, own: Coverage, shared: Coverage) -> bool:
    """Whether measuring the whole budget would hardly change a verdict.

    Args:
        verdict: on what is measured so far.
        budget: how many texts (items) there are.
        own: of the interval by which a cell passes at the whole budget.
        shared: of the interval by which it fails there.
    """
    if verdict.status == "undecided":
        return hopeless(verdict, budget, own, shared)
    return verdict.status != "pass" or not may_fail(verdict, budget, shared)


def hopeless(verdict: Verdict, budget: int, own: Coverage, shared: Coverage) -> bool:
    """Whether the whole budget will hardly decide an undecided cell, neither way.

    Never where no standard error is known: then nothing can be foreseen.
    """
    if not _foreseeable(verdict, budget):
        return False
    return not may_pass(verdict, budget, own) and not may_fail(verdict, budget, shared)


def may_pass(verdict: Verdict, budget: int, own: Coverage) -> bool:
    """Whether the whole budget may show a cell to be within limit and margin.

    At the whole budget the standard error is that of now times √(n/N), and the interval is that of
    the end. The value then may lie `BENEFIT_OF_DOUBT` of today's standard errors to either side.
    """
    if not _foreseeable(verdict, budget):
        return False
    least = (excess - _doubt(verdict) for excess in _excesses(verdict))
    reach = _reach_at(verdict, budget, own)
    return all(excess + reach <= verdict.limit.margin for excess in least)


def may_fail(verdict: Verdict, budget: int, shared: Coverage) -> bool:
    """Whether the whole budget may show a cell to be beyond its limit; as `may_pass`."""
    if not _foreseeable(verdict, budget):
        return False
    reach = _reach_at(verdict, budget, shared)
    return any(excess + _doubt(verdict) - reach > 0 for excess in _excesses(verdict))


def _doubt(verdict: Verdict) -> float:
    """How far the value may yet move."""
    return BENEFIT_OF_DOUBT * verdict.estimate.standard_error


def _foreseeable(verdict: Verdict, budget: int) -> bool:
    """Whether there is a standard error to go by, and anything left to measure."""
    each = verdict.estimate
    return math.isfinite(each.standard_error) and 0 < each.texts < budget


def _excesses(verdict: Verdict) -> list[float]:
    """By how much the value is beyond each end of the limit; below 0 where it is within."""
    value, limit = verdict.estimate.value, verdict.limit
    above = [] if limit.max is None else [value - limit.max]
    return above if limit.min is None else [*above, limit.min - value]


def _reach_at(verdict: Verdict, budget: int, coverage: Coverage) -> float:
    """From the value to an end of the interval that the whole budget would give."""
    each = verdict.estimate
    units = max(2, round(each.units * budget / each.texts))
    error = each.standard_error * math.sqrt(each.units / units)
    return coverage.reach(units - 1, units) * error
