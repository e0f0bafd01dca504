"""Causes, not only correlations: what the answers lose or gain without a single feature.

A feature is taken out of the spliced model on the items on which it is active, and nowhere else:
one resumed pass over its own items, packed with those of other features into full batches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sae_checks.evals.tasks.batches import ItemBatch, batches, make_batch
from sae_checks.evals.tasks.features import best_and_worst
from sae_checks.evals.tasks.scores import score_answers
from sae_checks.evals.tasks.table import AblationTable, TaskTable
from sae_checks.load.language_model import CleanPass, LanguageModel
from sae_checks.load.sae import LoadedSae
from sae_checks.load.tasks.items import Items
from sae_checks.measure.engine import Settings
from sae_checks.measure.pieces import batch_tokens, spans
from sae_checks.measure.splice import Splice, splice
from sae_checks.records import FloatArray


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
    saes: Sequence[LoadedSae],
    items: Items,
    window: int,
    chosen: Mapping[str, Chosen],
    settings: Settings = Settings(),
    progress: Callable[[int], None] = lambda items_done: None,
) -> dict[str, AblationTable]:
    """Ablate features one at a time, each on the items on which it is active.

    Args:
        model: with the hook points of all SAEs bound.
        saes: those to ablate features of.
        items: the task's items.
        window: how many of the last prompt tokens features are looked for on.
        chosen: by SAE id.
        settings: as for the measurement that `sae_ln_p` comes from.
        progress: told after every SAE how many items it has seen more.

    Returns:
        A table per SAE id, with a row per feature and item.
    """
    at_once = settings.batch_tokens or batch_tokens(model.device, model.width)
    some = [sae for sae in saes if chosen[sae.ref.sae_id].features]
    hook_points = sorted({sae.ref.hook_point for sae in some})
    rows: dict[str, list[tuple[Tensor, Tensor, Tensor]]] = {sae.ref.sae_id: [] for sae in saes}
    for batch in batches(items, window, at_once, model.device) if some else ():
        clean = model.clean(batch.tokens, hook_points)
        for sae in some:
            of_sae = chosen[sae.ref.sae_id]
            rows[sae.ref.sae_id] += _ablate_batch(model, sae, clean, items, batch, of_sae, settings)
            progress(batch.count)
    return {sae_id: _table(chosen[sae_id], rows[sae_id]) for sae_id in rows}


@torch.inference_mode()
def _ablate_batch(
    model: LanguageModel,
    sae: LoadedSae,
    clean: CleanPass,
    items: Items,
    batch: ItemBatch,
    chosen: Chosen,
    settings: Settings,
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Which of the chosen features, which item, and its ln p without the feature; (n,) each."""
    hook_point = sae.ref.hook_point
    x = clean.taps[hook_point]
    spliced = splice(sae, x, batch, replace_special=settings.replace_special, watch=chosen.features)
    assert spliced.watched is not None, "features are watched where some are chosen"
    active = (spliced.watched != 0) & batch.window.unsqueeze(-1)  # (B, T, k)
    item, which = active.any(dim=1).nonzero().unbind(-1)  # (n,) each
    found = []
    for piece in spans(len(item), batch.count):
        few = make_batch(items, batch.rows[item[piece].cpu().numpy()], 0, x.device)
        replacement = without_features(sae, x, spliced, item[piece], which[piece], chosen.features)
        final = model.resume(_pass_of(clean, hook_point, item[piece]), hook_point, replacement)
        ln_p = score_answers(model, final, few)["ln_p"]
        found.append((which[piece].cpu(), torch.from_numpy(few.rows), ln_p))
    return found


def without_features(
    sae: LoadedSae,
    x: Tensor,
    spliced: Splice,
    item: Tensor,
    which: Tensor,
    features: Sequence[int],
) -> Tensor:
    """The replacement of some items, each without one feature.

    What a feature adds to the reconstruction is decode(f) - decode(f with that feature at 0), on
    the tokens where it is active; all other tokens stay as they are, to the bit.

    Args:
        sae: whose features they are.
        x: (B, T, d), the clean activation.
        spliced: what the SAE made of it, with these features watched.
        item: (n,) rows of the batch.
        which: (n,) index into `features`, for each of them.
        features: those watched.

    Returns:
        (n, T, d).
    """
    assert spliced.watched is not None, "the features have to be watched"
    replacement = spliced.replacement[item].clone()  # (n, T, d)
    on = spliced.watched[item, :, which] != 0  # (n, T)
    for row in on.any(dim=-1).nonzero().flatten().tolist():
        tokens = on[row].nonzero().flatten()  # (m,)
        # Where a token's features depend on the ones before it, all are encoded.
        seen = slice(int(tokens[-1]) + 1) if sae.sequence_aware else tokens
        here = x[item[row], seen]  # (m, d)
        # Both at once: what an SAE scales its input by, it remembers for one decoding.
        both = sae.encode(here.unsqueeze(0)).repeat(2, 1, 1)  # (2, m, d_sae)
        both[1, :, features[int(which[row])]] = 0
        whole, less = sae.decode(both)  # (m, d) each
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
