"""What was measured of one SAE on one task: a row per item, beside what single features do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sae_checks.evals.tasks.losses import LOSSES, LossTable
from sae_checks.records import (
    BoolArray,
    FloatArray,
    IntArray,
    Intervention,
    SaeRef,
    SideTable,
    Table,
    dealt_out,
)

FEATURES, ABLATIONS = "features", "ablations"
# The classes of items: whether the answer is right by the clean model, and by the spliced one.
ITEM_CLASSES = {
    "neither": (False, False),
    "clean_only": (True, False),
    "sae_only": (False, True),
    "both": (True, True),
}


@dataclass(frozen=True)
class FeatureTable(SideTable):
    """What the features of one SAE do on one task; a row per feature that is active on an item.

    A feature is active on an item where it is on any of the last prompt tokens (the task's
    `feature_window`); its strength there is the mean of |f| over them. Sums are over the items it
    is active on.
    """

    feature: IntArray  # (n,) index of the feature, rising
    items: IntArray  # (n,)
    delta_ln_p: FloatArray  # (n,) Σ Δ ln p, nats
    score: IntArray  # (n,) Σ of +1 where Δ ln p >= 0, -1 where < 0
    strength: FloatArray  # (n,) Σ strength, activation
    weighted_delta_ln_p: FloatArray  # (n,) Σ strength · Δ ln p
    weighted_score: FloatArray  # (n,) Σ strength · (±1)
    # The same counts for each of `GROUPS` groups of items, of which intervals are made.
    group_items: IntArray  # (n, groups)
    group_score: IntArray  # (n, groups)

    def join(self, later: FeatureTable) -> FeatureTable:
        """Counts and sums over the items of both."""
        tables = (self, later)
        feature = np.unique(np.concatenate([table.feature for table in tables]))
        summed = {}
        for name in (each.name for each in fields(FeatureTable) if each.name != "feature"):
            parts = [getattr(table, name) for table in tables]
            total = np.zeros((len(feature), *parts[0].shape[1:]), dtype=parts[0].dtype)
            for table, part in zip(tables, parts, strict=True):
                total[np.searchsorted(feature, table.feature)] += part
            summed[name] = total
        return FeatureTable(feature=feature, **summed)

    def kept(self) -> None:
        """Nothing: what features do on some of the items is not known apart."""

    def derived(self, table: Table) -> dict[str, NDArray[Any]]:
        """(n,) means over the items that each is active on, and where its dashboard is."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return {
                "share_of_items": self.items / table.rows,
                "mean_delta_ln_p": self.delta_ln_p / self.items,
                "mean_strength": self.strength / self.items,
                "weighted_mean_delta_ln_p": self.weighted_delta_ln_p / self.strength,
                "weighted_mean_score": self.weighted_score / self.strength,
                "link": _links(table.sae, self.feature),
            }

    def without_group(self, group: int) -> FeatureTable:
        """Counts and scores are known by group; the sums of Δ ln p stay those of all items."""
        group_items, group_score = self.group_items.copy(), self.group_score.copy()
        items = self.items - group_items[:, group]
        score = self.score - group_score[:, group]
        group_items[:, group] = group_score[:, group] = 0
        return replace(
            self, items=items, score=score, group_items=group_items, group_score=group_score
        )


@dataclass(frozen=True)
class AblationTable(SideTable):
    """What ablating single features does; a row per feature and item on which it is active."""

    JOINS: ClassVar[bool] = False

    feature: IntArray  # (n,)
    best: BoolArray  # (n,) whether the feature is one of the best by score, or one of the worst
    item: IntArray  # (n,) row of the item in the task's table
    delta_ln_p: FloatArray  # (n,) ln p(answer) spliced without the feature - ln p(answer) spliced
    asked: int = 0  # how many of the best, and how many of the worst, were asked for

    def join(self, later: AblationTable) -> None:
        """Nothing: the features were chosen by the first items alone."""

    def kept(self) -> None:
        """Nothing: the features were chosen by all items."""

    def on_items(self, kept: BoolArray) -> AblationTable:
        """On the items that are kept (items,), in their new rows."""
        rows, row_of = kept[self.item], np.cumsum(kept) - 1
        return replace(
            self,
            feature=self.feature[rows],
            best=self.best[rows],
            item=row_of[self.item[rows]],
            delta_ln_p=self.delta_ln_p[rows],
        )

    def derived(self, table: Table) -> dict[str, NDArray[Any]]:
        """(n,) where the dashboard of each feature is."""
        return {"link": _links(table.sae, self.feature)}


