"""Damage by features that fire where a least-squares fit to the activations says so.

An SAE sees neither positions nor where a text is from, but activations carry both.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sae_checks.errors import UserError
from sae_checks.faults.plant import Sample, biases_of


def damage_range(sae: Any, amount: float, sample: Sample, generator: torch.Generator) -> Any:
    """A bias added to reconstructions in one range of positions, T/4 to T/2 - 1.

    An SAE does not see positions, but activations carry them: the least frequent feature is made to
    fire where a least-squares fit takes a token for one in the range, and writes a random direction
    of `amount` times the mean norm. How sharp the range is depends on the layer.
    """
    feature = sample.frequency.argmin(keepdim=True)
    strength = _fire_in_range(sae, feature, sample)
    written = _random_direction(sae, generator)
    sae.W_dec.data[feature] = written * amount * sample.mean_norm_written / strength
    return sae


def fire_for_positions(sae: Any, share: float, sample: Sample, generator: torch.Generator) -> Any:
    """A share of the features, the least frequent, active in one range of positions.

    What they write is a hundredth of what it was, so that little but L0 tells.
    """
    count = max(1, round(share * len(sample.frequency)))
    which = sample.frequency.argsort()[:count]
    strength = _fire_in_range(sae, which, sample)
    sae.W_dec.data[which] *= 0.01 / strength
    return sae


def follow_norm(sae: Any, share: float, sample: Sample, generator: torch.Generator) -> Any:
    """A share of the features, the least frequent, more active the longer the activation is.

    Each fires above another value of a least-squares fit of ‖x‖, and all write one direction, so
    that error, L0 and L1 grow with the norm; at the mean strength they write a fifth of it.
    """
    count = max(2, round(share * len(sample.frequency)))
    which = sample.frequency.argsort()[:count]
    direction, constant, fitted = _fit(sample.x, sample.x.norm(dim=-1))
    shares = torch.linspace(0, 1, count + 1, dtype=fitted.dtype, device=fitted.device)[:-1]
    levels = fitted.quantile(shares)  # (count,), ascending
    _set_features(sae, which, direction, constant - levels.float())
    # Summed over the levels below each token, which need no (N, count).
    below = torch.searchsorted(levels, fitted)
    sums = torch.cat([levels.new_zeros(1), levels.cumsum(dim=0)])
    strength = (below * fitted - sums[below]).mean()
    written = _random_direction(sae, generator)
    sae.W_dec.data[which] = 0.2 * sample.mean_norm_written / float(strength) * written
    return sae


def fire_elsewhere(sae: Any, share: float, sample: Sample, generator: torch.Generator) -> Any:
    """A share of the features, the least frequent, active on the second corpus and hardly here.

    Where a least-squares fit takes a token for one of it. They write nothing, so that L0 alone
    tells.

    Raises:
        UserError: there is no second corpus.
    """
    if sample.x_elsewhere is None:
        raise UserError("there is no second corpus (--sae-shift)")
    x = torch.cat([sample.x, sample.x_elsewhere])
    there = (torch.arange(len(x), device=x.device) >= len(sample.x)).double()
    direction, constant, fitted = _fit(x, there)
    means = [float(fitted[there == side].mean()) for side in (0.0, 1.0)]
    count = max(1, round(share * len(sample.frequency)))
    which = sample.frequency.argsort()[:count]
    _set_features(sae, which, direction, direction.new_tensor(constant - sum(means) / 2))
    sae.W_dec.data[which] = 0
    return sae


def _fire_in_range(sae: Any, which: Tensor, sample: Sample) -> float:
    """Let features fire at positions T/4 to T/2 - 1, and give their strength there on average.

    Where a least-squares fit to the activations takes a token for one in the range.
    """
    first, last = sample.training_context // 4, sample.training_context // 2 - 1
    inside = ((sample.position >= first) & (sample.position <= last)).double()
    direction, constant, fitted = _fit(sample.x, inside)
    means = [float(fitted[inside == side].mean()) for side in (0.0, 1.0)]
    _set_features(sae, which, direction, direction.new_tensor(constant - sum(means) / 2))
    return (means[1] - means[0]) / 2


def _random_direction(sae: Any, generator: torch.Generator) -> Tensor:
    """A unit vector (d_out,); the same one on any device."""
    written = torch.randn(sae.W_dec.shape[1], generator=generator)
    direction: Tensor = (written / written.norm()).to(sae.W_dec.device, sae.W_dec.dtype)
    return direction


def _fit(x: Tensor, target: Tensor) -> tuple[Tensor, float, Tensor]:
    """The least-squares fit of (N,) to activations (N, d_in): direction (d_in,), constant, (N,)."""
    x = torch.nn.functional.pad(x.double(), (0, 1), value=1.0)
    ridge = 1e-3 * x.square().mean() * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    fit = torch.linalg.solve(x.T @ x / len(x) + ridge, x.T @ target.double() / len(x))
    return fit[:-1].float(), float(fit[-1]), x @ fit


def _set_features(sae: Any, which: Tensor, direction: Tensor, offset: Tensor) -> None:
    """Let features read x · direction + offset; an offset for all of them, or one for each."""
    if sae.cfg.apply_b_dec_to_input:
        offset = offset + sae.b_dec.data @ direction
    sae.W_enc.data[:, which] = direction.unsqueeze(-1)
    for name in biases_of(sae):
        getattr(sae, name).data[which] = offset.to(sae.W_enc.dtype)
    if hasattr(sae, "threshold"):
        sae.threshold.data[which] = 0.0
