"""How sure an interval is to hold the true value, and so how many standard errors it reaches.

Three things widen an interval beyond the familiar 1.96 standard errors: few units (Student's t);
many cells, of which one alone may fail a release (their share of its error, `family.py`), or many
windows of which one figure is made (`shared_by`); and looking at the sample while it grows, so as
to stop early (`stopping`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from scipy.special import log_ndtr, ndtri_exp, stdtrit

# The sample size, in texts or items, at which an anytime interval is narrowest for its confidence.
# Far from it the price is small: from 16 to 1,000 it reaches 3.0 to 3.4 standard errors at 95%.
NARROWEST_AT = 64
# How much of the error is spent on stopping early. The rest is left for those that never do: at the
# whole budget they fail at most 2 points less often than if nobody had looked before; with 0.2 it
# would be 4 (tests/simulations). For it, a claim that stops early has to be 3.8 standard errors
# within its margin, not 3.5.
SPENT_ON_STOPPING = 0.1


@dataclass(frozen=True)
class Coverage:
    """What an interval promises.

    Attributes:
        confidence: probability with which a two-sided interval holds the true value.
        anytime: whether that is promised for all sample sizes at once, so that one may stop
            measuring when the interval looks good; else for one size that was fixed before.
        stopping: whether this is all the error there is for a run that may stop early: part of it
            is for intervals on the way, part for those of the whole budget.
    """

    confidence: float = 0.95
    anytime: bool = False
    stopping: bool = False

    @classmethod
    def one_sided(cls, error: float, *, stopping: bool = False) -> Coverage:
        """Of intervals of which each end is wrong with at most this probability."""
        if not 0 < error < 0.5:
            raise ValueError(f"the error of one end must lie between 0 and 0.5, got {error:g}")
        return cls(1 - 2 * error, stopping=stopping)

    def on_the_way(self) -> Coverage:
        """Of intervals that are looked at again and again while the sample grows."""
        return self._spend(SPENT_ON_STOPPING, anytime=True) if self.stopping else self

    def at_the_end(self) -> Coverage:
        """Of intervals from the whole budget: with those on the way, no more error in all."""
        return self._spend(1 - SPENT_ON_STOPPING, anytime=False) if self.stopping else self

    def _spend(self, share: float, *, anytime: bool) -> Coverage:
        return Coverage(1 - (1 - self.confidence) * share, anytime)

    def shared_by(self, intervals: int) -> Coverage:
        """Coverage of each of several intervals so that all hold at once (Bonferroni)."""
        return replace(self, confidence=1 - (1 - self.confidence) / max(intervals, 1))

    def reach(self, degrees: float, units: int) -> float:
        """From the value to an end of the interval, in standard errors.

        For a fixed size, Student's t at `degrees` of freedom (infinite: the normal quantile). For
        all sizes, the boundary of an asymptotic confidence sequence at `units` independent units,
        carried over from the normal to Student's distribution at equal tail probability: with few
        units a standard error is itself uncertain, which that theory leaves to the limit.
        """
        if self.stopping:
            raise ValueError(
                "no error was set aside for this interval: say whether it is of a sample that may "
                "still grow (on_the_way) or of the whole budget (at_the_end)"
            )
        error = 1 - self.confidence
        if not self.anytime:
            return _student(degrees, math.log(error / 2))
        return _student(degrees, float(log_ndtr(-sequence_boundary(units, error))))


# As good a default as any where nobody looks at an interval, and the one of `thresholds.toml`.
FIXED = Coverage()


def sequence_boundary(units: int, error: float) -> float:
    """Half-width of an asymptotic confidence sequence at t units, in standard errors σ̂/√t.

        sqrt( 2 (tρ² + 1)/(tρ²) · ln( sqrt(tρ² + 1)/α ) ),
        ρ² = (-2 ln α + ln(-2 ln α + 1))/t*,     t* = `NARROWEST_AT`

    Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2024), "Time-uniform central limit theory and
    asymptotic confidence sequences", Annals of Statistics 52(6): equation (3), and for ρ the
    approximation of its appendix B.2. Their σ̂/√t is the standard error of a mean; the estimates
    here are means of influences to first order.
    """
    twice = -2 * math.log(error)
    scaled = units * (twice + math.log(twice + 1)) / NARROWEST_AT  # tρ²
    return math.sqrt(2 * (scaled + 1) / scaled * math.log(math.sqrt(scaled + 1) / error))


def _student(degrees: float, log_tail: float) -> float:
    """The quantile above which lies a share exp(log_tail) of Student's t distribution."""
    if math.isinf(degrees):
        return -float(ndtri_exp(log_tail))
    return -float(stdtrit(degrees, math.exp(log_tail)))
