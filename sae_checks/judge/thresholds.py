"""What a release is held to: limits per check, their overrides, and failures already accepted.

`thresholds_file.py` reads these records from TOML; docs/thresholds.md describes that file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, get_args

from sae_checks.errors import ThresholdsError
from sae_checks.records.place import CellFamily, Place
from sae_checks.records.selectors import Pattern

UndecidedPolicy = Literal["fail", "pass"]
Direction = Literal["higher", "lower", "either"]
# What a comparison with a baseline asks: whether a release got worse, as one that was trained anew
# may; or whether it is still the same one, however it was saved, converted or loaded.
Question = Literal["regression", "equivalence"]
QUESTIONS: tuple[Question, ...] = get_args(Question)


@dataclass(frozen=True)
class Gate:
    """Settings of the whole run.

    Attributes:
        confidence: with which a cell that passes is within its limit and margin.
        claims_error: with which probability any claim of a release at its limits fails.
        ranges_error: the same of position ranges.
        tasks: how many tasks the claims of a release are shared by at most; a run may ask for
            fewer, which changes no verdict, and not for more.
        undecided_claims: what an undecided claim means for the run.
        undecided_ranges: what an undecided position range means for the run.
        known_failures_strict: an accepted failure that no longer fails makes the run fail.
    """

    confidence: float = 0.95
    claims_error: float = 0.04
    ranges_error: float = 0.01
    tasks: int = 4
    undecided_claims: UndecidedPolicy = "fail"
    undecided_ranges: UndecidedPolicy = "pass"
    known_failures_strict: bool = False

    def undecided(self, family: CellFamily) -> UndecidedPolicy:
        """What an undecided verdict means for the run."""
        return self.undecided_claims if family == "claim" else self.undecided_ranges


@dataclass(frozen=True)
class Margin:
    """How far from a baseline a cell may be: `by` + `share` · |the baseline's value|."""

    worse: Direction  # in which direction the value gets worse
    by: float = 0.0  # in the check's unit
    share: float = 0.0

    def allowed(self, baseline: float) -> float:
        """In the check's unit, for a baseline's value."""
        return self.by + self.share * abs(baseline)


@dataclass(frozen=True)
class Limit:
    """What one cell of one check is held to, after overrides; both ends are allowed values."""

    unit: str
    min: float | None = None
    max: float | None = None
    report_only: bool = False
    parameters: tuple[tuple[str, float], ...] = ()  # the check's own, sorted by name
    source: str = ""  # where the numbers come from
    # The smallest excess over the limit that would matter, in the same unit: a cell passes when it
    # is shown to lie within limit and margin.
    margin: float = 0.0
    # Against a baseline, by what is asked; None: not compared.
    regression: Margin | None = None
    equivalence: Margin | None = None

    def compared(self, question: Question) -> Margin | None:
        """How far from a baseline the cell may be."""
        return self.regression if question == "regression" else self.equivalence

    def below(self, value: float, margin: float = 0.0) -> bool:
        """Whether a value is below the min by more than a margin."""
        return self.min is not None and value < self.min - margin

    def above(self, value: float, margin: float = 0.0) -> bool:
        """Whether a value is above the max by more than a margin."""
        return self.max is not None and value > self.max + margin

    def allows(self, value: float, margin: float = 0.0) -> bool:
        """Whether a value is within both ends, or beyond one by no more than a margin."""
        return not self.below(value, margin) and not self.above(value, margin)


@dataclass(frozen=True)
class Override:
    """Other numbers for the cells whose place it matches."""

    where: Mapping[str, Pattern]  # by the name of the selector; all of them have to match
    min: float | None = None  # None leaves the number as it was
    max: float | None = None
    report_only: bool | None = None
    parameters: tuple[tuple[str, float], ...] = ()
    reason: str = ""
    margin: float | None = None
    regression: Margin | None = None
    equivalence: Margin | None = None

    def matches(self, place: Place) -> bool:
        """Whether the cell is one this override is for; what a cell lacks matches no selector."""
        return place.matched_by(self.where)

    def apply(self, limit: Limit) -> Limit:
        """The limit with this override's numbers; a number makes a report-only limit a gate."""
        gates = self.min is not None or self.max is not None
        reports = self.report_only if self.report_only is not None else limit.report_only
        reports = reports and not gates
        minimum = self.min if self.min is not None else limit.min
        maximum = self.max if self.max is not None else limit.max
        return Limit(
            unit=limit.unit,
            min=None if reports else minimum,
            max=None if reports else maximum,
            report_only=reports,
            parameters=tuple(sorted({**dict(limit.parameters), **dict(self.parameters)}.items())),
            source=self.reason or limit.source,
            margin=limit.margin if self.margin is None else self.margin,
            regression=self.regression or limit.regression,
            equivalence=self.equivalence or limit.equivalence,
        )


