"""The damage itself: functions that change one SAE's weights in place, or return another SAE.

They know the weights that sae_lens's SAEs share: W_enc (d_in, d_sae), W_dec (d_sae, d_out), b_dec,
and one bias per feature. Random choices take a generator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sae_checks.errors import UserError

# A feature with this bias is never active, whatever it reads.
_NEVER = -1e6
_BIASES = ("b_enc", "b_mag", "b_gate")


@dataclass(frozen=True)
class Sample:
    """Activations at an SAE's hook point, and what the good SAE makes of them.

    Attributes:
        x: (N, d_in) activations within the training context.
        position: (N,) of each in its text.
        frequency: (d_sae,) share of the tokens on which a feature is active.
        training_context: of the SAE, in tokens.
        written: (N, d_out) activations where a transcoder writes; None: where it reads.
        elsewhere: (d_sae,) `frequency` on a second corpus; None: there is none.
        x_elsewhere: (M, d_in) activations on it.
    """

    x: Tensor
    position: Tensor
    frequency: Tensor
    training_context: int
    written: Tensor | None = None
    elsewhere: Tensor | None = None
    x_elsewhere: Tensor | None = None

    @property
    def mean_l0(self) -> float:
        """Features active per token."""
        return float(self.frequency.sum())

    @property
    def mean_norm(self) -> float:
        """Mean ‖x‖."""
        return float(self.x.norm(dim=-1).mean())

    @property
    def mean_norm_written(self) -> float:
        """Mean ‖·‖ where it writes."""
        return self.mean_norm if self.written is None else float(self.written.norm(dim=-1).mean())


def scale_decoder(sae: Any, factor: float, sample: Sample, generator: torch.Generator) -> Any:
    """Every decoder row times a factor."""
    sae.W_dec.data *= factor
    return sae


def permute_decoder(sae: Any, share: float, sample: Sample, generator: torch.Generator) -> Any:
    """Decoder rows of a share of the features, among those ever active, each where another was."""
    alive = sample.frequency.nonzero().flatten()
    count = max(2, round(share * len(sample.frequency)))
    which = alive[torch.randperm(len(alive), generator=generator)[:count]]
    sae.W_dec.data[which] = sae.W_dec.data[which.roll(1)]
    return sae


def remove_random(sae: Any, share: float, sample: Sample, generator: torch.Generator) -> Any:
    """A share of the features never active again."""
    features = len(sample.frequency)
    which = torch.randperm(features, generator=generator)[: max(1, round(share * features))]
    return _silence(sae, which)


def remove_frequent(sae: Any, share: float, sample: Sample, generator: torch.Generator) -> Any:
    """The most frequent features never active again."""
    count = max(1, round(share * len(sample.frequency)))
    return _silence(sae, sample.frequency.argsort(descending=True)[:count])


def drop_decoder_bias(sae: Any, share: float, sample: Sample, generator: torch.Generator) -> Any:
    """A share of b_dec lost; 1 is all of it."""
    sae.b_dec.data *= 1 - share
    return sae


def shift_encoder_bias(sae: Any, amount: float, sample: Sample, generator: torch.Generator) -> Any:
    """Every feature's bias raised by a multiple of the mean strength of active features."""
    features = sae.encode(sample.x)
    shift = amount * float(features[features > 0].mean())
    for name in biases_of(sae):
        getattr(sae, name).data += shift
    return sae


def round_weights(sae: Any, bits: float, sample: Sample, generator: torch.Generator) -> Any:
    """Weights rounded to 2^bits - 1 levels between plus and minus the largest of each tensor."""
    levels = 2 ** (int(bits) - 1) - 1
    for weight in sae.parameters():
        step = weight.data.abs().max() / levels
        if step > 0:
            weight.data = (weight.data / step).round() * step
    return sae


def lose_threshold(sae: Any, share: float, sample: Sample, generator: torch.Generator) -> Any:
    """A share of what holds features off is lost: JumpReLU's threshold, or a ReLU's, -b_enc."""
    if hasattr(sae, "threshold"):
        sae.threshold.data *= 1 - share
        return sae
    for name in biases_of(sae):
        bias = getattr(sae, name).data
        bias[bias < 0] *= 1 - share
    return sae


