"""Loads one SAE with sae_lens and refuses weights that cannot be measured."""

from __future__ import annotations

import math
from contextlib import redirect_stdout
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from sae_checks.errors import SaeError
from sae_checks.records import Release, SaeRef
from sae_checks.third_party import ignored_warnings

# Architectures that decode by features @ W_dec + b_dec, which a sparse matrix goes through as well.
_LINEAR = ("standard", "gated", "jumprelu", "topk", "transcoder", "jumprelu_transcoder")
# Transcoders that add W_skip @ x, of what they read, to what they decode so.
_SKIPPING = ("skip_transcoder", "jumprelu_skip_transcoder")
# What a RuntimeError says of memory: "CUDA error: out of memory", "can't allocate memory".
_NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")
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
        self._linear: bool = architecture in (*_LINEAR, *_SKIPPING) and not rescaled
        self._skips: bool = architecture in _SKIPPING
        self._rescaled: bool = rescaled

    @property
    def size_in_bytes(self) -> int:
        """Of its weights."""
        return sum(each.numel() * each.element_size() for each in self.sae.parameters())

    def encode(self, x: Tensor) -> Tensor:
        """Feature activations (..., d_sae) of activations (..., d_in), dense."""
        features: Tensor = self.sae.encode(x.to(self.sae.dtype))
        return features.to_dense() if features.is_sparse else features

    def decode(self, features: Tensor) -> Tensor:
        """Reconstructions (..., d_out), following `encode` of the same tokens.

        What `encode` scaled is scaled back. A temporal SAE's are without what it predicts from
        earlier tokens, a skip transcoder's without W_skip @ x; see `reconstruct`.
        """
        with redirect_stdout(None):  # a temporal SAE prints, each time, what is said above
            reconstruction: Tensor = self.sae.decode(features)
        return reconstruction

    def reconstruct(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Feature activations (..., d_sae) and reconstructions (..., d_out) of (..., d_in).

        These are what the SAE's own forward pass makes of them.
        """
        if self.sequence_aware:
            # Only its forward pass adds the predicted part, which sae_lens's run_evals leaves out.
            return self.encode(x), self.sae(x.to(self.sae.dtype))
        tokens = x.reshape(-1, x.shape[-1])  # (N, d_in)
        flat = self.encode(tokens)  # (N, d_sae)
        decoded = self.decode(_sparse(flat) if self._decodes_sparsely(flat) else flat)
        if self._skips:
            decoded = decoded + tokens.to(self.sae.dtype) @ self.sae.W_skip.T
        return flat.reshape(*x.shape[:-1], -1), decoded.reshape(*x.shape[:-1], -1)

    @cached_property
    def _decoder_norms(self) -> Tensor:
        norms: Tensor = self.sae.W_dec.norm(dim=-1)  # (d_sae,)
        return norms

    def written(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What feature activations (..., d_sae) write, without any bias and at the decoder's scale.

        Returns:
            (..., d_out) Σ f_i d_i; (..., d_out) Σ of d_i/‖d_i‖ over f_i ≠ 0; (...) Σ f_i ‖d_i‖.
        """
        flat, norms = features.reshape(-1, features.shape[-1]), self._decoder_norms
        inverse = torch.where(norms > 0, 1 / norms, 0.0)
        # Some TopK SAEs divide by the norms when decoding: their features are strengths.
        times = inverse if self._rescaled else torch.ones_like(norms)
        if self._decodes_sparsely(flat):
            rows = _sparse(flat)
            at, active, size = rows.crow_indices(), rows.col_indices(), rows.shape
            values = _csr(at, active, rows.values() * times[active], size)
            units = _csr(at, active, inverse[active], size)
        else:
            values, units = flat * times, (flat != 0) * inverse
        decoder: Tensor = self.sae.W_dec
        written, directions = (each @ decoder for each in (values, units))
        strength = (values @ norms.unsqueeze(-1)).squeeze(-1)
        shape = features.shape[:-1]
        return written.reshape(*shape, -1), directions.reshape(*shape, -1), strength.reshape(shape)

    def output_scale(self, x: Tensor) -> Tensor | None:
        """(..., 1), what activations (..., d_in) are divided by first and multiplied by in the end.

        None of SAEs that take activations as they are, and of transcoders: what they write has
        another scale, and is not scaled back.
        """
        how = self.sae.cfg.normalize_activations
        if "transcoder" in self.sae.cfg.architecture():
            return None
        if how == "constant_norm_rescale":
            length: Tensor = x.float().norm(dim=-1, keepdim=True)
            return length / math.sqrt(x.shape[-1])
        if how == "layer_norm":
            deviation: Tensor = x.float().std(dim=-1, keepdim=True)
            return deviation
        return None

    def _decodes_sparsely(self, features: Tensor) -> bool:
        """Whether so few features are active, by every 16th token, that decoding can skip most."""
        if not self._linear or features.device.type != "cpu" or features.dtype != torch.float32:
            return False
        some = features[::16]
        return int(some.count_nonzero()) <= _SPARSE * some.numel()


def _csr(at: Tensor, columns: Tensor, values: Tensor, size: torch.Size) -> Tensor:
    with ignored_warnings():
        return torch.sparse_csr_tensor(at, columns, values, size)


def _sparse(features: Tensor) -> Tensor:
    """The same (N, d_sae) as a sparse matrix, row by row."""
    with ignored_warnings():  # that the layout is in beta: tests hold it to the dense product
        return features.to_sparse_csr()


def load_sae(
    release: Release, ref: SaeRef, *, device: str = "cpu", dtype: str = "float32"
) -> LoadedSae:
    """Load an SAE of a release.

    Raises:
        SaeError: its files are damaged or missing, its weights are not finite, or it does not fit
            into memory. Whatever else its loader raises is a bug, and no message about files.
    """
    try:
        sae = _read(release, ref, device, dtype)
    except Exception as error:
        if is_out_of_memory(error):
            reason = _reason(error).rstrip(".")
            raise SaeError(
                f"SAE {ref.sae_id!r} does not fit into the memory of {device} ({reason}); "
                "free some of it, or choose another --sae-device or a smaller --sae-dtype"
            ) from error
        if not _is_of_files(error):
            raise
        raise SaeError(
            f"SAE {ref.sae_id!r} cannot be loaded from {ref.location}: {_reason(error)}; "
            "its files are damaged or not sae_lens's, save or download them again"
        ) from error
    _refuse_not_finite(ref, sae)
    if getattr(sae, "hook_z_reshaping_mode", False):
        # Taps give hook_z with its heads side by side, (..., n_heads * d_head), which is what the
        # reshaping would make of it.
        sae.turn_off_forward_pass_hook_z_reshaping()
    loaded = LoadedSae(ref, sae.eval())
    _refuse_not_working(loaded)
    return loaded


def _read(release: Release, ref: SaeRef, device: str, dtype: str) -> Any:
    with ignored_warnings():  # among them advice on how to load the model, which is followed
        from sae_lens import SAE

        if release.source == "directory":
            return SAE.from_pretrained(release.name, ref.sae_id, device=device, dtype=dtype)
        if release.source == "hub":
            repo_id, _, folder = ref.location.partition(":")
            return SAE.from_pretrained(repo_id, folder, device=device, dtype=dtype)
        return SAE.load_from_disk(ref.location, device=device, dtype=dtype)


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that there is no memory left, of the device or of the machine.

    torch has a class of its own for that on CUDA; on the CPU, and where a driver reports it, it
    raises a RuntimeError that says so.
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(said in text for said in _NO_MEMORY)


def _is_of_files(error: Exception) -> bool:
    """Whether an error is one that loaders raise where files are damaged, missing, or not theirs.

    Such as a config that is no JSON or names an unknown architecture (ValueError, KeyError),
    weights of other names or shapes (RuntimeError, but of no derived class: those are of the
    device, or bugs), an archive cut short, or a hub that does not answer.
    """
    import pickle
    import zipfile

    from huggingface_hub import errors as hub
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]
    from safetensors import SafetensorError

    if type(error) is RuntimeError:
        return not str(error).startswith("CUDA error")
    damaged = (SafetensorError, zipfile.BadZipFile, pickle.UnpicklingError, EOFError)
    missing = (OSError, httpx.HTTPError, hub.EntryNotFoundError, hub.XetDownloadError)
    return isinstance(error, (ValueError, KeyError, *damaged, *missing))


