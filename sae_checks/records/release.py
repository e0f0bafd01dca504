"""What is measured, described but not loaded: a release, its SAEs, positions, tasks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from sae_checks.records.declared import Declared

Source = Literal["directory", "folder", "hub", "demo", "stored"]
# Which tokens of an answer count: its first one, as in the study, or all of them.
AnswerScoring = Literal["first_token", "whole"]

FEATURE_WINDOW = 32  # last prompt tokens on which a feature counts as active; the study's own


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
    training_context: int | None  # tokens, BOS included; None where it is not declared
    d_in: int
    d_sae: int
    architecture: str
    loading: ModelLoading
    # Where the weights lie: a folder, or "repo_id:folder" on the hub.
    location: str
    # What the weights are: changes whenever a byte of them does.
    weights_key: str
    # What to measure on unasked; where the release declares none, what sae_lens's loader writes.
    dataset: str | None = None
    neuronpedia_id: str | None = None  # of its features' dashboards: "gpt2-small/0-res-jb"
    # A transcoder writes at another hook point than it reads; an SAE where it reads.
    hook_point_out: str | None = field(default=None, repr=False)
    width_out: int | None = field(default=None, repr=False)

    @property
    def writes(self) -> str:
        """The hook point where its reconstruction takes the activation's place."""
        return self.hook_point_out or self.hook_point

    @property
    def d_out(self) -> int:
        """The width of what it writes."""
        return self.width_out or self.d_in

    @property
    def is_transcoder(self) -> bool:
        """Whether it writes at another hook point than it reads."""
        return self.writes != self.hook_point

    @property
    def hooks(self) -> str:
        """Its hook point, or both: "blocks.0.hook_resid_mid->blocks.0.hook_mlp_out"."""
        return f"{self.hook_point}->{self.writes}" if self.is_transcoder else self.hook_point

    # To hold the measurement against; it tells no measurement from another, and so is in no name.
    declared: Declared = field(default=Declared(), repr=False)

    @property
    def trained_as(self) -> str:
        """The architecture that it was trained as; where none is declared, that it is saved as."""
        return self.declared.training_architecture or self.architecture

    def feature_link(self, feature: int) -> str | None:
        """Where a feature's dashboard is; None for an SAE that has none."""
        if self.neuronpedia_id is None:
            return None
        return f"https://www.neuronpedia.org/{self.neuronpedia_id}/{feature}"


def shortest_training_context(saes: Iterable[SaeRef]) -> int | None:
    """The shortest training context that any of some SAEs declares, in tokens; None: none does."""
    declared = [sae.training_context for sae in saes if sae.training_context is not None]
    return min(declared, default=None)


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
