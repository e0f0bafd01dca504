"""The records that pass from stage to stage: what a release is, and what was measured on it.

Everything here is frozen data without behaviour worth testing on its own, and imports neither
torch nor pytest, so that judging and reporting start in a moment.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sae_checks.records.units import Units

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

Source = Literal["directory", "folder", "hub", "demo", "stored"]
# Which tokens of an answer count: its first one, as in the study, or all of them.
AnswerScoring = Literal["first_token", "whole"]

FEATURE_WINDOW = 32  # last prompt tokens on which a feature counts as active; the study's own
# Items are dealt out to this many groups, one of which at a time is left out for intervals.
ITEM_GROUPS = 20
# The classes of items: whether the answer is right by the clean model, and by the spliced one.
ITEM_CLASSES = {
    "neither": (False, False),
    "clean_only": (True, False),
    "sae_only": (False, True),
    "both": (True, True),
}


@dataclass(frozen=True, order=True)
class PositionRange:
    """Positions first..last of the context, 0-based, both included. Position 0 is the BOS token."""

    first: int
    last: int

    def __post_init__(self) -> None:
        if not 0 <= self.first <= self.last:
            raise ValueError(f"a position range needs 0 <= first <= last, got {self}")

    def __str__(self) -> str:
        return f"{self.first}:{self.last}"


@dataclass(frozen=True)
class ModelLoading:
    """How a release wants its language model loaded; part of the measurement (it moves figures)."""

    model_name: str
    model_class_name: str = "HookedTransformer"
    # Sorted (key, value) pairs of sae_lens's `model_from_pretrained_kwargs`.
    from_pretrained_kwargs: tuple[tuple[str, object], ...] = ()
    prepend_bos: bool = True


@dataclass(frozen=True)
class SaeRef:
    """One SAE of a release, described but not loaded."""

    sae_id: str
    hook_point: str
    layer: int  # block index; -1 where the hook point belongs to no block (hook_embed)
    site: str  # the hook point without its block: "hook_resid_pre", "attn.hook_z", ...
    training_context: int  # tokens, BOS included
    d_in: int
    d_sae: int
    architecture: str
    loading: ModelLoading
    # Where the weights lie: a folder, or "repo_id:folder" on the hub.
    location: str
    # What the weights are: changes whenever a byte of them does.
    weights_key: str
    dataset: str | None = None
    neuronpedia_id: str | None = None  # of its features' dashboards: "gpt2-small/0-res-jb"

    def feature_link(self, feature: int) -> str | None:
        """Where a feature's dashboard is; None for an SAE that has none."""
        if self.neuronpedia_id is None:
            return None
        return f"https://www.neuronpedia.org/{self.neuronpedia_id}/{feature}"


@dataclass(frozen=True)
class Release:
    """A named set of SAEs that share one language model."""

    name: str
    source: Source
    loading: ModelLoading
    saes: tuple[SaeRef, ...]
    # Sentences worth showing in the header ("resolved from the repo id ...").
    notes: tuple[str, ...] = ()
    location: str = ""  # of a folder of SAEs, which its name alone does not tell apart
    # How many SAEs the whole release has, where only some are gated; 0: these are all.
    whole: int = 0

    @property
    def size(self) -> int:
        """How many SAEs the whole release has."""
        return max(self.whole, len(self.saes))


@dataclass(frozen=True)
class PositionSums:
    """Σ(x − c) per position, which explained variance of any range needs; c is `center`.

    Ordinary and massive tokens stand apart, so that both figures can be given.
    """

    ordinary_counts: FloatArray  # (C,) tokens
    ordinary_sums: FloatArray  # (C, d)
    massive_counts: FloatArray  # (C,)
    massive_sums: FloatArray  # (C, d); zero nearly everywhere


