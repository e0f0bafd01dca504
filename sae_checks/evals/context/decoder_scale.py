"""At which scale the decoder writes, told from how activations follow the strengths of features.

A penalty on strengths makes all of a feature's activations weaker by the same amount, and moves no
slope; a decoder that was scaled moves nothing else (docs/quantities.md).
"""

from __future__ import annotations

import math
from dataclasses import replace

from sae_checks.evals.context.table import STRENGTH, ContextTable
from sae_checks.evals.context.tokens import of_texts, tokens_of, undefined_on
from sae_checks.judge.coverage import Coverage
from sae_checks.judge.estimate import Estimate, inapplicable, undefined
from sae_checks.judge.statistics import linearised
from sae_checks.records import PositionRange

# What is left of two nearly equal sums is rounding.
_ROUNDING = 1e-6


class DecoderScaled:
    """What the decoder of a cell's SAE would have to be multiplied by."""

    table: ContextTable
    positions: PositionRange
    coverage: Coverage

    def decoder_scale(self, *, massive: bool = True) -> Estimate:
        """Σ w·(x - b) / Σ w·(x̂ - b), w the part of x̂ - b that is stronger than usual.

        With v = x̂ - b = Σ f_i d_i, u the sum of the unit directions of a token's active features
        and m = Σ strength / Σ L0 the mean strength of an active feature, w = v - m u. With
        e = x - x̂ and capital letters for sums over all tokens, of R = v·e, P = u·e, T = ‖v‖²,
        Q = u·v, S the strength and K the L0, it is

            g = 1 + N/D,  N = R - m P,  D = T - m Q,  m = S/K.

        Influence of a document whose sums are r, p, t, q, s and k:

            [ r - m p - (g - 1)(t - m q) - (P - (g - 1) Q) (s - m k)/K ] / D
        """
        names = ("written_error", "directions_error", "written_square", "directions_written")
        every = [
            tokens_of(self.table, self.positions, name, massive)
            for name in (*names, STRENGTH, "l0")
        ]
        for tokens in every:
            if tokens.broken:
                return undefined_on(tokens)
        r, p, t, q, s, k = (tokens.sums for tokens in every)
        measured = every[0]
        if not measured.total:
            return undefined("no tokens were measured")
        active = float(k.sum())
        if not active:
            return undefined("no feature is active", measured.texts, measured.total)
        strength = float(s.sum()) / active
        error, varying = r - strength * p, t - strength * q
        whole = float(varying.sum())
        if whole <= _ROUNDING * float(t.sum()):
            if whole < 0 or not float(t.sum()):  # a fault of the SAE's, and no ground to pass it
                reason = "what features write does not grow with their strength"
                return undefined(reason, measured.texts, measured.total)
            reason = "active features are all of one strength"
            return inapplicable(reason, measured.texts, measured.total)
        excess = float(error.sum()) / whole
        by_strength = (s - strength * k) / active
        moved = float(p.sum()) - excess * float(q.sum())
        influence = (error - excess * varying - moved * by_strength) / whole
        units = int((measured.counts > 0).sum())
        made = linearised(1 + excess, influence, self.coverage, -math.inf, math.inf, units)
        return of_texts(replace(made, tokens=measured.total), measured.in_texts)
