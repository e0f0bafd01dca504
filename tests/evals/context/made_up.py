"""Tables of texts by hand, and cells on them."""

from __future__ import annotations

import numpy as np

from sae_checks.evals.context.cells import Cell
from sae_checks.evals.context.table import ContextTable, PositionSums
from sae_checks.judge.thresholds import CheckLimits, Limit, Override, Thresholds
from sae_checks.records import ModelLoading, PositionRange, SaeRef
from tests.places import cell_on_texts, where

THRESHOLDS = Thresholds(
    checks={
        "delta_ce": CheckLimits(
            Limit("nats", max=0.5),
            (
                Override(where(positions=PositionRange(1, 3)), max=0.9),
                Override(where(layer=(7,)), max=0.1),
            ),
        ),
        "delta_ce_growth": CheckLimits(Limit("times", max=2.0, parameters=(("floor", 0.02),))),
    }
)


def sae(layer: int = 3, training_context: int | None = 4) -> SaeRef:
    return SaeRef(
        sae_id=f"blocks.{layer}.hook_resid_pre",
        hook_point=f"blocks.{layer}.hook_resid_pre",
        layer=layer,
        site="hook_resid_pre",
        training_context=training_context,
        d_in=8,
        d_sae=16,
        architecture="standard",
        loading=ModelLoading("tiny"),
        location="nowhere",
        weights_key="0",
    )


def table(ref: SaeRef | None = None, massive=(), **columns) -> ContextTable:
    """Columns (texts, C) as measured: position 0 is NaN, and losses have no last position."""
    arrays = {name: np.array(values, dtype=float) for name, values in columns.items()}
    shape = next(iter(arrays.values())).shape
    arrays.setdefault("norm", np.ones(shape))
    for name, array in arrays.items():
        array[:, 0] = np.nan
        if name.startswith("ce_") or name == "kl":
            array[:, -1] = np.nan
    flags = np.zeros(shape, dtype=bool)
    for text, position in massive:
        flags[text, position] = True
    return ContextTable.of(ref or sae(), arrays, flags)


def cell(
    measured: ContextTable, positions: str = "1:3", kind="in_context", check="delta_ce"
) -> Cell:
    first, last = map(int, positions.split(":"))
    return cell_on_texts(
        "tiny-release", measured, kind, PositionRange(first, last), check, THRESHOLDS
    )


def activations(seed: int, texts: int = 6, context: int = 10, width: int = 8):
    """x, x̂ and a table made of them as measuring does, with a few massive and special tokens."""
    rng = np.random.default_rng(seed)
    x = rng.normal(3, 1, (texts, context, width)) * rng.uniform(0.5, 2, (texts, 1, 1))
    x[0, 2] *= 50
    x[3, 5] *= 80
    decoded = x + rng.normal(0, 0.4, x.shape)
    measured = np.ones((texts, context), dtype=bool)
    measured[:, 0] = measured[2, 4] = False
    massive = np.zeros_like(measured)
    massive[0, 2] = massive[3, 5] = True
    center = rng.normal(2, 1, width)

    def column(values):
        return np.where(measured, values, np.nan)

    def sums(mask):
        return mask.sum(0).astype(float), ((x - center) * mask[..., None]).sum(0)

    of_table = ContextTable.of(
        sae(),
        {
            "norm": column(np.linalg.norm(x, axis=-1)),
            "mse": column(((x - decoded) ** 2).sum(-1)),
            "squared_distance": column(((x - center) ** 2).sum(-1)),
        },
        massive,
        PositionSums(*sums(measured & ~massive), *sums(measured & massive)),
    )
    return x, decoded, measured, massive, of_table
