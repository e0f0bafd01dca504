"""What final hidden states say of a batch's answers, and of the prompts' own next tokens."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sae_checks.load.language_model import LanguageModel
from sae_checks.measure import metrics
from sae_checks.measure.items import ItemBatch
from sae_checks.measure.pieces import spans, tokens_at_once


@dataclass(frozen=True)
class AnswerScores:
    """What a batch's answers score.

    Attributes:
        of_items: `ln_p`, `rank`, and where the items have candidates `candidate_right` (1 or 0),
            and where they have two `logit_difference`: each (B,) float64 on the CPU.
        losses: (n,) -ln p of each answer token, in the order of `ItemBatch.answer_places`.
    """

    of_items: dict[str, Tensor]
    losses: Tensor


@torch.inference_mode()
def score_answers(model: LanguageModel, final: Tensor, batch: ItemBatch) -> AnswerScores:
    """Each answer's ln p and rank, and how it stands among its candidates.

    Of an answer of several tokens, ln p is their sum, and its rank the worst of theirs: it is
    right where every token is the arg-max. Candidates are compared by their first tokens.

    Args:
        model: whose unembedding is run, at the answers' positions only.
        final: (B, T, d_model), final hidden states.
        batch: the items.
    """
    item, position = batch.answer_places.unbind(-1)
    log_p = metrics.log_probabilities(model.unembed(final[item, position]))  # (n, V)
    losses = metrics.cross_entropy(log_p, batch.answer_targets)
    ln_p = -losses.double()
    ranks = metrics.rank(log_p, batch.answer_targets)
    found = {
        "ln_p": torch.zeros(batch.count, dtype=torch.float64).index_add_(0, item.cpu(), ln_p.cpu()),
        "rank": _worst(ranks.cpu(), item.cpu(), batch.count),
    }
    if batch.candidates is not None:
        margin = metrics.margin(log_p[batch.first_answers], batch.candidates).cpu()  # (B,)
        right = torch.where(margin.isnan(), torch.nan, (margin > 0).double())
        found["candidate_right"] = right
        if batch.candidates.shape[1] == 2:
            found["logit_difference"] = margin
    return AnswerScores(found, losses)


@torch.inference_mode()
def prompt_losses(model: LanguageModel, final: Tensor, batch: ItemBatch) -> Tensor:
    """(n,) −ln p(next token) of the prompts' measured tokens but the last, at `prompt_places`.

    A prompt's last token predicts the answer, which is scored by itself.
    """
    places, targets = batch.prompt_places()
    item, position = places.unbind(-1)
    losses = torch.empty(len(places), device=final.device)
    for piece in spans(len(places), tokens_at_once(model.vocabulary)):
        logits = model.unembed(final[item[piece], position[piece]])
        losses[piece] = metrics.cross_entropy(metrics.log_probabilities(logits), targets[piece])
    return losses


def mean_per_item(values: Tensor, item: Tensor, count: int) -> Tensor:
    """(count,) float64 on the CPU: the mean of values (N,) over each item's tokens; NaN of none."""
    where = item.cpu()
    sums = torch.zeros(count, dtype=torch.float64).index_add_(0, where, values.double().cpu())
    return sums / torch.bincount(where, minlength=count)


def _worst(ranks: Tensor, item: Tensor, count: int) -> Tensor:
    """(count,) the largest rank of each item's tokens; NaN where one of them is."""
    worst = torch.zeros(count, dtype=torch.float64)
    return worst.scatter_reduce_(0, item, ranks, reduce="amax")
