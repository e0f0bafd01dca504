"""How much of what ablating an activation costs an SAE recovers."""

from __future__ import annotations

from dataclasses import replace

from sae_checks.evals.context.table import ContextTable
from sae_checks.evals.context.tokens import of_texts, tokens_of, undefined_on
from sae_checks.judge.coverage import Coverage
from sae_checks.judge.statistics import Estimate, inapplicable, ratio_of_sums
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
        kept = tokens_of(self.table, self.positions, (ablated, "ce_sae"))
        whole = tokens_of(self.table, self.positions, (ablated, "ce_clean"))
        for tokens in (kept, whole):
            if tokens.broken:
                return undefined_on(tokens)
        cost = ratio_of_sums(whole.sums, whole.counts, whole.counts, self.coverage)
        if whole.total and not cost.low > 0:
            return inapplicable(
                f"{ablated} is not above ce_clean beyond doubt: ablation costs nothing here",
                whole.texts,
                whole.total,
            )
        recovered = ratio_of_sums(kept.sums, whole.sums, whole.counts, self.coverage)
        # Where one has to be surer, the ablation may cost nothing beyond doubt.
        return of_texts(replace(recovered, spread=None), whole.in_texts)

    def kl_recovered(self, ablated: str) -> Estimate:
        """1 - Σ kl / Σ ablated: 1 is the clean prediction, 0 as far from it as under ablation.

        `ablated` is KL(p_clean ‖ p) under ablation: kl_zero, or kl_mean, which is harder to beat.
        """
        lost = tokens_of(self.table, self.positions, "kl")
        whole = tokens_of(self.table, self.positions, ablated)
        for tokens in (lost, whole):
            if tokens.broken:
                return undefined_on(tokens)
        cost = ratio_of_sums(whole.sums, whole.counts, whole.counts, self.coverage)
        if whole.total and not cost.low > 0:
            return inapplicable(
                f"{ablated} is not above 0 beyond doubt: ablation changes nothing here",
                whole.texts,
                whole.total,
            )
        left = ratio_of_sums(lost.sums, whole.sums, whole.counts, self.coverage)
        recovered = replace(left.affine(-1, 1), spread=None)  # as of cross-entropy
        return of_texts(recovered, whole.in_texts)
