"""The records that pass from stage to stage: what a release is, and what was measured on it.

Everything here is frozen data without behaviour worth testing on its own, and imports neither
torch nor pytest, so that judging and reporting start in a moment.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

Source = Literal["directory", "folder", "hub", "demo", "stored"]


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
    neuronpedia_id: str | None = None


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
    marks tokens whose norm is far above the median.
    """

    sae: SaeRef
    columns: dict[str, FloatArray]
    massive: BoolArray  # (texts, C)
    position_sums: PositionSums | None = None

    @property
    def texts(self) -> int:
        return int(self.massive.shape[0])

    @property
    def context(self) -> int:
        return int(self.massive.shape[1])


@dataclass(frozen=True)
class Measurement:
    """All that was measured of a release in one setting, and what it was measured with."""

    release: Release
    context: int
    tables: dict[str, SaeTable]  # by SAE id
    failures: dict[str, str] = field(default_factory=dict)  # SAE id -> why it could not be measured
    manifest: dict[str, object] = field(default_factory=dict)
