"""Loads one SAE with sae_lens and refuses weights that cannot be measured."""

from __future__ import annotations

from contextlib import redirect_stdout
from typing import Any

import torch
from torch import Tensor

from sae_checks.errors import SaeError
from sae_checks.records import Release, SaeRef
from sae_checks.third_party import ignored_warnings

# Architectures that decode by features @ W_dec + b_dec, which a sparse matrix goes through as well.
_LINEAR = ("standard", "gated", "jumprelu", "topk")
# Up to this share of features active, a sparse product is the faster one on a CPU.
_SPARSE = 0.02


class LoadedSae:
    """An SAE of sae_lens behind the few calls that measuring needs.

    Attributes:
        sequence_aware: whether a token's features depend on the tokens before it, so that a text
            must not be cut into pieces (temporal SAEs); all others encode each token alone.
    """

    def __init__(self, ref: SaeRef, sae: Any) -> None:
        self.ref = ref
        self.sae = sae
        architecture = sae.cfg.architecture()
        self.sequence_aware: bool = architecture == "temporal"
        rescaled = getattr(sae.cfg, "rescale_acts_by_decoder_norm", False)
        self._linear: bool = architecture in _LINEAR and not rescaled

    @property
    def size_in_bytes(self) -> int:
        """Of its weights."""
        return sum(each.numel() * each.element_size() for each in self.sae.parameters())

    def encode(self, x: Tensor) -> Tensor:
        """Feature activations (..., d_sae) of activations (..., d_in), dense."""
        features: Tensor = self.sae.encode(x.to(self.sae.dtype))
        return features.to_dense() if features.is_sparse else features

    def decode(self, features: Tensor) -> Tensor:
        """Reconstructions (..., d_in), following `encode` of the same tokens.

        What `encode` scaled is scaled back. A temporal SAE's are without what it predicts from
        earlier tokens; see `reconstruct`.
        """
        with redirect_stdout(None):  # a temporal SAE prints, each time, what is said above
            reconstruction: Tensor = self.sae.decode(features)
        return reconstruction

    def reconstruct(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Feature activations (..., d_sae) and reconstructions (..., d_in) of (..., d_in)."""
        if self.sequence_aware:
            # Only its forward pass adds the predicted part, which sae_lens's run_evals leaves out.
            return self.encode(x), self.sae(x.to(self.sae.dtype))
        flat = self.encode(x.reshape(-1, x.shape[-1]))  # (N, d_sae)
        decoded = self.decode(_sparse(flat) if self._decodes_sparsely(flat) else flat)
        return flat.reshape(*x.shape[:-1], -1), decoded.reshape(x.shape)

    def _decodes_sparsely(self, features: Tensor) -> bool:
        """Whether so few features are active, by every 16th token, that decoding can skip most."""
        if not self._linear or features.device.type != "cpu" or features.dtype != torch.float32:
            return False
        some = features[::16]
        return int(some.count_nonzero()) <= _SPARSE * some.numel()


def _sparse(features: Tensor) -> Tensor:
    """The same (N, d_sae) as a sparse matrix, row by row."""
    with ignored_warnings():  # that the layout is in beta: tests hold it to the dense product
        return features.to_sparse_csr()


def load_sae(
    release: Release, ref: SaeRef, *, device: str = "cpu", dtype: str = "float32"
) -> LoadedSae:
    """Load an SAE of a release.

    Raises:
        SaeError: its files are damaged or missing, its weights are not finite, or sae_lens cannot
            make sense of them.
    """
    try:
        with ignored_warnings():  # among them advice on how to load the model, which is followed
            from sae_lens import SAE

            if release.source == "directory":
                sae = SAE.from_pretrained(release.name, ref.sae_id, device=device, dtype=dtype)
            elif release.source == "hub":
                repo_id, _, folder = ref.location.partition(":")
                sae = SAE.from_pretrained(repo_id, folder, device=device, dtype=dtype)
            else:
                sae = SAE.load_from_disk(ref.location, device=device, dtype=dtype)
    except Exception as error:  # whatever the loader of a damaged file raises: zip, pickle, shapes
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise SaeError(
            f"SAE {ref.sae_id!r} cannot be loaded from {ref.location}: {reason}; "
            "its files are damaged or not sae_lens's, save or download them again"
        ) from error
    _refuse_not_finite(ref, sae)
    if getattr(sae, "hook_z_reshaping_mode", False):
        # Taps give hook_z with its heads side by side, (..., n_heads * d_head), which is what the
        # reshaping would make of it.
        sae.turn_off_forward_pass_hook_z_reshaping()
    return LoadedSae(ref, sae.eval())


def _refuse_not_finite(ref: SaeRef, sae: Any) -> None:
    for name, weight in sae.state_dict().items():
        # An infinite JumpReLU threshold is a legal way to say that a feature is off.
        wrong = weight.isnan() if name == "threshold" else ~weight.isfinite()
        bad = int(wrong.sum())
        if bad:
            raise SaeError(
                f"SAE {ref.sae_id!r} has weights that are not finite: {bad:,} of "
                f"{weight.numel():,} values of {name} are NaN or infinite; a gate cannot judge it"
            )
