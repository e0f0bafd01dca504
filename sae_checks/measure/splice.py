"""One SAE on one batch of items: each token encoded once, from the clean activation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sae_checks.evals.tasks.batches import ItemBatch
from sae_checks.load.sae import LoadedSae
from sae_checks.measure import metrics
from sae_checks.measure.pieces import spans, tokens_at_once


@dataclass(frozen=True)
class Splice:
    """What an SAE makes of the activations of a batch."""

    replacement: Tensor  # (B, T, d): reconstructions where tokens are replaced, else the activation
    means: dict[str, Tensor]  # prompt_l0, ... -> (B,) float64, over the prompt's measured tokens
    # (B, d_sae): the mean of |f| over the last prompt tokens; None where not asked for.
    strength: Tensor | None
    # (B, T, k): activations of the features watched; 0 where a token keeps its activation.
    watched: Tensor | None = None


@torch.inference_mode()
def splice(
    sae: LoadedSae,
    x: Tensor,
    batch: ItemBatch,
    *,
    replace_special: bool,
    strength: bool = False,
    watch: Sequence[int] = (),
) -> Splice:
    """Encode and decode the activations of a batch, piece by piece.

    Padding is left out, and so are special tokens where they keep their activation.

    Args:
        sae: at whose hook point the activations were read.
        x: (B, T, d), unpatched.
        batch: the items.
        replace_special: whether BOS and its like are replaced too.
        strength: whether the features' strength on each item is wanted.
        watch: features whose activations are wanted token by token.
    """
    replaced = batch.fed if replace_special else batch.fed & ~batch.special
    # A token's features may depend on the ones before it, special or not.
    encoded = batch.fed if sae.sequence_aware else replaced
    item, position = encoded.nonzero().unbind(-1)  # (N,) each, an item's tokens in a row
    flat = x[item, position]  # (N, d)
    rebuilt = torch.empty_like(flat)
    window = batch.window.float() / batch.window.sum(dim=-1, keepdim=True).clamp(min=1)
    totals = torch.zeros(batch.count, sae.ref.d_sae, device=x.device) if strength else None
    l0, l1 = torch.empty(2, len(flat), device=x.device)
    watched = torch.zeros(*x.shape[:2], len(watch), device=x.device) if watch else None
    for piece in _pieces(sae, batch, item):
        features, decoded = _reconstruct(sae, flat[piece])  # (n, d_sae), (n, d)
        rebuilt[piece] = decoded.to(x.dtype)
        l0[piece], l1[piece] = metrics.l0(features), metrics.l1(features)
        if watched is not None:
            watched[item[piece], position[piece]] = features[:, list(watch)].float()
        if totals is not None:
            # Summed over each item's tokens as one product of matrices: (b, n) @ (n, d_sae), b
            # being the few items, one after the other, that the piece is of.
            here = slice(int(item[piece][0]), int(item[piece][-1]) + 1)
            weights = _one_hot(item[piece], here) * window[item[piece], position[piece]]
            totals[here] += weights @ features.float().abs_()
    per_token = {
        "prompt_l0": l0,
        "prompt_l1": l1,
        "prompt_mse": metrics.squared_distance(flat, rebuilt),
        "prompt_norm": metrics.norm(flat),
    }
    counted = batch.measured[item, position]
    means = {
        name: mean_per_item(values[counted], item[counted], batch.count)
        for name, values in per_token.items()
    }
    replacement = x.clone()
    if watched is not None:
        watched *= replaced.unsqueeze(-1)
    put = replaced[item, position]
    replacement[item[put], position[put]] = rebuilt[put]
    return Splice(replacement, means, totals, watched)


def mean_per_item(values: Tensor, item: Tensor, count: int) -> Tensor:
    """(count,) float64 on the CPU: the mean of values (N,) over each item's tokens; NaN of none."""
    where = item.cpu()
    sums = torch.zeros(count, dtype=torch.float64).index_add_(0, where, values.double().cpu())
    return sums / torch.bincount(where, minlength=count)


def _reconstruct(sae: LoadedSae, x: Tensor) -> tuple[Tensor, Tensor]:
    if not sae.sequence_aware:
        return sae.reconstruct(x)
    features, decoded = sae.reconstruct(x.unsqueeze(0))  # as the text that it is
    return features.squeeze(0), decoded.squeeze(0)


def _pieces(sae: LoadedSae, batch: ItemBatch, item: Tensor) -> Iterator[slice]:
    """Pieces of the batch's tokens; whole items where a token's features depend on earlier ones."""
    if not sae.sequence_aware:
        yield from spans(len(item), tokens_at_once(sae.ref.d_sae))
        return
    ends = torch.bincount(item, minlength=batch.count).cumsum(0).tolist()
    for start, end in zip([0, *ends], ends, strict=False):
        yield slice(start, end)


def _one_hot(item: Tensor, items: slice) -> Tensor:
    """(b, n): which of some items each token is of."""
    rows = torch.arange(items.start, items.stop, device=item.device)
    return (item == rows.unsqueeze(-1)).float()
