"""Train the demo's SAEs again from other seeds; run as `python -m sae_checks.demo.retrain`.

The same model, the same stories and the same settings, but other first weights and another order of
activations: a legitimate next release. What such a release changes is what the margins of
`regression` in thresholds.toml have to allow.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from transformers import GPT2LMHeadModel

from sae_checks.demo import MODEL_FOLDER, autoencoders
from sae_checks.demo.residual import HOOK_NAMES
from sae_checks.demo.stories import stories
from sae_checks.demo.train import SAE_SEED, THREADS


def retrain(seed: int, folder: Path, effort: autoencoders.Effort) -> None:
    """Train every SAE of the demo from a seed, and write them under a folder.

    Raises:
        ValueError: the seed is that of the bundled SAEs, which would come out the same.
    """
    if seed == SAE_SEED:
        raise ValueError(f"seed {seed} is the one of the bundled SAEs: choose another")
    model = GPT2LMHeadModel.from_pretrained(MODEL_FOLDER).eval()
    for hook_name in HOOK_NAMES:
        sae = autoencoders.train_sae(model, hook_name, stories(SAE_SEED), seed, effort)
        autoencoders.save_sae(sae, folder / hook_name)


def main() -> None:
    """Retrain from each seed, into a folder named after it; one that is there already stays."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--out", type=Path, required=True, help="folder to write the releases under"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 4], metavar="N")
    options = parser.parse_args()
    torch.set_num_threads(THREADS)
    for seed in options.seeds:
        folder = options.out / f"seed-{seed}"
        if not all((folder / hook_name).is_dir() for hook_name in HOOK_NAMES):
            retrain(seed, folder, autoencoders.Effort())


if __name__ == "__main__":
    main()
