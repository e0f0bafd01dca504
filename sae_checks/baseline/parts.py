"""What is counted of parts, such as an SAE's features, compared part by part.

A part that was seen on k units there and on none here may have fallen silent, or be active so
rarely that chance decided. Were nothing changed, and the units here others than those there, as
many again, all k of the two samples would lie on one side with probability 2⁻ᵏ at most (the
conditional test of two equal samples). On the same units silence is less likely still. So of m
parts, those that were seen on k units or more with

    2 m · 2⁻ᵏ ≤ α

and are silent on the other side have all changed, but for a probability α (Bonferroni over parts
and both directions). How many were seen so often is what the sample could notice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sae_checks.records import BoolArray, IntArray


@dataclass(frozen=True)
class Changed:
    """Parts that are seen on one side only.

    Attributes:
        parts: how many there are.
        lost: seen in the baseline, silent here.
        gained: silent in the baseline, seen here.
        surely: of both, those that were seen too often for chance.
        noticed: of the baseline's, those that were seen so often that silence would be noticed.
    """

    parts: int
    lost: int
    gained: int
    surely: int
    noticed: int

    @property
    def share(self) -> float:
        """Of all parts, those that are seen on one side only."""
        return (self.lost + self.gained) / self.parts

    @property
    def sure_share(self) -> float:
        """Of all parts, those that have changed for certain."""
        return self.surely / self.parts


def fewest_to_notice(parts: int, error: float) -> int:
    """The smallest k with 2 m · 2⁻ᵏ ≤ α."""
    return max(1, math.ceil(math.log2(2 * parts / error)))


def changed(ours: IntArray, theirs: IntArray, error: float) -> Changed:
    """Compare parts by how many units each was seen on, here and in the baseline.

    Args:
        ours: (m,), m at least 1.
        theirs: (m,) of the same parts.
        error: α, of any part being wrongly counted as surely changed.
    """
    often = fewest_to_notice(len(ours), error)
    lost: BoolArray = (theirs > 0) & (ours == 0)
    gained: BoolArray = (ours > 0) & (theirs == 0)
    surely = (lost & (theirs >= often)) | (gained & (ours >= often))
    counts = (int(each.sum()) for each in (lost, gained, surely, theirs >= often))
    return Changed(len(ours), *counts)


def renumbered(ours: IntArray, theirs: IntArray) -> bool:
    """Whether the parts (m,) were seen as often as those of the baseline, in another order."""
    return not np.array_equal(ours, theirs) and np.array_equal(np.sort(ours), np.sort(theirs))
