"""Causes, not only correlations: what the answers lose or gain without a single feature.

A feature is taken out of the spliced model on the items on which it is active, and nowhere else:
one resumed pass over its own items, packed with those of other features into full batches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sae_checks.evals.tasks.features import best_and_worst
from sae_checks.evals.tasks.scores import score_answers
from sae_checks.evals.tasks.table import AblationTable, TaskTable
from sae_checks.load.language_model import CleanPass, LanguageModel
from sae_checks.load.sae import LoadedSae
from sae_checks.measure.items import ItemBatch, ItemDataset
from sae_checks.measure.loaded import SaeSource
from sae_checks.measure.pass_options import PassOptions
from sae_checks.measure.pieces import spans
from sae_checks.measure.splice import reconstruct, replaced
from sae_checks.records import FloatArray, IntArray, SaeRef


@dataclass(frozen=True)
class Chosen:
    """The features of one SAE that are ablated, and what the answers are worth with them."""

    best: tuple[int, ...]
    worst: tuple[int, ...]
    sae_ln_p: FloatArray  # (items,) of the spliced model with all features

    @property
    def features(self) -> tuple[int, ...]:
        return (*self.best, *self.worst)


def choose(table: TaskTable, count: int) -> Chosen:
    """The `count` best and the `count` worst features of an SAE; none of one that is broken."""
    sae_ln_p = table.columns["sae_ln_p"]
    if not np.isfinite(sae_ln_p - table.columns["clean_ln_p"]).all():
        return Chosen((), (), sae_ln_p)
    assert table.features is not None, "features are scored before they are ablated"
    best, worst = best_and_worst(table, count)
    of = table.features.feature
    return Chosen(tuple(of[best].tolist()), tuple(of[worst].tolist()), sae_ln_p)


def ablate(
    model: LanguageModel,
    source: SaeSource,
    saes: Sequence[SaeRef],
    dataset: ItemDataset,
    units: IntArray,
    chosen: Mapping[str, Chosen],
    settings: PassOptions = PassOptions(),
    progress: Callable[[int], None] = lambda items_done: None,
) -> dict[str, AblationTable]:
    """Ablate features one at a time, each on the items on which it is active.

    Args:
        model: with the hook points of all SAEs bound.
        source: where SAEs come from.
        saes: those to ablate features of.
        dataset: the task's items.
        units: which of them, in rising order.
        chosen: by SAE id.
        settings: as for the measurement that `sae_ln_p` comes from.
        progress: told after every SAE how many items it has seen more.

    Returns:
        A table per SAE id, with a row per feature and item.
    """
    some = [sae for sae in saes if chosen[sae.sae_id].features]
    hook_points = sorted({at for sae in some for at in (sae.hook_point, sae.writes)})
    rows: dict[str, list[tuple[Tensor, Tensor, Tensor]]] = {sae.sae_id: [] for sae in saes}
    batches = dataset.batches(dataset.by_length(units), model, settings) if some else ()
    for batch in batches:
        clean = model.clean(batch.tokens, hook_points)
        one = _Batch(model, dataset, batch, clean, settings)
        for ref in some:
            rows[ref.sae_id] += one.ablate(source.get(ref), chosen[ref.sae_id])
            progress(batch.count)
    return {sae_id: _table(chosen[sae_id], rows[sae_id]) for sae_id in rows}


@dataclass(frozen=True)
class Watched:
    """What an SAE makes of a batch, and single features of it token by token."""

    replacement: Tensor  # (B, T, d_out)
    activations: Tensor  # (B, T, k); 0 where a token keeps its activation


@torch.inference_mode()
def watch(
    sae: LoadedSae,
    x: Tensor,
    batch: ItemBatch,
    features: Sequence[int],
    written: Tensor | None = None,
) -> Watched:
    """Splice an SAE into a batch's activations (B, T, d), with an eye on some features.

    `x` is what it reads, `written` what stands where it writes; they are the same without it.
    """
    written = x if written is None else written
    seen = torch.zeros(*x.shape[:2], len(features), device=x.device)

    def see(piece: tuple[Any, Any], activations: Tensor) -> None:
        seen[piece] = activations[..., list(features)].float()

    reconstruction = reconstruct(sae, x, batch, [see], written)
    seen *= batch.replaced.unsqueeze(-1)
    return Watched(replaced(batch, written, reconstruction), seen)


@dataclass(frozen=True)
class _Batch:
    """One batch of items, and the clean pass over it."""

    model: LanguageModel
    dataset: ItemDataset
    batch: ItemBatch
    clean: CleanPass
    settings: PassOptions

    @torch.inference_mode()
    def ablate(self, sae: LoadedSae, chosen: Chosen) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Which of the chosen features, which item, its ln p without the feature; (n,) each."""
        hook_point, batch = sae.ref.writes, self.batch
        x = self.clean.taps[sae.ref.hook_point]
        watched = watch(sae, x, batch, chosen.features, self.clean.taps[hook_point])
        active = (watched.activations != 0) & batch.window.unsqueeze(-1)  # (B, T, k)
        item, which = active.any(dim=1).nonzero().unbind(-1)  # (n,) each
        found = []
        for piece in spans(len(item), batch.count):
            units = batch.units[item[piece].cpu().numpy()]
            few = self.dataset.batch(units, 0, x.device)
            replacement = without_features(
                sae, x, watched, item[piece], which[piece], chosen.features
            )
            clean = _pass_of(self.clean, hook_point, item[piece])
            final = self.model.resume(clean, hook_point, replacement)
            ln_p = score_answers(self.model, final, few).of_items["ln_p"]
            found.append((which[piece].cpu(), torch.from_numpy(units), ln_p))
        return found