def keep_strongest(sae: Any, share: float, sample: Sample, generator: torch.Generator) -> Any:
    """The k of a TopK SAE times a share; another SAE keeps as many of its mean L0, as TopK does."""
    from sae_lens import TopKSAE, TopKSAEConfig
    from sae_lens.saes.topk_sae import TopK

    if sae.cfg.architecture() == "topk":
        sae.cfg.k = max(1, round(share * sae.cfg.k))
        sae.activation_fn.k = sae.cfg.k
        return sae
    k = max(1, round(share * sample.mean_l0))
    if "transcoder" in sae.cfg.architecture():  # of which sae_lens has none with TopK
        sae.activation_fn = TopK(k)
        if hasattr(sae, "threshold"):
            sae.threshold.data.zero_()
        return sae
    made = TopKSAE(
        TopKSAEConfig(
            d_in=sae.cfg.d_in,
            d_sae=sae.cfg.d_sae,
            k=k,
            apply_b_dec_to_input=sae.cfg.apply_b_dec_to_input,
            normalize_activations=sae.cfg.normalize_activations,
            metadata=sae.cfg.metadata,
        )
    )
    for name in ("W_enc", "b_enc", "W_dec", "b_dec"):
        getattr(made, name).data = getattr(sae, name).data.clone()
    return made.eval().requires_grad_(False)


def unfold_normalisation(sae: Any, share: float, sample: Sample, generator: torch.Generator) -> Any:
    """Weights for activations scaled to norm √d_in, as in training, met by unscaled ones.

    `share` is how much of the scale, on a logarithmic one, was not folded in; 1 is all of it.
    """
    scale = (sample.x.shape[-1] ** 0.5 / sample.mean_norm) ** share
    sae.W_enc.data /= scale
    sae.W_dec.data *= scale
    sae.b_dec.data *= scale
    return sae


def lose_scale(sae: Any, factor: float, sample: Sample, generator: torch.Generator) -> Any:
    """Reconstructions times a factor, as where activations are scaled and not scaled back."""
    sae.W_dec.data *= factor
    sae.b_dec.data *= factor
    return sae


def repeat_shard(sae: Any, share: float, sample: Sample, generator: torch.Generator) -> Any:
    """The first share of the features stands in the place of the last, too: a shard read twice."""
    count = round(share * len(sample.frequency))
    sae.W_enc.data[:, -count:] = sae.W_enc.data[:, :count].clone()
    sae.W_dec.data[-count:] = sae.W_dec.data[:count].clone()
    for name in (*biases_of(sae), *(["threshold"] if hasattr(sae, "threshold") else [])):
        values = getattr(sae, name).data
        values[-count:] = values[:count].clone()
    return sae


def remove_foreign(sae: Any, ratio: float, sample: Sample, generator: torch.Generator) -> Any:
    """Features that are more frequent on the second corpus, by a ratio, never active again.

    Raises:
        UserError: there is no second corpus.
    """
    return _silence(sae, _foreign(sample, ratio))


def loosen_foreign(sae: Any, ratio: float, sample: Sample, generator: torch.Generator) -> Any:
    """Biases of features that are more frequent on the second corpus, by a ratio, raised.

    By the mean strength of active features: they go off on text that was not trained on.

    Raises:
        UserError: there is no second corpus.
    """
    which, features = _foreign(sample, ratio), sae.encode(sample.x)
    shift = float(features[features > 0].mean())
    for name in biases_of(sae):
        getattr(sae, name).data[which] += shift
    return sae


def drop_skip(sae: Any, share: float, sample: Sample, generator: torch.Generator) -> Any:
    """A share of a transcoder's W_skip lost, as where only encode and decode are run; 1 is all.

    Raises:
        UserError: it has none.
    """
    if not hasattr(sae, "W_skip"):
        raise UserError("it is no transcoder with a skip term")
    sae.W_skip.data *= 1 - share
    return sae


def _foreign(sample: Sample, ratio: float) -> Tensor:
    if sample.elsewhere is None:
        raise UserError("there is no second corpus (--sae-shift)")
    return (sample.elsewhere > ratio * sample.frequency).nonzero().flatten()


def biases_of(sae: Any) -> list[str]:
    """The names of its parameters that hold one bias per feature."""
    return [name for name in _BIASES if hasattr(sae, name)]


def _silence(sae: Any, which: Tensor) -> Any:
    sae.W_enc.data[:, which] = 0
    sae.W_dec.data[which] = 0
    for name in biases_of(sae):
        getattr(sae, name).data[which] = _NEVER
    return sae
