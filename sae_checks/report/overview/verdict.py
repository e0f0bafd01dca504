"""The verdict on a release in one sentence, and the counts that it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sae_checks.report.overview.levels import Level, counts
from sae_checks.session.result import RunResult
from sae_checks.wording import counted

RunStatus = Literal["passed", "failed", "insufficient evidence", "not measurable"]

_SAID: Mapping[RunStatus, str] = {
    "passed": "passed",
    "failed": "FAILED",
    "insufficient evidence": "INSUFFICIENT EVIDENCE",
    "not measurable": "NOT MEASURABLE",
}


@dataclass(frozen=True)
class RunVerdict:
    """What a run says of its release.

    Attributes:
        status: the worst of what the run fails for, or "passed".
        claims: how many claims of each level there are.
        ranges: how many ranges of each.
        stale: how many accepted failures are out of date, where the run fails for that.
    """

    status: RunStatus
    claims: Mapping[Level, int]
    ranges: Mapping[Level, int]
    stale: int = 0

    @property
    def counts(self) -> dict[Level, int]:
        """Of claims and ranges together, the worst first."""
        levels = dict.fromkeys((*self.claims, *self.ranges))
        return {each: self.claims.get(each, 0) + self.ranges.get(each, 0) for each in levels}

    @property
    def sentence(self) -> str:
        """The verdict with its counts: "FAILED: 2 claims and 3 ranges failed; ...".

        What passed is counted of the claims that have a limit.
        """
        parts = [_told(self, each) for each in self._levels() if each != "passed"]
        if self.stale:
            parts.append(f"{counted(self.stale, 'accepted failure')} out of date")
        parts += [self._passed()] if self.counts else ["no test ran"]
        return f"{_SAID[self.status]}: {'; '.join(parts)}"

    def _levels(self) -> list[Level]:
        shown: tuple[Level, ...] = (
            "failed",
            "not measurable",
            "insufficient evidence",
            "accepted",
            "undecided",
        )
        return [each for each in shown if self.counts.get(each)]

    def _passed(self) -> str:
        asked = sum(
            n for each, n in self.claims.items() if each not in ("reported", "not applicable")
        )
        passed = self.claims.get("passed", 0) + self.claims.get("unexpectedly passed", 0)
        return f"{passed:,} of {counted(asked, 'claim')} hold"


def _told(verdict: RunVerdict, of: Level) -> str:
    told = {
        "failed": "failed",
        "not measurable": "not measurable",
        "insufficient evidence": "undecided for lack of evidence",
        "accepted": "accepted as known failures",
        "undecided": "undecided",
    }
    found = ((verdict.claims.get(of), "claim"), (verdict.ranges.get(of), "range"))
    return f"{' and '.join(counted(n, noun) for n, noun in found if n)} {told[of]}"


def run_verdict(result: RunResult) -> RunVerdict:
    """The verdict of a run; one without any test has measured nothing."""
    of_family = {
        family: counts(o for o in result.outcomes if o.cell.family == family)
        for family in ("claim", "range")
    }
    found = counts(result.outcomes)
    strict = result.thresholds.gate.known_failures_strict
    stale = len(result.stale) if strict else 0
    return RunVerdict(_status(found, stale), of_family["claim"], of_family["range"], stale)


def _status(found: Mapping[Level, int], stale: int) -> RunStatus:
    if found.get("failed") or stale:
        return "failed"
    if not found or found.get("not measurable"):
        return "not measurable"
    return "insufficient evidence" if found.get("insufficient evidence") else "passed"
