"""How much of what ablating an activation costs an SAE recovers."""

from __future__ import annotations

from dataclasses import replace

from sae_checks.evals.context.table import ContextTable
from sae_checks.evals.context.tokens import Quantity, of_texts, tokens_of, undefined_on
from sae_checks.judge.coverage import Coverage
from sae_checks.judge.estimate import Estimate, inapplicable
from sae_checks.judge.statistics import ratio_of_sums
from sae_checks.records import PositionRange


class Recovered:
    """Estimates of a cell that compare splicing an SAE in with ablating the activation."""

    table: ContextTable
    positions: PositionRange
    coverage: Coverage

    def ce_recovered(self, ablated: str) -> Estimate:
        """Σ(ablated - ce_sae) / Σ(ablated - ce_clean): 1 is no loss, 0 no better than ablation.

        `ablated` is the loss under ablation: ce_zero, or ce_mean, which is harder to beat.
        """
        nothing = f"{ablated} is not above ce_clean beyond doubt: ablation costs nothing here"
        return self._share((ablated, "ce_sae"), (ablated, "ce_clean"), nothing)

    def kl_recovered(self, ablated: str) -> Estimate:
        """1 - Σ kl / Σ ablated: 1 is the clean prediction, 0 as far from it as under ablation.

        `ablated` is KL(p_clean ‖ p) under ablation: kl_zero, or kl_mean, which is harder to beat.
        """
        nothing = f"{ablated} is not above 0 beyond doubt: ablation changes nothing here"
        return self._share("kl", ablated, nothing).affine(-1, 1)

    def _share(self, part: Quantity, whole: Quantity, nothing: str) -> Estimate:
        """Σ part / Σ whole; not applicable, as `nothing` says, where the whole may be 0."""
        above, below = (tokens_of(self.table, self.positions, each) for each in (part, whole))
        for tokens in (above, below):
            if tokens.broken:
                return undefined_on(tokens)
        cost = ratio_of_sums(below.sums, below.counts, below.counts, self.coverage)
        if below.total and not cost.low > 0:
            return inapplicable(nothing, below.texts, below.total)
        share = ratio_of_sums(above.sums, below.sums, below.counts, self.coverage)
        # Where one has to be surer, the ablation may cost nothing beyond doubt.
        return of_texts(replace(share, spread=None), below.in_texts)
