"""Zero and mean ablation: the floors against which recovered cross-entropy and KL are measured.

Replace a whole residual stream by one constant and the rest of the network sees no tokens at all:
its prediction is the same at every position of every text. One short pass finds that, and then a
floor costs a look-up per token. At other sites (MLP, attention) the pass is resumed per batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sae_checks.load.language_model import CleanPass, LanguageModel
from sae_checks.measure import metrics
from sae_checks.measure.calibration import Calibration
from sae_checks.resolve.model_order import is_residual_stream

# Tokens of the short pass: enough to see whether the prediction depends on the position.
_SHORT = 16
# Final hidden states count as equal at all positions up to rounding.
_EQUAL = 1e-4


@dataclass(frozen=True)
class Floor:
    """One ablation at one hook point: every token's activation replaced by one constant."""

    column: str  # ce_zero or ce_mean
    model: LanguageModel
    hook_point: str
    constant: Tensor  # (d,)
    log_probabilities: Tensor | None  # (V,) where the prediction is the same everywhere

    def final(self, clean: CleanPass) -> Tensor | None:
        """Final hidden states (B, T, d_model) under the ablation; None where they are known."""
        if self.log_probabilities is not None:
            return None
        tap = clean.taps[self.hook_point]
        return self.model.resume(clean, self.hook_point, self.constant.to(tap.dtype).expand_as(tap))

    def losses(
        self,
        final: Tensor | None,
        text: Tensor,
        position: Tensor,
        target: Tensor,
        kl_from: metrics.LossBaseline | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """On the tokens at (text, position), each index (N,): the loss (N,) in nats.

        And KL(p_clean ‖ p_ablated), (N,) in nats, where the clean prediction on them is given.
        """
        known = self.log_probabilities
        if known is not None:
            kl = None if kl_from is None else metrics.kl_to_constant(kl_from, known)
            return -known[target], kl
        if final is None:
            raise ValueError(
                "an ablation whose prediction depends on the tokens needs its resumed pass"
            )
        log_p = metrics.log_probabilities(self.model.unembed(final[text, position]))  # (N, V)
        loss = metrics.cross_entropy(log_p, target)
        return loss, None if kl_from is None else metrics.kl_divergence(kl_from, log_p)


def prepare_floors(
    model: LanguageModel,
    calibrations: Mapping[str, Calibration],
    columns: Sequence[str],
    tokens: Tensor,
) -> dict[str, list[Floor]]:
    """The floors of these columns, by hook point; `tokens` (B, T) are any that the model reads."""
    if not columns:
        return {hook_point: [] for hook_point in calibrations}
    tokens = tokens[:1, :_SHORT].to(model.device)  # (1, t)
    clean = model.clean(tokens, list(calibrations))
    return {
        hook_point: [
            _prepare(model, clean, column, hook_point, calibration.ablation(column))
            for column in columns
        ]
        for hook_point, calibration in calibrations.items()
    }


@torch.inference_mode()
def _prepare(
    model: LanguageModel, clean: CleanPass, column: str, hook_point: str, constant: Tensor
) -> Floor:
    log_probabilities = None
    if is_residual_stream(hook_point):
        tap = clean.taps[hook_point]
        final = model.resume(clean, hook_point, constant.to(tap.dtype).expand_as(tap))
        # Tried, not taken for granted: attention sinks learnt by some models count positions.
        spread = (final - final[:, :1]).abs().max()
        if spread <= _EQUAL * final.abs().max().clamp(min=1.0):
            log_probabilities = model.unembed(final[0, 0]).log_softmax(dim=-1)  # (V,)
    return Floor(column, model, hook_point, constant, log_probabilities)