@dataclass(frozen=True)
class SaeTable:
    """What was measured on one SAE: dense arrays over (text, position), NaN where undefined.

    `columns` maps a name of the quantities table (docs/quantities.md) to a (texts, C) array:
    l0, l1, mse, norm, squared_distance (‖x − c‖²), ce_clean, ce_sae, kl, ce_zero, ce_mean.
    Position 0 and special tokens are NaN everywhere; the last position has no loss. `massive`
    marks tokens whose norm is far above the median. Tokens of one document are alike; documents
    are what is independent (`units`).
    """

    sae: SaeRef
    columns: dict[str, FloatArray]
    massive: BoolArray  # (texts, C)
    position_sums: PositionSums | None = None
    # Whether these are some of the texts that were measured; the position sums are of all.
    part: bool = False
    complete: bool = True  # whether all texts of the budget were measured
    # (texts, C) the document of each measured token, -1 elsewhere; None: each text is its own.
    documents: NDArray[np.int32] | None = None

    def keep(self, rows: slice | BoolArray) -> SaeTable:
        """Some of the texts."""
        return replace(
            self,
            columns={name: values[rows] for name, values in self.columns.items()},
            massive=self.massive[rows],
            documents=None if self.documents is None else self.documents[rows],
            part=True,
        )

    def keep_documents(self, which: BoolArray) -> SaeTable:
        """Some of the documents, (units,); tokens of the others are as if not measured."""
        index = self.units.index
        if index is None:
            return self.keep(which)
        kept = which[index]
        return replace(
            self,
            columns={n: np.where(kept, values, np.nan) for n, values in self.columns.items()},
            massive=self.massive & kept,
            documents=None if self.documents is None else np.where(kept, self.documents, -1),
            part=True,
        )

    @cached_property
    def units(self) -> Units:
        """The documents, or the texts where each is a document of its own."""
        return Units.of(self.documents, self.texts)

    @property
    def groups(self) -> IntArray:
        """(units,) the group of each document, 0 .. ITEM_GROUPS - 1."""
        return np.arange(self.units.count) % ITEM_GROUPS

    @property
    def texts(self) -> int:
        return int(self.massive.shape[0])

    @property
    def context(self) -> int:
        return int(self.massive.shape[1])


@dataclass(frozen=True)
class TaskRef:
    """One task, described but not loaded: everything that determines which items are measured."""

    name: str  # in reports and thresholds
    columns: frozenset[str]  # the item columns that it has: some tasks have no candidates
    version: str  # what its items are made of: a hub commit, or a hash
    items: int  # at most so many
    seed: int
    answer: AnswerScoring
    location: str = ""  # the file, data set or corpus that it is made of
    # A feature is active on an item where it is on any of this many last prompt tokens.
    feature_window: int = FEATURE_WINDOW
    made_by: str = ""  # a hash of the code that makes items of questions


@dataclass(frozen=True)
class FeatureTable:
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
    # The same counts for each of `ITEM_GROUPS` groups of items, of which intervals are made.
    group_items: IntArray  # (n, groups)
    group_score: IntArray  # (n, groups)


@dataclass(frozen=True)
class AblationTable:
    """What ablating single features does; a row per feature and item on which it is active."""

    feature: IntArray  # (n,)
    best: BoolArray  # (n,) whether the feature is one of the best by score, or one of the worst
    item: IntArray  # (n,) row of the item in the task's table
    delta_ln_p: FloatArray  # (n,) ln p(answer) spliced without the feature - ln p(answer) spliced
    asked: int = 0  # how many of the best, and how many of the worst, were asked for


@dataclass(frozen=True)
class TaskTable:
    """What was measured of one SAE on one task: arrays over items, NaN where undefined.

    `columns` maps a name of the items table (docs/quantities.md) to an (items,) array.
    """

    sae: SaeRef
    task: TaskRef
    columns: dict[str, FloatArray]
    prompt_tokens: IntArray  # (items,) tokens of the prompt, BOS included
    sources: tuple[str, ...]  # (items,) where each item comes from
    features: FeatureTable | None = None
    ablations: AblationTable | None = None
    # (items,) which of them share a document; None: none do. Clusters are what is independent.
    clusters: IntArray | None = None

    complete: bool = True  # whether all items of the budget were measured

    def keep(self, rows: slice | BoolArray) -> TaskTable:
        """Some of the items; what features do on them is not known apart, and left out."""
        which = np.arange(self.items)[rows]
        return replace(
            self,
            columns={name: values[rows] for name, values in self.columns.items()},
            prompt_tokens=self.prompt_tokens[rows],
            sources=tuple(self.sources[row] for row in which),
            features=None,
            ablations=None,
            clusters=None if self.clusters is None else self.clusters[rows],
        )

    @property
    def items(self) -> int:
        return len(self.sources)

    @property
    def groups(self) -> IntArray:
        """(items,) the group of each item, 0 .. ITEM_GROUPS - 1; a cluster's are of one group."""
        clusters = np.arange(self.items) if self.clusters is None else self.clusters
        return clusters % ITEM_GROUPS


@dataclass(frozen=True)
class Measurement:
    """All that was measured of a release in one setting, and what it was measured with."""

    release: Release
    context: int
    tables: dict[str, SaeTable]  # by SAE id
    failures: dict[str, str] = field(default_factory=dict)  # SAE id -> why it could not be measured
    manifest: dict[str, object] = field(default_factory=dict)
    # By task name, then by SAE id.
    tasks: dict[str, dict[str, TaskTable]] = field(default_factory=dict)
    # Task name -> why it could not be measured on any SAE.
    task_failures: dict[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every table has the whole budget."""
        of_tasks = (table for tables in self.tasks.values() for table in tables.values())
        return all(t.complete for t in self.tables.values()) and all(t.complete for t in of_tasks)
