"""What silence says: how many kinds of events may exist of which a sample shows only some.

That a feature is never active on n documents is no proof that it never is. But of those that are
active on a share p of all documents or more, each is silent on n with probability (1 − p)ⁿ at most.
So with M of them, the expected number of silent ones is at most M (1 − p)ⁿ, and by Markov's
inequality, with probability 1 − α, fewer than M (1 − p)ⁿ/α are. Those that were seen are then more
than M (1 − (1 − p)ⁿ/α), which bounds M. Nothing is presumed of how features go together.

Of a single one, [silent on n documents]/(1 − p)ⁿ is a supermartingale that starts at 1, and so is
their sum, which starts at M. By Ville's inequality the bound therefore holds at all n at once:
one may look at it while the sample grows, at no price.
"""

from __future__ import annotations

import math


def silence(rate: float, units: int) -> float:
    """(1 − p)ⁿ: the probability that what happens on a share p of units happens on none of n."""
    return (1.0 - rate) ** units


def most_at_rate(seen: int, rate: float, units: int, error: float) -> float:
    """An upper bound on how many happen on a share `rate` of the units or more.

    Args:
        seen: how many happened on any of the sample's units.
        rate: p, above 0.
        units: n, independent.
        error: α, the probability with which the bound may be too low at any sample size.

    Returns:
        seen/(1 − (1 − p)ⁿ/α); infinite while (1 − p)ⁿ is α or more.
    """
    share = silence(rate, units) / error
    return seen / (1 - share) if share < 1 else math.inf


def units_to_bound(rate: float, error: float) -> int:
    """The smallest number of units at which silence says anything: (1 − p)ⁿ < α."""
    return math.floor(math.log(error) / math.log1p(-rate)) + 1
