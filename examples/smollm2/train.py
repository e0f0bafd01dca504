"""Train a small release on SmolLM2-135M: python examples/smollm2/train.py --out DIR

Three SAEs and a transcoder. Writes DIR/model (the language model), DIR/saes (a folder for each),
and DIR/held_out.jsonl (the help topics that were not trained on).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from activations import collect, training_tokens, write_held_out
from hook_points import DICTIONARIES, Dictionary
from model import load_model, write_model
from sae_lens.config import SAETrainerConfig
from sae_lens.saes.batchtopk_sae import BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig
from sae_lens.saes.sae import SAEMetadata
from sae_lens.training.sae_trainer import SAETrainer
from torch import Tensor
from transcoder import BatchTopKTranscoder, BatchTopKTranscoderConfig, output_scale

SEED = 0


@dataclass(frozen=True)
class Effort:
    """How much each is trained."""

    features: int
    active: int  # features active per token, on the mean of a batch
    steps: int
    batch: int  # activations per step
    lr: float = 2e-3


def batches(rows: Tensor, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Endless shuffled batches of rows [token, d_model]; each pass sees every row at most once."""
    if len(rows) < size:
        raise SystemExit(
            f"{len(rows):,} activations do not fill a batch of {size:,}: raise --tokens"
        )
    while True:
        order = torch.randperm(len(rows), generator=generator)  # [token]
        for start in range(0, len(rows) - size + 1, size):
            yield rows[order[start : start + size]]  # [size, d_model]


def metadata(dictionary: Dictionary, context: int) -> SAEMetadata:
    """What a reader of it has to know to run it where it was trained."""
    where = {"hook_name": dictionary.reads, "hook_head_index": None}
    if dictionary.writes:
        where["hook_name_out"] = dictionary.writes
    return SAEMetadata(
        model_name="HuggingFaceTB/SmolLM2-135M-Instruct",
        model_class_name="HookedTransformer",
        context_size=context,
        prepend_bos=True,
        dataset_path="pydoc",
        model_from_pretrained_kwargs={},
        exclude_special_tokens=True,
        **where,
    )


def settings(described: SAEMetadata, effort: Effort, d_in: int) -> dict[str, Any]:
    """What SAEs and transcoders are configured by alike."""
    return {
        "d_in": d_in,
        "d_sae": effort.features,
        "k": effort.active,
        # The threshold of what is saved is a running mean over steps. At sae_lens's rate of 0.01
        # the first, far too low ones would still weigh in after a few hundred steps.
        "topk_threshold_lr": 0.05,
        "metadata": described,
    }


def train_sae(x: Tensor, described: SAEMetadata, effort: Effort) -> BatchTopKTrainingSAE:
    """Train an SAE on activations [token, d]."""
    heads = described.hook_name.endswith("hook_z")
    config = BatchTopKTrainingSAEConfig(
        **settings(described, effort, x.shape[-1]),
        normalize_activations="expected_average_only_in",
        reshape_activations="hook_z" if heads else "none",
    )
    sae = BatchTopKTrainingSAE(config)
    fit(sae, x, effort)
    return sae


def train_transcoder(
    x: Tensor, y: Tensor, described: SAEMetadata, effort: Effort
) -> BatchTopKTranscoder:
    """Train a transcoder from what an MLP reads [token, d_in] to what it writes [token, d_out]."""
    scale = output_scale(y)
    config = BatchTopKTranscoderConfig(
        **settings(described, effort, x.shape[-1]), d_out=y.shape[-1]
    )
    transcoder = BatchTopKTranscoder(config)
    fit(transcoder, torch.cat([x, scale * y], dim=-1), effort)
    transcoder.fold_output_scale(scale)
    return transcoder


def fit(sae: BatchTopKTrainingSAE, rows: Tensor, effort: Effort) -> None:
    """Train with the trainer of sae_lens on rows [token, …]."""
    trainer = SAETrainer(
        cfg=SAETrainerConfig(
            total_training_samples=effort.steps * effort.batch,
            train_batch_size_samples=effort.batch,
            lr=effort.lr,
            lr_end=effort.lr / 10,
            lr_warm_up_steps=effort.steps // 20,
            lr_decay_steps=effort.steps // 3,
            dead_feature_window=max(1, effort.steps // 10),
            n_batches_for_norm_estimate=10,
        ),
        sae=sae,
        data_provider=batches(rows, effort.batch, torch.Generator().manual_seed(SEED)),
    )
    trainer.fit()


def build(out: Path, tokens: int, context: int, effort: Effort) -> None:
    """Write the release under `out`, saying how far it is."""
    out.mkdir(parents=True, exist_ok=True)
    write_held_out(out / "held_out.jsonl")
    clock = Clock()
    write_model(out / "model")
    model, tokenizer = load_model(out / "model")
    clock.tell(f"model in {out / 'model'}")
    texts = training_tokens(tokenizer, tokens, context, SEED)  # [text, position]
    hook_points = [name for each in DICTIONARIES for name in each.hook_points]
    rows = collect(model, tokenizer, hook_points, texts)
    count = len(rows[hook_points[0]])
    clock.tell(f"{count:,} activations at each of {len(hook_points)} hook points")
    for each in DICTIONARIES:
        torch.manual_seed(SEED)
        train = train_transcoder if each.writes else train_sae
        trained = train(*(rows[at] for at in each.hook_points), metadata(each, context), effort)
        trained.save_inference_model(out / "saes" / each.name)
        clock.tell(f"{each.name}: {effort.features:,} features, {effort.steps:,} steps")


class Clock:
    """Tells what is done, with the seconds since the last thing was done."""

    def __init__(self) -> None:
        self.since = time.monotonic()

    def tell(self, what: str) -> None:
        """Print a line."""
        now = time.monotonic()
        print(f"{now - self.since:5.0f} s  {what}", flush=True)
        self.since = now


def main() -> None:
    """Build the release in a folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--out", type=Path, required=True, help="folder to write the release to")
    add("--tokens", type=int, default=32_000, help="tokens to read activations at")
    add("--features", type=int, default=1024, help="features of each")
    add("--active", type=int, default=64, help="features active per token, on the mean")
    add("--context", type=int, default=128, help="tokens of a training text")
    add("--steps", type=int, default=200, help="training steps of each")
    add("--batch", type=int, default=1024, help="activations per training step")
    args = parser.parse_args()
    effort = Effort(args.features, args.active, args.steps, args.batch)
    build(args.out, args.tokens, args.context, effort)


if __name__ == "__main__":
    main()
