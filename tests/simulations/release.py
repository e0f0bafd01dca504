"""A made-up release whose cells share the error as `family.py` shares it."""

from __future__ import annotations

from typing import Literal

import numpy as np

from sae_checks.evals.registry import kind_named
from sae_checks.judge.check import Check
from sae_checks.judge.estimate import undefined
from sae_checks.judge.thresholds import CheckLimits, Limit, Thresholds
from sae_checks.records import FloatArray, PositionRange
from sae_checks.records.ranges import PositionRanges
from sae_checks.session.family import Family
from tests import stored
from tests.places import cell_ref

SAES, CHECKS, RANGES = 5, 8, 5
CLAIMS = SAES * CHECKS
CELLS = CLAIMS * (1 + RANGES)
IN_CONTEXT = tuple(PositionRange(3 * k + 1, 3 * k + 3) for k in range(RANGES))


def _check(name: str) -> Check:
    def function(cell: object) -> object:
        return undefined("never measured")

    return Check(name, function, kind_named("in_context"), frozenset(), "nats")


CHECK = {name: _check(name) for name in (f"check_{k}" for k in range(CHECKS))}
LIMITS = Thresholds(checks={name: CheckLimits(Limit("nats", max=1, margin=0.1)) for name in CHECK})
SAE_REFS = tuple(stored.sae_ref(layer) for layer in range(SAES))
FAMILY = Family(
    LIMITS, CHECK, SAES, {ref.sae_id: PositionRanges(IN_CONTEXT, ()) for ref in SAE_REFS}
)


def error(family: Literal["claim", "range"]) -> float:
    """Of a claim, or of a range."""
    positions = IN_CONTEXT[0] if family == "range" else None
    ref = cell_ref("in_context", "made-up", SAE_REFS[0], positions, family=family)
    return FAMILY.error(CHECK["check_0"], ref)


def is_claim() -> FloatArray:
    """(CELLS,): the claims come first."""
    return np.arange(CELLS) < CLAIMS
