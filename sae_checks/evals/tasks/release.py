"""All SAEs of a release on one task, and the estimates that a check can ask them for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sae_checks.evals.context.cells import Cell
from sae_checks.evals.context.tokens import tokens_of
from sae_checks.evals.tasks.cells import TaskCell
from sae_checks.evals.tasks.items import answers_of, by_cluster, items_of
from sae_checks.judge.agreement import (
    association_of_rows,
    means_without_each_group,
    pairwise_association,
)
from sae_checks.judge.estimate import Estimate
from sae_checks.judge.ranks import association_influence, rank_association
from sae_checks.judge.thresholds import Limit
from sae_checks.records import GROUPS, FloatArray
from sae_checks.records.place import Place
from sae_checks.records.selectors import TASK


@dataclass(frozen=True)
class TaskReleaseCell:
    """All SAEs of a release on one task, as a check of the whole release sees them."""

    cells: tuple[TaskCell, ...]  # one per SAE; at least one
    texts: tuple[Cell, ...] = ()  # the same SAEs on texts, where a check needs them

    def limit(self) -> Limit:
        """What the release is held to on this task by its check."""
        first = self.cells[0]
        place = Place.of_release(first.place["release"]).at(TASK, first.place["task"])
        return first.thresholds.limit(first.check, place)

    def layer_agreement(self) -> Estimate:
        """Mean over pairs of SAEs of Spearman's correlation of Δ ln p over items.

        High where an item that is hard for one SAE is hard for the others too. Ties count as no
        order.
        """
        first = self.cells[0]
        if len(self.cells) < 2:
            return first.undefined(f"agreement needs 2 SAEs or more, got {len(self.cells)}")
        rows = []
        for cell in self.cells:
            items = items_of(cell.table, ("sae_ln_p", "clean_ln_p"))
            if why := items.broken or cell.too_few_to_rank():
                return first.undefined(f"{cell.table.sae.sae_id}: {why}")
            rows.append(items.values[0])
        values = np.stack(rows)  # (SAEs, items)
        pairs = pairwise_association(values)
        of_pairs = [
            association_influence(values[i], values[j])
            for i, j in zip(*np.triu_indices(len(values), 1), strict=True)
        ]
        influence: FloatArray = np.mean(of_pairs, axis=0)
        most = int(pairs.argmax())
        names = [
            self.cells[indices[most]].table.sae.sae_id
            for indices in np.triu_indices(len(values), 1)
        ]
        return first.of_influence(float(pairs.mean()), influence).with_notes(
            largest=float(pairs[most]), largest_pair=" and ".join(names)
        )

    def rank_agreement(self) -> Estimate:
        """Spearman's correlation over SAEs: mean in-context ΔCE on texts ↔ accuracy drop.

        +1: texts rank the SAEs as the task does. Ties count as no order.

        Each group of documents is left out together with a group of items. The two samples are
        independent, so to first order the value moves by the sum of two independent deviations,
        whose squares add up on average: the variance is that of both samples.
        """
        first, found = self.cells[0], self._on_both()
        if isinstance(found, str):
            return first.undefined(found)
        losses, losses_without, drops, drops_without = found
        without = association_of_rows(losses_without, drops_without)
        estimate = first.resampled(float(rank_association(losses, drops)), without, -1.0, 1.0)
        on_texts = self.texts[0].table
        estimate = estimate.with_notes(saes=len(drops), corpus_texts=on_texts.texts)
        if on_texts.units.count == on_texts.texts:
            return estimate
        return estimate.with_notes(corpus_documents=on_texts.units.count)

    def _on_both(self) -> str | tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Per SAE: ΔCE on texts, and the drop on items; each also without groups.

        Of shape (SAEs,), and (groups, SAEs) without groups. Or why there are none.
        """
        sums, counts, drops = [], [], []
        for cell, text in zip(self.cells, self.texts, strict=True):
            answers = answers_of(cell.table)
            tokens = tokens_of(text.table, text.in_context, ("ce_sae", "ce_clean"))
            why = (
                answers.broken
                or tokens.broken
                or ("" if tokens.total else "it has no tokens on texts")
            )
            if why:
                return f"{cell.table.sae.sae_id}: {why}"
            sums.append(tokens.sums)
            counts.append(tokens.counts)
            drops.append(answers.values[0] - answers.values[1])
        if len(drops) < 3:
            return f"a rank correlation needs 3 values or more, got {len(drops)}"
        # (documents, SAEs), of texts and of items; an item without one is a document of its own.
        loss, tokens_of_texts = np.stack(sums, axis=1), np.stack(counts, axis=1)
        items = self.cells[0].table
        drop = np.stack([by_cluster(items, each) for each in drops], axis=1)
        count = np.ones_like(drop) * by_cluster(items, np.ones(items.items))[:, np.newaxis]
        groups = min(GROUPS, len(loss), len(drop))
        return (
            loss.sum(axis=0) / tokens_of_texts.sum(axis=0),
            means_without_each_group(loss, tokens_of_texts, groups),
            np.stack(drops, axis=1).mean(axis=0),
            means_without_each_group(drop, count, groups),
        )
