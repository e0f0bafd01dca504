"""Train a small release of SAEs on SmolLM2-135M: python examples/smollm2/train.py --out DIR

Writes DIR/model (the language model), DIR/saes (one folder per SAE), and DIR/held_out.jsonl (the
help topics that were not trained on).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from activations import collect, training_tokens, write_held_out
from model import load_model, write_model
from sae_lens.config import SAETrainerConfig
from sae_lens.saes.batchtopk_sae import BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig
from sae_lens.saes.sae import SAEMetadata
from sae_lens.training.sae_trainer import SAETrainer
from torch import Tensor

SEED = 0
# One early, where one ordinary token in 200 is massive; two further down, where BOS outweighs all.
LAYERS = (3, 12, 20)


@dataclass(frozen=True)
class Effort:
    """How much one SAE is trained."""

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


def metadata(hook_name: str, context: int) -> SAEMetadata:
    """What a reader of the SAE has to know to run it where it was trained."""
    return SAEMetadata(
        model_name="HuggingFaceTB/SmolLM2-135M-Instruct",
        model_class_name="HookedTransformer",
        hook_name=hook_name,
        hook_head_index=None,
        context_size=context,
        prepend_bos=True,
        dataset_path="pydoc",
        model_from_pretrained_kwargs={},
        exclude_special_tokens=True,
    )


def train_sae(rows: Tensor, described: SAEMetadata, effort: Effort) -> BatchTopKTrainingSAE:
    """Train one SAE on activations [token, d_model] with the trainer of sae_lens."""
    torch.manual_seed(SEED)
    sae = BatchTopKTrainingSAE(
        BatchTopKTrainingSAEConfig(
            d_in=rows.shape[-1],
            d_sae=effort.features,
            k=effort.active,
            normalize_activations="expected_average_only_in",
            # The threshold of the saved SAE is a running mean over steps. At sae_lens's rate of
            # 0.01 the first, far too low ones would still weigh in after a few hundred steps.
            topk_threshold_lr=0.05,
            metadata=described,
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
            dead_feature_window=max(1, effort.steps // 10),
            n_batches_for_norm_estimate=10,
        ),
        sae=sae,
        data_provider=batches(rows, effort.batch, torch.Generator().manual_seed(SEED)),
    )
    trainer.fit()
    return sae


def build(out: Path, layers: tuple[int, ...], tokens: int, context: int, effort: Effort) -> None:
    """Write the release under `out`, saying how far it is."""
    out.mkdir(parents=True, exist_ok=True)
    write_held_out(out / "held_out.jsonl")
    clock = Clock()
    write_model(out / "model")
    model, tokenizer = load_model(out / "model")
    clock.tell(f"model in {out / 'model'}")
    texts = training_tokens(tokenizer, tokens, context, SEED)  # [text, position]
    rows = collect(model, tokenizer, layers, texts)
    clock.tell(f"{len(rows[layers[0]]):,} activations at each of {len(layers)} hook points")
    for layer in layers:
        hook_name = f"blocks.{layer}.hook_resid_pre"
        sae = train_sae(rows[layer], metadata(hook_name, context), effort)
        sae.save_inference_model(out / "saes" / hook_name)
        clock.tell(f"{hook_name}: {effort.features:,} features, {effort.steps:,} steps")


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
    add("--tokens", type=int, default=40_000, help="tokens to read activations at")
    add(
        "--layers",
        type=int,
        nargs="+",
        default=LAYERS,
        choices=range(30),
        metavar="L",
        help="the SAEs sit before these blocks",
    )
    add("--features", type=int, default=1024, help="features of an SAE")
    add("--active", type=int, default=64, help="features active per token, on the mean")
    add("--context", type=int, default=128, help="tokens of a training text")
    add("--steps", type=int, default=250, help="training steps per SAE")
    add("--batch", type=int, default=1024, help="activations per training step")
    args = parser.parse_args()
    effort = Effort(args.features, args.active, args.steps, args.batch)
    build(args.out, tuple(args.layers), args.tokens, args.context, effort)


if __name__ == "__main__":
    main()
