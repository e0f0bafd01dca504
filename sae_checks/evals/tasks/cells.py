"""One SAE on the items of one task, and the estimates that a check can ask it for.

Items are the independent units, and every item weighs the same. Which figures an item has, and
what becomes of those that are not finite, is told in `items.py`; where an interval is no ratio's,
it comes from leaving out groups of items, as told in `resampling.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from sae_checks.evals.context.tokens import Quantity
from sae_checks.evals.limited import LimitedCell
from sae_checks.evals.tasks.features import harmful, named, positive_share, unscored
from sae_checks.evals.tasks.items import (
    ablations_of,
    answers_of,
    by_cluster,
    classes_of,
    features_of,
    items_of,
)
from sae_checks.evals.tasks.table import TaskTable
from sae_checks.judge.coverage import FIXED, Coverage
from sae_checks.judge.estimate import Estimate, inapplicable, undefined
from sae_checks.judge.ranks import association_influence, rank_association, rank_effect
from sae_checks.judge.resampling import delete_a_group, jackknife
from sae_checks.judge.statistics import difference_of_shares, linearised, ratio_of_sums
from sae_checks.judge.thresholds import Thresholds
from sae_checks.records import BoolArray, FloatArray, IntArray
from sae_checks.records.place import Place
from sae_checks.wording import counted

_EVERY = slice(None)


@dataclass(frozen=True)
class TaskCell(LimitedCell):
    """One SAE × task, as a check sees it."""

    place: Place  # of its SAE and task
    table: TaskTable
    check: str  # whose limit and parameters apply
    thresholds: Thresholds
    coverage: Coverage = FIXED

    @property
    def units(self) -> int:
        """How many independent units the items are."""
        clusters = self.table.clusters
        return self.table.items if clusters is None else len(np.unique(clusters))

    def mean(self, quantity: Quantity) -> Estimate:
        """Mean over items; of a pair of columns, that of first - second on the same item."""
        items = items_of(self.table, quantity)
        if items.broken:
            return self.undefined(items.broken)
        return self._mean(items.values[0])

    def accuracy_drop(self, candidates: bool = False) -> Estimate:
        """Percentage points: 100 · (share right by the clean model - share right spliced).

        Right is an answer that is the arg-max of all tokens, or only of the item's candidates.
        """
        items = answers_of(self.table, candidates=candidates)
        if items.broken:
            return self.undefined(items.broken)
        clean, spliced = items.values
        only_clean, only_sae = int((clean > spliced).sum()), int((spliced > clean).sum())
        return self.of_items(self._drop(clean, spliced)).with_notes(
            clean_accuracy=100 * float(clean.mean()),
            sae_accuracy=100 * float(spliced.mean()),
            only_clean=only_clean,
            only_sae=only_sae,
            **self._items_past_training(),
        )

    def _items_past_training(self) -> dict[str, int]:
        """How many prompts are longer than the training context, where one is declared."""
        training = self.table.training_context
        if training is None:
            return {}
        past = self.table.prompt_tokens > training
        return {"items_past_training_context": int(past.sum())}

    def _drop(self, clean: FloatArray, spliced: FloatArray) -> Estimate:
        """The accuracy drop of items, (items,) 1 where right, 0 where not."""
        most = self.limit().max
        if most is not None and 100 * clean.mean() <= most:
            return inapplicable(
                f"the clean model has {100 * clean.mean():.3g}% right, and so cannot lose more "
                f"than the {most:g} points that are allowed"
            )
        only_clean, only_sae = int((clean > spliced).sum()), int((spliced > clean).sum())
        drop = difference_of_shares(only_clean, only_sae, self.table.items, self.coverage)
        low, high = drop.low, drop.high
        mean, unseen = self._mean(clean - spliced), 1 / max(self.units, 1)
        if self.table.clusters is not None and mean.influence is not None:
            # Items of one document are alike: the interval is no narrower than that of documents,
            # of which one that loses all may be missing.
            of_documents = linearised(drop.value, mean.influence, self.coverage, unseen=unseen)
            low, high = min(low, of_documents.low), max(high, of_documents.high)
        return replace(
            drop,
            value=100 * drop.value,
            low=100 * max(low, -1.0),
            high=100 * min(high, 1.0),
            standard_error=100 * drop.standard_error,
            influence=None if mean.influence is None else 100 * mean.influence,
            unseen=100 * unseen,
        )

    def kept(self, numerator: Quantity, denominator: Quantity) -> Estimate:
        """Σ numerator / Σ denominator over items: what the spliced model keeps of the clean one's.

        Of the sums, not of each item's ratio, which is wild where a denominator is near 0.
        """
        items = items_of(self.table, numerator, denominator)
        if items.broken:
            return self.undefined(items.broken)
        above, below = items.values
        if not self.mean(denominator).low > 0:
            name = denominator if isinstance(denominator, str) else " - ".join(denominator)
            return self.of_items(
                inapplicable(
                    f"the mean of {name} is not above 0 beyond doubt: there is nothing to keep"
                )
            )
        parts = (above, below, np.ones(len(below)))
        kept, whole, items_each = (by_cluster(self.table, part) for part in parts)
        share = ratio_of_sums(kept, whole, items_each, self.coverage)
        # Where one has to be surer, there may be nothing to keep.
        return self.of_items(replace(share, spread=None))

    def rank_correlation(self, first: Quantity, second: Quantity) -> Estimate:
        """Spearman's rank correlation of two quantities over items; ties count as no order.

        So it is 0 where one of them is constant, such as the L0 of a TopK SAE.
        """
        items = items_of(self.table, first, second)
        if why := items.broken or self.too_few_to_rank():
            return self.undefined(why)
        x, y = items.values
        return self.of_influence(float(rank_association(x, y)), association_influence(x, y))

    def class_effect(self, quantity: Quantity) -> Estimate:
        """How far the classes of items differ: share of the variance of ranks between them.

        The classes are both, clean_only, sae_only and neither, by who answers right. 0 where they
        are alike, and where all items are of one class; the medians stand beside.
        """
        answers, items = answers_of(self.table), items_of(self.table, quantity)
        if why := answers.broken or items.broken or self.too_few_to_rank():
            return self.undefined(why)
        values, classes = items.values[0], classes_of(*answers.values)

        def effect(kept: BoolArray | slice) -> float:
            return rank_effect(values[kept], [of[kept] for of in classes.values()])

        notes: dict[str, float | int] = {}
        for name, of in classes.items():
            notes[f"items_{name}"] = int(of.sum())
            if of.any():
                notes[f"median_{name}"] = float(np.median(values[of]))
        return self.resampled(effect(_EVERY), self.without(effect), 0.0, 1.0).with_notes(**notes)

    def positive_features(self) -> Estimate:
        """Of the features that are active on an item, the share with a score above 0."""
        features = features_of(self.table)
        if reason := unscored(features):
            return self.undefined(reason)
        share = positive_share(features.items, features.score)
        without = [positive_share(*without_group) for without_group in self._without_groups()]
        return self.resampled(share, without, 0.0, 1.0).with_notes(
            active_features=len(features.feature)
        )

    def always_active_harmful(self, share: float) -> Estimate:
        """How many features are active on more than this share of items, with a score below 0."""
        features = features_of(self.table)
        if reason := unscored(features):
            return self.undefined(reason)
        found = harmful(features.items, features.score, share * self.table.items)
        sizes = np.unique(self.table.groups, return_counts=True)[1]
        without = [
            len(harmful(items, score, share * (self.table.items - size)))
            for (items, score), size in zip(self._without_groups(), sizes, strict=True)
        ]
        estimate = self.resampled(float(len(found)), without, 0.0)
        if not len(found):
            return estimate
        return estimate.with_notes(features=named(self.table.sae, features, found))

    def ablation(self, best: bool) -> Estimate:
        """Mean over features of what ablating each does to ln p(answer) on its items, in nats.

        The features are those with the best scores, or with the worst; every feature weighs the
        same. The interval is over items: the features are chosen, not a sample.
        """
        table = ablations_of(self.table)
        chosen = table.best == best
        rows, feature, delta = table.item[chosen], table.feature[chosen], table.delta_ln_p[chosen]
        if not len(rows):  # none of an SAE that is broken, which the answers tell
            why = items_of(self.table, ("sae_ln_p", "clean_ln_p")).broken
            which = "no" if best else "no second"
            return self.undefined(why or f"{which} feature is active on an item: none was ablated")
        broken = len(np.unique(rows[~np.isfinite(delta)]))
        if broken:
            said = f"ln p without a feature is not finite on {counted(broken, 'item')}"
            return self.undefined(said)
        means = _means_by(feature, delta)

        def mean(kept: BoolArray) -> float:
            """Of the same features; none where one has no items left."""
            left = _means_by(feature[kept], delta[kept])
            return float(left.mean()) if len(left) == len(means) else math.nan

        without = delete_a_group(mean, self.table.groups[rows])
        held = np.unique(rows)
        estimate = jackknife(
            float(means.mean()), without, self.coverage, units=len(np.unique(rows))
        )
        expected = means < 0 if best else means > 0
        return replace(
            estimate,
            texts=len(held),
            tokens=int(self.table.prompt_tokens[held].sum()),
            unit_name="item",
        ).with_notes(features=len(means), share_as_expected=float(expected.mean()))

    def _mean(self, values: FloatArray) -> Estimate:
        """Mean over items, with their clusters as the independent units."""
        counts = by_cluster(self.table, np.ones(self.table.items))
        sums = by_cluster(self.table, values)
        return self.of_items(ratio_of_sums(sums, counts, counts, self.coverage))

    def too_few_to_rank(self) -> str:
        """Why there are too few items for ranks, or ""."""
        items = self.table.items
        return "" if items >= 3 else f"ranks need 3 items or more, got {items}"

    def without(self, statistic: Callable[[BoolArray], float]) -> FloatArray:
        """A statistic without each group of items; it is given which items are kept."""
        return delete_a_group(statistic, self.table.groups)

    def resampled(
        self, value: float, without: ArrayLike, lowest: float, highest: float = math.inf
    ) -> Estimate:
        """A statistic between these bounds, with the interval that leaving out groups gives."""
        estimate = jackknife(value, without, self.coverage, lowest, highest, self.units)
        return self.of_items(estimate)

    def of_influence(self, rho: float, influence: FloatArray) -> Estimate:
        """A correlation of which each item's influence is known, clusters being independent."""
        summed = by_cluster(self.table, influence)
        return self.of_items(linearised(rho, summed, self.coverage, -1.0, 1.0))

    def of_items(self, estimate: Estimate) -> Estimate:
        """The estimate as one of all items of the task."""
        return replace(
            estimate,
            texts=self.table.items,
            tokens=int(self.table.prompt_tokens.sum()),
            unit_name="item",
            clusters=None if self.table.clusters is None else self.units,
        )

    def undefined(self, reason: str) -> Estimate:
        """The estimate of what the items do not tell."""
        return self.of_items(undefined(reason))

    def _without_groups(self) -> list[tuple[IntArray, IntArray]]:
        """Of each feature, items and score without each of the groups of items."""
        of = features_of(self.table)
        return [
            (of.items - of.group_items[:, group], of.score - of.group_score[:, group])
            for group in np.unique(self.table.groups)
        ]


def _means_by(labels: IntArray, values: FloatArray) -> FloatArray:
    """The mean of the values of each label."""
    _, which, counts = np.unique(labels, return_inverse=True, return_counts=True)
    means: FloatArray = np.bincount(which, weights=values) / counts
    return means