def _reason(error: Exception) -> str:
    """The first line of an error's message; of one that ends in a colon, the next one too."""
    first, *rest = [line.strip() for line in str(error).strip().split("\n")]
    if first.endswith(":") and rest:
        return f"{first} {rest[0]}".rstrip(".")
    return first or type(error).__name__


def _refuse_not_working(loaded: LoadedSae) -> None:
    """Refuse an SAE that cannot encode a token, such as one whose k is more than its features."""
    ref, sae = loaded.ref, loaded.sae
    token = torch.zeros(1, 1, ref.d_in, dtype=sae.dtype, device=sae.device)
    try:
        with ignored_warnings(), torch.inference_mode():
            loaded.reconstruct(token)
    except Exception as error:  # sae_lens's own code on what its files say: not a bug of the gate
        if isinstance(error, AttributeError | NameError):
            raise
        if is_out_of_memory(error):
            raise SaeError(
                f"SAE {ref.sae_id!r} does not fit into the memory of {sae.device} "
                f"({_reason(error).rstrip('.')}); free some of it, or choose another --sae-device "
                "or a smaller --sae-dtype"
            ) from error
        raise SaeError(
            f"SAE {ref.sae_id!r} cannot encode an activation of width {ref.d_in:,}: "
            f"{_reason(error)}; its cfg.json does not go with its weights, save it again"
        ) from error


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