@dataclass(frozen=True)
class TaskTable(Table):
    """Arrays over items, NaN where undefined.

    `columns` maps a name of the items table (docs/quantities.md) to an (items,) array.
    """

    EVALUATION: ClassVar[str] = "tasks"
    UNIT: ClassVar[str] = "item"
    SIDE: ClassVar[Mapping[str, type[SideTable]]] = {
        FEATURES: FeatureTable,
        ABLATIONS: AblationTable,
        LOSSES: LossTable,
    }

    @classmethod
    def of(
        cls,
        sae: SaeRef,
        task: str,
        columns: dict[str, FloatArray],
        prompt_tokens: IntArray,
        sources: Sequence[str],
        features: FeatureTable | None = None,
        ablations: AblationTable | None = None,
        *,
        losses: LossTable | None = None,
        clusters: IntArray | None = None,
        complete: bool = True,
    ) -> TaskTable:
        """The table of an SAE that was spliced in by itself.

        Args:
            sae: which one.
            task: its name.
            columns: (items,) each.
            prompt_tokens: (items,) tokens of each prompt, BOS included.
            sources: (items,) where each item comes from.
            features: where they were scored.
            ablations: where features were ablated.
            losses: of each token.
            clusters: (items,) which of them share a document; None: none do.
            complete: whether all items of the budget were measured.
        """
        labels = {"prompt_tokens": prompt_tokens, "source": np.array(sources, dtype=np.str_)}
        if clusters is not None:
            labels["cluster"] = clusters
        given: dict[str, SideTable | None] = {
            FEATURES: features,
            ABLATIONS: ablations,
            LOSSES: losses,
        }
        side = {name: table for name, table in given.items() if table is not None}
        return cls(task, Intervention((sae,)), columns, labels, side, complete=complete)

    def without_group(self, group: int) -> TaskTable:
        """The items of the other groups, with what features do on them as far as it is known."""
        kept, table = self.groups != group, self.keep(self.groups != group)
        side: dict[str, SideTable] = dict(table.side)
        if self.features is not None:
            side[FEATURES] = self.features.without_group(group)
        if self.ablations is not None:
            side[ABLATIONS] = self.ablations.on_items(kept)
        return replace(table, side=side)

    def with_ablations(self, ablations: AblationTable) -> TaskTable:
        """The same, beside what ablating features does."""
        return replace(self, side={**self.side, ABLATIONS: ablations})

    def derived(self) -> dict[str, NDArray[Any]]:
        """(items,) who is right, the class of each item by that, and Δ ln p, as far as measured."""
        made: dict[str, NDArray[Any]] = {}
        if {"clean_rank", "sae_rank"} <= self.columns.keys():
            clean, spliced = (self.columns[name] for name in ("clean_rank", "sae_rank"))
            broken = np.isnan(clean + spliced)
            classes = np.array(list(ITEM_CLASSES))[(clean == 1) + 2 * (spliced == 1)]
            of_ranks = {"clean_right": clean == 1, "sae_right": spliced == 1, "class": classes}
            made |= {name: np.ma.array(each, mask=broken) for name, each in of_ranks.items()}
        if {"clean_ln_p", "sae_ln_p"} <= self.columns.keys():
            with np.errstate(invalid="ignore"):  # -inf - -inf
                made["delta_ln_p"] = self.columns["sae_ln_p"] - self.columns["clean_ln_p"]
        return made

    @property
    def features(self) -> FeatureTable | None:
        """Where they were scored."""
        return self.side_table(FEATURES, FeatureTable)

    @property
    def ablations(self) -> AblationTable | None:
        """Where features were ablated."""
        return self.side_table(ABLATIONS, AblationTable)

    @property
    def losses(self) -> LossTable | None:
        """Of each token, where they were kept."""
        return self.side_table(LOSSES, LossTable)

    @property
    def prompt_tokens(self) -> IntArray:
        """(items,) tokens of the prompt, BOS included."""
        return self.labels["prompt_tokens"]

    @property
    def sources(self) -> tuple[str, ...]:
        """(items,) where each item comes from."""
        return tuple(self.labels["source"].tolist())

    @property
    def clusters(self) -> IntArray | None:
        """(items,) which of them share a document; None: none do. Clusters are independent."""
        numbers = self.labels.get("cluster")
        if numbers is None or len(np.unique(numbers)) == len(numbers):
            return None
        return numbers

    @property
    def items(self) -> int:
        """How many items."""
        return self.rows

    @property
    def unit_count(self) -> int:
        """How many clusters of items."""
        return self.items if self.clusters is None else len(np.unique(self.clusters))

    @property
    def groups(self) -> IntArray:
        """(items,) the group of each item, 0 .. GROUPS - 1; a cluster's are of one group."""
        numbers = self.labels.get("cluster")
        return dealt_out(np.arange(self.items) if numbers is None else numbers)


def _links(sae: SaeRef, features: IntArray) -> NDArray[Any]:
    """(n,) where the dashboards of features are; masked for an SAE that has none."""
    links = [sae.feature_link(int(feature)) for feature in features]
    without = np.array([link is None for link in links], dtype=np.bool_)
    return np.ma.array(np.array([link or "" for link in links], dtype=np.str_), mask=without)
