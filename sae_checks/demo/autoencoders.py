"""The demo's SAEs: standard L1 autoencoders that see nothing past a short context."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from sae_lens.config import SAETrainerConfig
from sae_lens.saes.sae import SAEMetadata
from sae_lens.saes.standard_sae import StandardTrainingSAE, StandardTrainingSAEConfig
from sae_lens.training.sae_trainer import SAETrainer
from torch import Tensor
from transformers import GPT2LMHeadModel

from sae_checks.demo.language_model import D_MODEL, encode
from sae_checks.demo.residual import read
from sae_checks.demo.stories import Story

SAE_CONTEXT = 64  # tokens, `<bos>` included; the model's own context is four times as long
D_SAE = 768
READ_AT_ONCE = 256  # stories per forward pass
# The weight of the L1 penalty per hook point, for activations scaled to a mean norm of
# sqrt(d_model): as sparse as each stream allows at a delta CE well under 0.05 nats.
L1_COEFFICIENTS = {
    "blocks.0.hook_resid_pre": 2.0,
    "blocks.1.hook_resid_pre": 1.5,
    "blocks.2.hook_resid_pre": 1.2,
    "blocks.3.hook_resid_pre": 1.2,
    "blocks.3.hook_resid_post": 1.2,
}


@dataclass(frozen=True)
class Effort:
    """How much one SAE is trained: stories read, Adam steps, and activations per step."""

    stories: int = 5000
    steps: int = 1600
    batch: int = 1024
    lr: float = 2e-3


def activations(model: GPT2LMHeadModel, hook_name: str, texts: list[Story]) -> Tensor:
    """The residual stream at positions 1 to 63 of every story, [token, d_model].

    Position 0 holds `<bos>`, whose activation is the same in every text and like no other, so it
    is left out, as `exclude_special_tokens` says in the SAE's metadata.
    """
    parts = []
    for start in range(0, len(texts), READ_AT_ONCE):
        tokens = encode(texts[start : start + READ_AT_ONCE], SAE_CONTEXT)  # [story, position]
        stream = read(model, hook_name, tokens)  # [story, position, d_model]
        parts.append(stream[:, 1:].reshape(-1, stream.shape[-1]))  # [token, d_model]
    return torch.cat(parts)


def batches(rows: Tensor, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Endless shuffled batches of rows [token, d_model]; each pass sees every row at most once."""
    if len(rows) < size:
        raise ValueError(f"{len(rows)} activations do not fill a batch of {size}")
    while True:
        order = torch.randperm(len(rows), generator=generator)  # [token]
        for start in range(0, len(rows) - size + 1, size):
            yield rows[order[start : start + size]]  # [size, d_model]


def metadata(hook_name: str) -> SAEMetadata:
    """What a reader of the SAE has to know to run it where it was trained."""
    return SAEMetadata(
        model_name="tales",
        model_class_name="HookedTransformer",
        hook_name=hook_name,
        hook_head_index=None,
        context_size=SAE_CONTEXT,
        prepend_bos=True,
        dataset_path="tales",
        model_from_pretrained_kwargs={},
        exclude_special_tokens=True,
    )


def train_sae(
    model: GPT2LMHeadModel,
    hook_name: str,
    source: Iterator[Story],
    seed: int,
    effort: Effort,
) -> StandardTrainingSAE:
    """Train one SAE with the trainer of sae_lens; the scaling of its input is folded back in."""
    started = time.monotonic()
    rows = activations(model, hook_name, list(islice(source, effort.stories)))  # [token, d_model]
    torch.manual_seed(seed)
    sae = StandardTrainingSAE(
        StandardTrainingSAEConfig(
            d_in=D_MODEL,
            d_sae=D_SAE,
            normalize_activations="expected_average_only_in",
            l1_coefficient=L1_COEFFICIENTS[hook_name],
            l1_warm_up_steps=effort.steps // 10,
            metadata=metadata(hook_name),
        )
    )
    trainer = SAETrainer(
        cfg=SAETrainerConfig(
            total_training_samples=effort.steps * effort.batch,
            train_batch_size_samples=effort.batch,
            lr=effort.lr,
            lr_end=effort.lr / 10,
            lr_warm_up_steps=effort.steps // 20,
            lr_decay_steps=effort.steps // 3,
            n_batches_for_norm_estimate=50,
            # The L0 in the metadata is that of the last quarter, not of the dense beginnings.
            feature_sampling_window=max(1, effort.steps // 4),
        ),
        sae=sae,
        data_provider=batches(rows, effort.batch, torch.Generator().manual_seed(seed)),
    )
    trainer.fit()
    sae.fold_W_dec_norm()
    elapsed = time.monotonic() - started
    print(f"{hook_name:26}  {effort.steps} steps  {elapsed:5.0f} s", flush=True)
    return sae


def save_sae(sae: StandardTrainingSAE, folder: Path) -> None:
    """Write the inference SAE in the format of sae_lens: settings and weights."""
    sae.save_inference_model(folder)