def without_features(
    sae: LoadedSae,
    x: Tensor,
    watched: Watched,
    item: Tensor,
    which: Tensor,
    features: Sequence[int],
) -> Tensor:
    """The replacement of some items, each without one feature.

    What a feature adds to the reconstruction is decode(f) - decode(f with that feature at 0), on
    the tokens where it is active; all other tokens stay as they are, to the bit.

    Args:
        sae: whose features they are.
        x: (B, T, d_in), the clean activation that it reads.
        watched: what the SAE made of it, and these features.
        item: (n,) rows of the batch.
        which: (n,) index into `features`, for each of them.
        features: those watched.

    Returns:
        (n, T, d_out).
    """
    replacement = watched.replacement[item].clone()  # (n, T, d)
    on = watched.activations[item, :, which] != 0  # (n, T)
    for row in on.any(dim=-1).nonzero().flatten().tolist():
        tokens = on[row].nonzero().flatten()  # (m,)
        # Where a token's features depend on the ones before it, all are encoded.
        seen = slice(int(tokens[-1]) + 1) if sae.sequence_aware else tokens
        here = x[item[row], seen]  # (m, d_in)
        # Both at once: what an SAE scales its input by, it remembers for one decoding.
        both = sae.encode(here.unsqueeze(0)).repeat(2, 1, 1)  # (2, m, d_sae)
        both[1, :, features[int(which[row])]] = 0
        whole, less = sae.decode(both)  # (m, d_out) each
        removed = whole - less
        if sae.sequence_aware:
            removed = removed[tokens]
        replacement[row, tokens] -= removed.to(replacement.dtype)
    return replacement


def _pass_of(clean: CleanPass, hook_point: str, item: Tensor) -> CleanPass:
    """The clean pass of some rows, one of them perhaps several times, as resuming needs it."""
    return CleanPass(
        tokens=clean.tokens[item],
        taps={hook_point: clean.taps[hook_point][item]},
        block_inputs={block: entered[item] for block, entered in clean.block_inputs.items()},
        final=clean.final[:0],
    )


def _table(chosen: Chosen, rows: list[tuple[Tensor, Tensor, Tensor]]) -> AblationTable:
    nothing = (torch.empty(0, dtype=torch.long), torch.empty(0, dtype=torch.long), torch.empty(0))
    which, item, ln_p = (
        torch.cat(parts).numpy() for parts in zip(*(rows or [nothing]), strict=True)
    )
    order = np.lexsort((item, which))
    which, item, ln_p = which[order], item[order], ln_p[order].astype(np.float64)
    return AblationTable(
        feature=np.array(chosen.features, dtype=np.int64)[which],
        best=which < len(chosen.best),
        item=item,
        delta_ln_p=ln_p - chosen.sae_ln_p[item],
    )
