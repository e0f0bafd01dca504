"""The one loop over a task's items: a clean pass per batch for all SAEs, a resumed one for each.

The unembedding runs where an answer is scored, and over whole prompts only where their losses are
asked for. Feature activations are looked at once, piece by piece, on their way from the encoder to
the decoder: no item × feature matrix is ever held.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from sae_checks.evals.tasks.batches import ItemBatch, batches
from sae_checks.evals.tasks.recorder import ItemRecorder
from sae_checks.evals.tasks.scores import prompt_losses, score_answers
from sae_checks.evals.tasks.table import TaskTable
from sae_checks.load.language_model import CleanPass, LanguageModel
from sae_checks.load.sae import LoadedSae
from sae_checks.load.tasks.items import Items
from sae_checks.measure.engine import Settings
from sae_checks.measure.pieces import batch_tokens
from sae_checks.measure.plan import ItemPlan
from sae_checks.measure.splice import splice
from sae_checks.records import TaskRef


def measure_items(
    model: LanguageModel,
    saes: Sequence[LoadedSae],
    task: TaskRef,
    items: Items,
    plan: ItemPlan,
    settings: Settings = Settings(),
    progress: Callable[[int], None] = lambda items_done: None,
) -> dict[str, TaskTable]:
    """Measure SAEs on the items of a task.

    Args:
        model: with the hook points of all SAEs bound.
        saes: the SAEs of one release, all at hook points of this model.
        task: which the items are of.
        items: what every SAE is asked.
        plan: which columns are needed; nothing else is computed.
        settings: what is replaced, and in which batches.
        progress: told after every SAE how many items it has seen more.

    Returns:
        A table per SAE id.
    """
    at_once = settings.batch_tokens or batch_tokens(model.device, model.width)
    hook_points = sorted({sae.ref.hook_point for sae in saes})
    recorders = {
        sae.ref.sae_id: ItemRecorder(sae.ref, task, items, plan, model.device) for sae in saes
    }
    for batch in batches(items, task.feature_window, at_once, model.device):
        clean = model.clean(batch.tokens, hook_points)
        unpatched = _scores(model, clean.final, batch, plan)
        for sae in saes:
            recorder = recorders[sae.ref.sae_id]
            recorder.record(batch.rows, _named("clean", unpatched))
            _measure_sae(model, sae, clean, batch, plan, settings, unpatched["ln_p"], recorder)
            progress(batch.count)
    return {sae_id: recorder.table() for sae_id, recorder in recorders.items()}


def _measure_sae(
    model: LanguageModel,
    sae: LoadedSae,
    clean: CleanPass,
    batch: ItemBatch,
    plan: ItemPlan,
    settings: Settings,
    clean_ln_p: Tensor,
    recorder: ItemRecorder,
) -> None:
    hook_point = sae.ref.hook_point
    spliced = splice(
        sae,
        clean.taps[hook_point],
        batch,
        replace_special=settings.replace_special,
        strength=plan.features,
    )
    recorder.record(batch.rows, spliced.means)
    final = model.resume(clean, hook_point, spliced.replacement)
    scores = _scores(model, final, batch, plan)
    recorder.record(batch.rows, _named("sae", scores))
    if spliced.strength is not None:
        recorder.features(batch.rows, spliced.strength, scores["ln_p"] - clean_ln_p)


def _scores(
    model: LanguageModel, final: Tensor, batch: ItemBatch, plan: ItemPlan
) -> dict[str, Tensor]:
    scores = score_answers(model, final, batch)
    if plan.prompt_losses:
        scores["ce"] = prompt_losses(model, final, batch)
    return scores


def _named(side: str, scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The scores under the names of their columns: clean_ln_p, ..., but prompt_ce_clean."""
    return {
        f"prompt_ce_{side}" if name == "ce" else f"{side}_{name}": values
        for name, values in scores.items()
    }
