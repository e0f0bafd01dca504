"""Trains a transcoder with sae_lens: it runs and saves them, but has no class that trains one.

A skip transcoder stands for an MLP: it reads what enters it, x, and writes what leaves it,

    y ≈ f(x) W_dec + b_dec + W_skip x,    f(x) = BatchTopK(x W_enc + b_enc).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from sae_lens import SAEConfig
from sae_lens.saes.batchtopk_sae import BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig
from sae_lens.saes.sae import TrainStepInput, TrainStepOutput
from sae_lens.saes.transcoder import JumpReLUSkipTranscoderConfig
from torch import Tensor, nn


@dataclass
class BatchTopKTranscoderConfig(BatchTopKTrainingSAEConfig):
    """Of a transcoder in training; it is saved as a JumpReLU skip transcoder."""

    d_out: int = 0
    apply_b_dec_to_input: bool = False  # b_dec belongs to what is written

    def get_inference_config_class(self) -> type[SAEConfig]:
        """That of what is saved."""
        return JumpReLUSkipTranscoderConfig


class BatchTopKTranscoder(BatchTopKTrainingSAE):
    """A skip transcoder for sae_lens's trainer.

    A row holds what is read and, behind it, what is to be written: [token, d_in + d_out].
    """

    cfg: BatchTopKTranscoderConfig

    def initialize_weights(self) -> None:
        """A decoder for what is written, and a skip term of zeros."""
        super().initialize_weights()
        shape = (self.cfg.d_sae, self.cfg.d_out)
        decoder = nn.functional.normalize(torch.randn(shape), dim=-1)
        self.W_dec = nn.Parameter(self.cfg.decoder_init_norm * decoder)
        self.b_dec = nn.Parameter(torch.zeros(self.cfg.d_out))
        self.W_skip = nn.Parameter(torch.zeros(self.cfg.d_out, self.cfg.d_in))

    def training_forward_pass(self, step_input: TrainStepInput) -> TrainStepOutput:
        """The squared error of what is written, and sae_lens's loss that revives dead features."""
        x, y = step_input.sae_in.split((self.cfg.d_in, self.cfg.d_out), dim=-1)
        features, hidden = self.encode_with_hidden_pre(x)  # [token, d_sae]
        written = self.decode(features) + x @ self.W_skip.T  # [token, d_out]
        of_output = replace(step_input, sae_in=y)
        losses = {
            "mse_loss": (written - y).square().sum(-1).mean(),
            **self.calculate_aux_loss(of_output, features, hidden, written),
        }
        self.update_topk_threshold(features)
        total = torch.stack(list(losses.values())).sum()
        return TrainStepOutput(y, written, features, hidden, total, losses)

    @torch.no_grad()
    def fold_output_scale(self, scale: float) -> None:
        """Undo that it was trained on outputs times a scale."""
        for weight in (self.W_dec, self.b_dec, self.W_skip):
            weight /= scale
        self.topk_threshold /= scale  # in units of a feature times the norm of its decoder row


def output_scale(y: Tensor) -> float:
    """What makes the mean norm of outputs [token, d_out] √d_out, which is how sae_lens scales."""
    return float(y.shape[-1] ** 0.5 / y.norm(dim=-1).mean())
