"""Rebuild the demo release from nothing; run as `python -m sae_checks.demo.train [--out DIR]`."""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch

from sae_checks.demo import FOLDER, autoencoders, language_model, quality
from sae_checks.demo.residual import HOOK_NAMES
from sae_checks.demo.stories import stories

MODEL_SEED = 1  # of the model's weights and its stories
SAE_SEED = 2  # of the SAEs' weights, their order of activations, and their stories
# Sums split over several threads round differently with their number; and on a machine with
# other work, threads that wait for each other lose more time than they save.
THREADS = 1


@dataclass(frozen=True)
class Plan:
    """How much to train; the defaults make the bundled release."""

    cycles: tuple[tuple[language_model.Stage, ...], ...] = language_model.CYCLES
    sae: autoencoders.Effort = field(default_factory=autoencoders.Effort)
    quality_stories: int = 64


def build(out: Path, plan: Plan) -> None:
    """Train model and SAEs, write them under `out`, and print how good they are."""
    model = language_model.build_model(MODEL_SEED)
    told = stories(MODEL_SEED)
    for stages in plan.cycles:
        language_model.train_cycle(model, told, stages)
    language_model.save_model(model, out / "model")
    for hook_name in HOOK_NAMES:
        sae = autoencoders.train_sae(model, hook_name, stories(SAE_SEED), SAE_SEED, plan.sae)
        autoencoders.save_sae(sae, out / "saes" / hook_name)
    for weights in out.rglob("*.safetensors"):
        weights.chmod(0o644)  # written for their owner alone, which a package's files must not be
    quality.print_table(out, plan.quality_stories)


def main() -> None:
    """Build the release in a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder to write the release to")
    options = parser.parse_args()
    torch.set_num_threads(THREADS)
    started = time.monotonic()
    build(options.out, Plan())
    print(f"built in {(time.monotonic() - started) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
