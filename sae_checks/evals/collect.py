"""Which cells a check is asked about: one test each, before anything is measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from sae_checks.evals.kind import kind_of
from sae_checks.judge.check import Check
from sae_checks.records import Release, SaeRef, TaskRef
from sae_checks.records.place import CellRef
from sae_checks.records.ranges import PositionRanges

# Checks of a whole release ask how a quantity goes with the layer; two layers have no trend.
LAYERS_OF_A_TREND = 3
# Checks of what lies past the training context are asked where at least half as much again was
# measured: how far an SAE is usable cannot be told from less.
BEYOND_TRAINING = 1.5


@dataclass(frozen=True)
class CellCollector:
    """All that cells are made of.

    Attributes:
        context: measured, in tokens.
        ranges: the position ranges of each SAE.
        tasks: those that are measured.
        ablated: names of those on which features are ablated.
        shift: the name of the second corpus; "" where there is none.
        stored: names of the interventions that are stored, where a part of what was measured is
            judged: what was not spliced in together cannot be asked about; None: nothing is judged
            in part.
    """

    release: Release
    context: int
    ranges: Mapping[str, PositionRanges]
    tasks: tuple[TaskRef, ...]
    ablated: frozenset[str]
    shift: str = ""
    stored: frozenset[str] | None = None

    def cells(self, check: Check) -> list[CellRef]:
        """The cells of a check, in the order of the release's SAEs."""
        return list(kind_of(check.cells).refs(self, check))

    def saes_for(self, check: Check) -> tuple[SaeRef, ...]:
        """The SAEs that a check on whole SAEs, or on the release, is asked about."""
        saes = self.release.saes
        if not check.beyond_training:
            return saes
        # What is not declared is as if it were never reached.
        return tuple(
            s for s in saes if self.context >= BEYOND_TRAINING * (s.training_context or math.inf)
        )

    def have_a_trend(self, check: Check) -> bool:
        """Whether a check of the whole release is asked at all."""
        return len({sae.layer for sae in self.saes_for(check)}) >= LAYERS_OF_A_TREND
