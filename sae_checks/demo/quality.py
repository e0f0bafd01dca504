"""How good the demo release is, by position; run as `python -m sae_checks.demo.quality`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from sae_lens import SAE
from torch import Tensor
from transformers import GPT2LMHeadModel

from sae_checks.demo import FOLDER
from sae_checks.demo.language_model import encode, next_token_losses
from sae_checks.demo.residual import HOOK_NAMES, edited
from sae_checks.demo.stories import Story, stories

FRESH_SEED = 1_000_003  # of stories no training run has drawn
RANGES = ((1, 15), (16, 63), (64, 127), (128, 191), (192, 254))  # positions, both ends included
AT_ONCE = 16  # stories per forward pass


@dataclass(frozen=True)
class Quality:
    """The figures of one SAE over one range of positions, both ends included."""

    hook_name: str
    first: int
    last: int
    l0: float  # mean number of active features
    delta_ce: float  # nats: loss with the reconstruction spliced in, minus the clean loss
    explained_variance: float


@dataclass(frozen=True)
class Readings:
    """Per-token readings of one SAE; position p of the text is column p - 1."""

    l0: Tensor  # [story, position]
    delta_ce: Tensor  # [story, position]
    stream: Tensor  # [story, position, d_model]
    rebuilt: Tensor  # [story, position, d_model]

    def over(self, hook_name: str, first: int, last: int) -> Quality:
        """Mean figures over positions first to last."""
        span = slice(first - 1, last)
        stream, rebuilt = self.stream[:, span], self.rebuilt[:, span]
        spread = (stream - stream.mean((0, 1))).square().sum()
        missed = (stream - rebuilt).square().sum()
        return Quality(
            hook_name=hook_name,
            first=first,
            last=last,
            l0=self.l0[:, span].mean().item(),
            delta_ce=self.delta_ce[:, span].mean().item(),
            explained_variance=1 - (missed / spread).item(),
        )


@torch.no_grad()
def read_sae(model: GPT2LMHeadModel, sae: SAE[Any], hook_name: str, tokens: Tensor) -> Readings:
    """Run tokens [story, position] clean and with the SAE spliced in everywhere but at `<bos>`."""
    l0s: list[Tensor] = []
    streams: list[Tensor] = []
    rebuilts: list[Tensor] = []
    deltas: list[Tensor] = []

    def splice(stream: Tensor) -> Tensor:
        features = sae.encode(stream[:, 1:])  # [story, position - 1, d_sae]
        rebuilt = sae.decode(features)  # [story, position - 1, d_model]
        # The last position has no next token, so no loss either.
        l0s.append((features[:, :-1] > 0).sum(-1).float())  # [story, position - 2]
        streams.append(stream[:, 1:-1])
        rebuilts.append(rebuilt[:, :-1])
        return torch.cat([stream[:, :1], rebuilt], dim=1)

    for part in torch.split(tokens, AT_ONCE):
        clean = next_token_losses(model(part).logits, part)  # [story, position - 1]
        with edited(model, hook_name, splice):
            spliced = next_token_losses(model(part).logits, part)  # [story, position - 1]
        deltas.append((spliced - clean)[:, 1:])  # [story, position - 2]
    return Readings(torch.cat(l0s), torch.cat(deltas), torch.cat(streams), torch.cat(rebuilts))


@torch.no_grad()
def cloze_accuracy(model: GPT2LMHeadModel, texts: Sequence[Story]) -> float:
    """The share of slots inside the context at which the model's first guess is the answer."""
    right = total = 0
    for start in range(0, len(texts), AT_ONCE):
        part = list(texts[start : start + AT_ONCE])
        tokens = encode(part)  # [story, position]
        guesses = model(tokens).logits.argmax(-1)  # [story, position]
        for row, story in enumerate(part):
            # Word i stands at position i + 1, behind <bos>, and is predicted at position i.
            slots = torch.tensor([i for i in story.slots if i + 1 < tokens.shape[1]])
            right += int((guesses[row, slots] == tokens[row, slots + 1]).sum())
            total += len(slots)
    return right / total


def load_model(folder: Path) -> GPT2LMHeadModel:
    """The release's language model, ready to run."""
    model: GPT2LMHeadModel = GPT2LMHeadModel.from_pretrained(folder / "model")
    model.train(False)
    return model


def measure(
    folder: Path, n_stories: int, ranges: Sequence[tuple[int, int]] = RANGES
) -> list[Quality]:
    """Figures of every SAE of a release over every range, on fresh stories."""
    model = load_model(folder)
    tokens = encode(list(islice(stories(FRESH_SEED), n_stories)))  # [story, position]
    rows = []
    for hook_name in HOOK_NAMES:
        sae = SAE.load_from_disk(folder / "saes" / hook_name)
        readings = read_sae(model, sae, hook_name, tokens)
        rows += [readings.over(hook_name, first, last) for first, last in ranges]
    return rows


def print_table(folder: Path, n_stories: int) -> None:
    """Print the figures of a release, one line per SAE and range, and the cloze accuracy."""
    print(f"{'SAE':26} {'positions':>9} {'L0':>7} {'delta CE':>9} {'expl. var.':>10}")
    for row in measure(folder, n_stories):
        print(
            f"{row.hook_name:26} {f'{row.first}-{row.last}':>9} {row.l0:7.1f} "
            f"{row.delta_ce:9.4f} {row.explained_variance:10.4f}"
        )
    accuracy = cloze_accuracy(load_model(folder), list(islice(stories(FRESH_SEED), n_stories)))
    print(f"cloze accuracy of the clean model: {accuracy:.3f}")


def main() -> None:
    """Measure the release in a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--release", type=Path, default=FOLDER, help="folder of the release")
    parser.add_argument("--stories", type=int, default=64, help="fresh stories to measure on")
    options = parser.parse_args()
    print_table(options.release, options.stories)


if __name__ == "__main__":
    main()