@dataclass(frozen=True)
class CheckLimits:
    """A check's limit and its overrides; of several that match a cell, the later wins."""

    limit: Limit
    overrides: tuple[Override, ...] = ()
    # Whether the limit is the check's own default, which no thresholds file knows of.
    by_default: bool = False

    @property
    def gates(self) -> bool:
        """Whether any cell of the check has a limit."""
        numbers = [self.limit.min, self.limit.max]
        numbers += [number for each in self.overrides for number in (each.min, each.max)]
        return any(number is not None for number in numbers)

    @property
    def compared(self) -> frozenset[Question]:
        """What is asked of the check's cells against a baseline, anywhere."""
        every = (self.limit, *self.overrides)
        return frozenset(
            question
            for question in QUESTIONS
            if any(getattr(each, question) is not None for each in every)
        )


@dataclass(frozen=True)
class KnownFailure:
    """A failure that is known and accepted, and why."""

    check: str
    where: Mapping[str, Pattern]  # by the name of the selector; all of them have to match
    reason: str
    expires: date | None = None  # the last day on which it accepts anything
    bound: float | None = None  # it accepts no value further beyond the limit than this

    def breadth(self) -> float:
        """How many positions it covers; infinite for all."""
        return min((pattern.positions for pattern in self.where.values()), default=math.inf)

    def expired(self, today: date) -> bool:
        """Whether its last day has passed."""
        return self.expires is not None and today > self.expires

    def exceeded(self, value: float, limit: Limit) -> bool:
        """Whether a value that fails its limit is beyond the bound too."""
        if self.bound is None:
            return False
        if limit.max is not None and (limit.min is None or value > limit.max):
            return value > self.bound
        return limit.min is not None and value < min(self.bound, limit.min)

    def matches(self, check: str, place: Place) -> bool:
        """Whether a cell is covered; what it lacks matches no selector.

        Comparisons with a baseline are called "regression of delta_ce", or "equivalence of
        delta_ce"; "regression" and "equivalence" cover all of them.
        """
        named = check == self.check or check.startswith(f"{self.check} of ")
        return named and place.matched_by(self.where)


@dataclass(frozen=True)
class Changes:
    """What a thresholds file changes of the shipped limits.

    Attributes:
        checks: whose limits are other ones, in any cell.
        gate: keys of `[gate]`.
        known_failures: how many accepted failures it adds.
    """

    checks: tuple[str, ...] = ()
    gate: tuple[str, ...] = ()
    known_failures: int = 0


@dataclass(frozen=True)
class Thresholds:
    """All of a thresholds file, laid over the shipped one where it is."""

    gate: Gate = Gate()
    checks: dict[str, CheckLimits] = field(default_factory=dict)
    known_failures: tuple[KnownFailure, ...] = ()
    changes: Changes | None = None  # of the shipped limits; None where there are none beneath

    def limit(self, check: str, place: Place) -> Limit:
        """What a cell is held to: the check's limit, then every override that matches, in order."""
        if check not in self.checks:
            raise ThresholdsError(
                f"the thresholds have no table [checks.{check}]: give it a min or a max, or "
                "report_only = true"
            )
        limit = self.checks[check].limit
        for override in self.checks[check].overrides:
            if override.matches(place):
                limit = override.apply(limit)
        if limit.min is not None and limit.max is not None and limit.min > limit.max:
            raise ThresholdsError(
                f"the overrides of {check} that match {place} leave min {limit.min:g} above max "
                f"{limit.max:g}: change one of them"
            )
        return limit

    def accepts(self, check: str, place: Place, value: float, limit: Limit, today: date) -> bool:
        """Whether a value that does not hold is accepted today."""
        entry = self.known_failure(check, place, today)
        return entry is not None and not entry.exceeded(value, limit)

    def known_failure(
        self, check: str, place: Place, today: date | None = None
    ) -> KnownFailure | None:
        """The accepted failure that covers a cell, if any does, and has not expired by today.

        Of several the one of the fewest positions, so that a claim's entry does not stand in for
        those of the ranges within it; then the first. Without a day, expired ones count too.
        """
        covering = [
            each
            for each in self.known_failures
            if each.matches(check, place) and not (today and each.expired(today))
        ]
        return min(covering, key=KnownFailure.breadth, default=None)
