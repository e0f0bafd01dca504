"""Made-up measurements on disk, so that the gate can be run in a second, without model or torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from sae_checks.records import ModelLoading, PositionSums, Release, SaeRef, SaeTable
from sae_checks.store import Provenance, Store

TRAINING_CONTEXT, CONTEXT, TEXTS, WIDTH = 16, 64, 12, 4
LOADING = ModelLoading("made-up")
COLUMNS = frozenset(
    {"l0", "l1", "mse", "norm", "squared_distance", "position_sums"}
    | {"ce_clean", "ce_sae", "kl", "ce_zero", "ce_mean"}
)
# ΔCE in nats by layer and position.
DeltaCe = Callable[[int, np.ndarray], np.ndarray]


def flat(layer: int, position: np.ndarray) -> np.ndarray:
    """An SAE that is as good past its training context as in it."""
    return np.full(position.shape, 0.1)


def broken_past_context(layer: int, position: np.ndarray) -> np.ndarray:
    """Layer 0 costs 3 nats past the training context, the others stay good."""
    past = position >= TRAINING_CONTEXT
    return np.where(past & (layer == 0), 3.0, 0.1)


def sae_ref(layer: int, training_context: int = TRAINING_CONTEXT) -> SaeRef:
    hook_point = f"blocks.{layer}.hook_resid_pre"
    return SaeRef(
        sae_id=hook_point,
        hook_point=hook_point,
        layer=layer,
        site="hook_resid_pre",
        training_context=training_context,
        d_in=WIDTH,
        d_sae=32,
        architecture="standard",
        loading=LOADING,
        location="nowhere",
        weights_key=f"made-up-{layer}",
        neuronpedia_id=f"made-up/{layer}-res",
    )


def sae_table(
    layer: int, delta_ce: DeltaCe = flat, texts: int = TEXTS, context: int = CONTEXT
) -> SaeTable:
    """A table whose ΔCE is known and whose other quantities are good throughout."""
    generator = np.random.default_rng(layer)
    x = generator.normal(size=(texts, context, WIDTH))
    position = np.broadcast_to(np.arange(context), (texts, context))
    delta = delta_ce(layer, position) + generator.normal(0, 0.01, (texts, context))
    ce_clean = generator.normal(4, 0.1, (texts, context))
    columns = {
        "l0": np.full((texts, context), 20.0),
        "l1": np.full((texts, context), 50.0),
        "mse": np.full((texts, context), 0.2),
        "norm": np.linalg.norm(x, axis=-1),
        "squared_distance": np.square(x).sum(-1),
        "ce_clean": ce_clean,
        "ce_sae": ce_clean + delta,
        "kl": np.abs(delta),
        "ce_zero": ce_clean + 8,
        "ce_mean": ce_clean + 6,
    }
    for name, values in columns.items():
        values[:, 0] = np.nan
        if name.startswith(("ce_", "kl")):
            values[:, -1] = np.nan
    # As written to disk and read back.
    columns = {
        name: values.astype(np.float32).astype(np.float64) for name, values in columns.items()
    }
    counts = np.full(context, float(texts))
    sums = x.sum(axis=0)
    counts[0], sums[0] = 0, 0
    nothing = np.zeros(context)
    position_sums = PositionSums(counts, sums, nothing, np.zeros_like(sums))
    return SaeTable(
        sae_ref(layer), columns, np.zeros((texts, context), dtype=np.bool_), position_sums
    )


def provenance(**changes: object) -> Provenance:
    settings: dict[str, object] = {
        "loading": LOADING,
        "model_version": "0",
        "corpus": "tales",
        "corpus_version": "0",
        "packing": "documents",
        "seed": 0,
        "tokens": TEXTS * CONTEXT,
        "context": CONTEXT,
        "replace_special": False,
        "device": "cpu",
        "dtype": "float32",
    }
    return Provenance(**{**settings, **changes})  # type: ignore[arg-type]


def write_measurement(
    root: Path,
    *,
    name: str = "made-up",
    delta_ce: DeltaCe = flat,
    layers: int = 2,
    failures: dict[int, str] | None = None,
    tables: dict[int, SaeTable] | None = None,
) -> Path:
    """Store a made-up release's measurement; returns what --sae-measurements takes."""
    failures, tables = failures or {}, tables or {}
    release = Release(name, "folder", LOADING, tuple(sae_ref(layer) for layer in range(layers)))
    store = Store(root, release, provenance())
    with store.lock():
        for layer in range(layers):
            if layer not in failures:
                store.write(tables.get(layer) or sae_table(layer, delta_ce), COLUMNS)
        reasons = {sae_ref(layer).sae_id: reason for layer, reason in failures.items()}
        store.write_manifest({"corpus": "tales", "texts": TEXTS}, reasons)
    return store.folder
