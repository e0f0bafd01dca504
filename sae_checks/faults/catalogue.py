"""Which faults there are, and at which strengths a gate has to catch them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from sae_checks.faults import description, fitted, plant
from sae_checks.faults.plant import Sample
from sae_checks.load.sae import LoadedSae
from sae_checks.records import SaeRef

# What a fault is planted into: the weights of one SAE, of two that change places, of one that
# stands in all places, nothing but what an SAE says of itself, how the model is loaded, or its
# positional vectors.
Target = Literal["weights", "swap", "copy", "description", "processing", "positions"]
Plant = Callable[[Any, float, Sample, torch.Generator], Any]
Describe = Callable[[SaeRef, float], SaeRef]


@dataclass(frozen=True)
class Strength:
    """How strong a fault is; `listed` ones have to be caught, others show where a gate stops."""

    value: float
    label: str
    listed: bool = True


@dataclass(frozen=True)
class Fault:
    """One way in which an SAE or a release goes wrong."""

    name: str
    strengths: tuple[Strength, ...]
    target: Target = "weights"
    damage: Plant | None = None  # of weights
    describe: Describe | None = None  # what the SAE then says of itself
    # Which SAE of the release gets it; None: they take turns.
    at: int | None = None

    @property
    def summary(self) -> str:
        """What it does."""
        return (self.damage.__doc__ or "").split("\n")[0] if self.damage is not None else self.name

    def into(self, sae: LoadedSae, value: float, sample: Sample, seed: int = 0) -> LoadedSae:
        """A copy of an SAE with this fault; the same seed makes the same damage."""
        assert self.damage is not None, "only faults of weights are planted into an SAE"
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            damaged = self.damage(copy.deepcopy(sae.sae), value, sample, generator)
        return LoadedSae(sae.ref, damaged)


@torch.no_grad()
def sample_of(
    sae: LoadedSae,
    x: Tensor,
    position: Tensor,
    written: Tensor | None = None,
    elsewhere: tuple[Tensor, Tensor] | None = None,
) -> Sample:
    """What planting a fault needs to know of an SAE.

    Args:
        sae: the good one.
        x: (N, d_in) activations that it reads.
        position: (N,) of each in its text.
        written: (N, d_out) activations where a transcoder writes.
        elsewhere: x and position on a second corpus.
    """
    # Without a training context all that was measured counts as inside.
    training_context = sae.ref.training_context or int(position.max()) + 1
    inside = position < training_context
    x, position = x[inside], position[inside]
    frequency = _frequency(sae, x)
    written = None if written is None else written[inside]
    if elsewhere is None:
        return Sample(x, position, frequency, training_context, written)
    there = elsewhere[0][elsewhere[1] < training_context]
    return Sample(x, position, frequency, training_context, written, _frequency(sae, there), there)


def _frequency(sae: LoadedSae, x: Tensor) -> Tensor:
    return (sae.encode(x) != 0).float().mean(dim=0)


CATALOGUE: tuple[Fault, ...] = (
    Fault(
        "decoder scaled",
        (
            Strength(0.9, "0.9"),
            Strength(1.1, "1.1"),
            Strength(0.97, "0.97", listed=False),
            Strength(1.03, "1.03", listed=False),
        ),
        damage=plant.scale_decoder,
    ),
    Fault(
        "decoder rows permuted",
        (Strength(0.01, "1% of features"), Strength(0.003, "0.3% of features", listed=False)),
        damage=plant.permute_decoder,
    ),
    Fault(
        "features removed at random",
        (Strength(0.1, "10%"), Strength(0.01, "1%", listed=False)),
        damage=plant.remove_random,
    ),
    Fault(
        "most frequent features removed",
        (Strength(0.005, "0.5%"),),
        damage=plant.remove_frequent,
    ),
    Fault(
        "b_dec dropped",
        (Strength(1.0, "all"), Strength(0.2, "a fifth", listed=False)),
        damage=plant.drop_decoder_bias,
    ),
    Fault(
        "encoder bias shifted",
        (
            Strength(0.1, "+0.1 of mean activation"),
            Strength(-0.1, "-0.1 of mean activation"),
            Strength(0.02, "+0.02 of mean activation", listed=False),
        ),
        damage=plant.shift_encoder_bias,
    ),
    Fault(
        "weights rounded",
        (
            Strength(8, "8 bits"),
            Strength(6, "6 bits"),
            Strength(10, "10 bits", listed=False),
        ),
        damage=plant.round_weights,
    ),
    Fault(
        "threshold lost",
        (Strength(1.0, "all"), Strength(0.2, "a fifth", listed=False)),
        damage=plant.lose_threshold,
    ),
    Fault("k of TopK halved", (Strength(0.5, "half"),), damage=plant.keep_strongest),
    Fault(
        "normalisation not folded",
        (Strength(1.0, "not at all"),),
        damage=plant.unfold_normalisation,
    ),
    Fault("SAEs of two layers swapped", (Strength(1.0, "whole"),), target="swap"),
    Fault("wrong model processing", (Strength(1.0, "centring"),), target="processing"),
    Fault(
        "training context shortened",
        (Strength(0.5, "half"),),
        target="description",
        describe=description.shorten_context,
    ),
    Fault(
        "one position range damaged",
        (Strength(0.3, "0.3 of mean norm"), Strength(0.05, "0.05 of mean norm", listed=False)),
        damage=fitted.damage_range,
    ),
    Fault("half of the features dead", (Strength(0.5, "half"),), damage=plant.remove_random),
)

# What the listed faults do not show: one or more for each check that none of them makes fail.
OF_CHECKS: tuple[Fault, ...] = (
    Fault("scale folded in twice", (Strength(1.3, "1.3"),), damage=plant.scale_decoder),
    Fault("activations not scaled back", (Strength(0.5, "0.5"),), damage=plant.lose_scale, at=2),
    Fault("a shard of the weights read twice", (Strength(0.5, "half"),), damage=plant.repeat_shard),
    Fault(
        "features active in one position range",
        (Strength(0.5, "half"),),
        damage=fitted.fire_for_positions,
        at=0,  # where positions are learned, no activation tells them as plainly
    ),
    Fault(
        "one position range lost",
        (Strength(1.0, "1 of mean norm"),),
        damage=fitted.damage_range,
        at=0,
    ),
    Fault(
        "features of the second corpus removed",
        (Strength(1.5, "1.5 times as frequent there"),),
        damage=plant.remove_foreign,
        at=0,
    ),
    Fault(
        "features of the second corpus let loose",
        (Strength(1.5, "1.5 times as frequent there"),),
        damage=plant.loosen_foreign,
        at=0,
    ),
    Fault(
        "features of another text",
        (Strength(0.2, "20% of features"),),
        damage=fitted.fire_elsewhere,
    ),
    Fault(
        "features that follow the norm",
        (Strength(0.1, "10% of features"),),
        damage=fitted.follow_norm,
    ),
    Fault("one SAE in the place of all", (Strength(1.0, "whole"),), target="copy"),
    Fault(
        "positional vectors past the context scaled",
        (Strength(3.0, "3"),),
        target="positions",
    ),
    Fault(
        "decoder scaled without a penalty",
        (Strength(0.9, "0.9"),),
        damage=plant.scale_decoder,
        describe=description.without_penalty,
    ),
    Fault(
        "explained variance declared of other weights",
        (Strength(0.3, "30% of features permuted"),),
        damage=plant.permute_decoder,
        describe=description.declare_nearly_all,
    ),
    Fault("skip term lost", (Strength(1.0, "all"),), damage=plant.drop_skip),
)
