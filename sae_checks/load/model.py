"""Loads the language model that a release names, the way its SAEs want it loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from sae_checks import demo
from sae_checks.errors import ModelError
from sae_checks.load.language_model import LanguageModel
from sae_checks.records import ModelLoading
from sae_checks.resolve.foreign_code import refuse_foreign_code
from sae_checks.resolve.model_name import hub_model_name
from sae_checks.third_party import ignored_warnings

# Weight processing of TransformerLens that changes no value at any supported hook point, nor the
# loss, so that loading without it measures the same: proved in tests/load/test_language_model.py.
_WITHOUT_EFFECT = frozenset({"fold_ln", "center_unembed", "n_devices", "device", "move_to_device"})
_DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


def load_model(
    loading: ModelLoading,
    *,
    revision: str | None = None,
    device: str = "cpu",
    dtype: str = "float32",
) -> LanguageModel:
    """Load a model by TransformerLens name, Hugging Face id (at a commit), or local folder.

    Raises:
        ModelError: no such model, no network and nothing cached, a device that is absent, a model
            that only loads by running code of its own, or loading options whose effect sae-checks
            does not reproduce.
    """
    _refuse_unsupported(loading)
    target = torch_device(device)
    model, tokenizer = _from_pretrained(loading.model_name, _DTYPES[dtype], revision)
    kwargs = dict(loading.from_pretrained_kwargs)
    centered = bool(kwargs.get("center_writing_weights", False))
    return LanguageModel(model.to(target), tokenizer, center_writing_weights=centered)


def torch_device(device: str) -> torch.device:
    """The device asked for with --sae-device; ModelError if this machine has none such."""
    try:
        target = torch.device(device)
        if target.type == "cpu":  # of which there is one, whatever its number
            return torch.device("cpu")
        if target.type == "meta":
            raise ModelError(
                f"--sae-device {device!r}: nothing is computed there; name cpu, cuda, cuda:1, mps "
                "or auto"
            )
        torch.empty(0, device=target)
    except (RuntimeError, AssertionError) as error:
        present = [
            name
            for name, there in (
                ("cuda", torch.cuda.is_available()),
                ("mps", torch.backends.mps.is_available()),
            )
            if there
        ]
        raise ModelError(
            f"--sae-device {device!r} is not available on this machine; "
            f"it has {', '.join(['cpu', *present])}"
        ) from error
    return target


def _refuse_unsupported(loading: ModelLoading) -> None:
    if loading.model_class_name not in ("HookedTransformer", "AutoModelForCausalLM"):
        raise ModelError(
            f"model {loading.model_name!r} wants the model class {loading.model_class_name!r}; "
            "supported are HookedTransformer and AutoModelForCausalLM"
        )
    for key, value in loading.from_pretrained_kwargs:
        if key == "center_writing_weights" or key in _WITHOUT_EFFECT or not value:
            continue
        raise ModelError(
            f"model {loading.model_name!r} wants to be loaded with {key}={value!r}, which changes "
            "what its SAEs see and which sae-checks does not reproduce; supported is "
            "center_writing_weights"
        )


def _from_pretrained(name: str, dtype: torch.dtype, revision: str | None) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    source = str(demo.MODEL_FOLDER) if name == "tales" else hub_model_name(name)
    pinned = {} if revision is None or Path(source).is_dir() else {"revision": revision}
    logging.disable_progress_bar()
    try:
        with ignored_warnings():
            _refuse_foreign_code(name, source, pinned)
            # Left out, transformers would ask at the terminal whether to run the model's own code.
            native = {**pinned, "trust_remote_code": False}
            tokenizer = AutoTokenizer.from_pretrained(source, **native)
            model, info = AutoModelForCausalLM.from_pretrained(
                source, dtype=dtype, output_loading_info=True, **native
            )
    except ModelError:
        raise
    except Exception as error:  # of whatever class transformers has for files that are not its own
        raise ModelError(_cannot_load(name, source, error)) from error
    if info["missing_keys"]:
        missing = sorted(info["missing_keys"])
        raise ModelError(
            f"the weights of model {name!r} lack {missing[0]} ({len(missing)} missing in all), "
            "which would be drawn at random; its files are damaged or another architecture's"
        )
    return model, tokenizer


def _refuse_foreign_code(name: str, source: str, pinned: dict[str, str]) -> None:
    """Refuse by what the model's small files say, before anything of it is loaded."""
    from transformers import PreTrainedConfig
    from transformers.models.auto.tokenization_auto import get_tokenizer_config

    config, _ = PreTrainedConfig.get_config_dict(source, **pinned)
    refuse_foreign_code(name, config, get_tokenizer_config(source, **pinned))


def _cannot_load(name: str, source: str, error: Exception) -> str:
    if Path(source).is_dir():
        return f"model folder {source} cannot be loaded by transformers: {_first_line(error)}"
    return (
        f"model {name!r} ({source} on the hub) cannot be loaded: it is not there, not cached, or "
        f"there is no network ({_first_line(error)}); a local copy can be named with --sae-model "
        "FOLDER"
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0].rstrip(".")
