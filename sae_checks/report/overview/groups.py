"""Failures grouped by cause and place: one cause is one entry, however many tests fail for it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sae_checks.judge.verdict import Verdict
from sae_checks.records import SaeRef
from sae_checks.report.overview.causes import CAUSES, Cause, Failed
from sae_checks.report.overview.levels import Level, excess, level, worst
from sae_checks.report.overview.matrix import in_layer_order
from sae_checks.session.result import Outcome, RunResult


@dataclass(frozen=True)
class Figures:
    """What the claims of one check in a group measured; of its ranges where no claim is there.

    Attributes:
        check: its name, or that of what is compared.
        lowest: of the values.
        highest: of the values.
        unit: of both.
        tests: how many, claims and ranges.
    """

    check: str
    lowest: float
    highest: float
    unit: str
    tests: int


@dataclass(frozen=True)
class FailureGroup:
    """Failures that have one cause.

    Attributes:
        cause: None where no rule knows one; the tests are then all of one check.
        outcomes: in the order in which they ran; ranges stand with their claims.
        saes: that they are about, from the first layer to the last; none of a whole release.
    """

    cause: Cause | None
    outcomes: tuple[Outcome, ...]
    saes: tuple[SaeRef, ...]

    @property
    def name(self) -> str:
        """The cause, or the check where none is known."""
        return self.outcomes[0].check.title if self.cause is None else self.cause.name

    @property
    def worst(self) -> Outcome:
        """The one to look at first."""
        return worst(self.outcomes)

    @property
    def level(self) -> Level:
        """That of the worst."""
        return level(self.worst)

    @property
    def claims(self) -> int:
        """How many of the tests decide; the others are ranges, which say where."""
        return sum(outcome.cell.family == "claim" for outcome in self.outcomes)

    @property
    def checks(self) -> tuple[str, ...]:
        """Titles of their checks, each once."""
        return tuple(dict.fromkeys(outcome.check.title for outcome in self.outcomes))

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that they are about."""
        return tuple(dict.fromkeys(o.cell.task for o in self.outcomes if o.cell.task))

    @property
    def positions(self) -> tuple[int, int] | None:
        """The first and the last position that they name; None where they name none."""
        named = [o.cell.positions for o in self.outcomes if o.cell.positions is not None]
        if not named:
            return None
        return min(each.first for each in named), max(each.last for each in named)

    @property
    def figures(self) -> tuple[Figures, ...]:
        """Of each check, the most tests first."""
        by_check: dict[str, list[Outcome]] = {}
        for outcome in self.outcomes:
            by_check.setdefault(_named(outcome), []).append(outcome)
        found = [_figures(check, of) for check, of in by_check.items()]
        return tuple(sorted((each for each in found if each), key=lambda each: -each.tests))

    @property
    def units_to_decide(self) -> float:
        """Texts (items) that would decide all that is undecided; NaN where that is not known."""
        wanted = [o.verdict.texts_to_decide for o in self.outcomes if o.verdict is not None]
        return max((each for each in wanted if math.isfinite(each)), default=math.nan)


def failure_groups(result: RunResult) -> list[FailureGroup]:
    """The failed tests of a run, shown to be beyond their limits, by cause and place."""
    return groups(result, "failed")


def undecided_groups(result: RunResult) -> list[FailureGroup]:
    """The tests that fail the run for lack of evidence, by cause and place."""
    return groups(result, "insufficient evidence")


def groups(result: RunResult, of: Level) -> list[FailureGroup]:
    """All tests of one level, by cause and place, the gravest first.

    That is the one with the most claims, since claims decide; of as many, the one whose worst test
    lies furthest beyond its limit, as a share of it; then the one with the most tests.
    """
    chosen = [outcome for outcome in result.outcomes if level(outcome) == of]
    found: dict[str, list[Outcome]] = {}
    causes: dict[str, Cause | None] = {}
    for place in _by_place(chosen):
        for cause, outcomes in _explained(Failed(place, result)):
            key = outcomes[0].check.title if cause is None else cause.name
            causes[key] = cause
            found.setdefault(key, []).extend(outcomes)
    made = [_group(causes[key], outcomes) for key, outcomes in found.items()]
    return sorted(made, key=_gravity)


def _gravity(group: FailureGroup) -> tuple[int, float, int]:
    return -group.claims, -excess(group.worst), -len(group.outcomes)


def _by_place(outcomes: Iterable[Outcome]) -> list[tuple[Outcome, ...]]:
    places: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        places.setdefault(outcome.cell.place.of_saes, []).append(outcome)
    return [tuple(each) for each in places.values()]


def _explained(failed: Failed) -> Iterator[tuple[Cause | None, list[Outcome]]]:
    """The failures of one place, cause by cause; then those that no cause explains, by check."""
    left = {id(outcome): outcome for outcome in failed.outcomes}
    for cause in CAUSES:
        taken = [left.pop(id(o)) for o in cause.recognises(failed) if id(o) in left]
        if taken:
            yield cause, taken
    by_check: dict[str, list[Outcome]] = {}
    for outcome in left.values():
        by_check.setdefault(outcome.check.title, []).append(outcome)
    for outcomes in by_check.values():
        yield None, outcomes


def _group(cause: Cause | None, outcomes: Sequence[Outcome]) -> FailureGroup:
    saes = {sae.sae_id: sae for outcome in outcomes for sae in outcome.cell.saes}
    return FailureGroup(cause, tuple(outcomes), tuple(in_layer_order(saes.values())))


def _named(outcome: Outcome) -> str:
    return (outcome.check.compared or outcome.check).name


def _figures(check: str, outcomes: Sequence[Outcome]) -> Figures | None:
    claims = [o for o in outcomes if o.cell.family == "claim"] or outcomes
    verdicts = [o.verdict for o in claims if o.verdict is not None]
    values = [v.estimate.value for v in verdicts if math.isfinite(v.estimate.value)]
    if not values:
        return None
    return Figures(check, min(values), max(values), _unit(verdicts), len(outcomes))


def _unit(verdicts: Sequence[Verdict]) -> str:
    return verdicts[0].limit.unit
