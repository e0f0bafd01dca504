"""What a language model's config.json alone tells: its context, and its version."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sae_checks import demo
from sae_checks.errors import ModelError, ReleaseError
from sae_checks.records import ModelLoading
from sae_checks.resolve.foreign_code import refuse_foreign_code
from sae_checks.resolve.json_file import read_object
from sae_checks.resolve.model_name import hub_model_name

# How architectures call the longest context they take.
_CONTEXT_KEYS = ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "seq_length")
_MOST_CONTEXT = 2**31  # some say far more than they read, none says more than an index holds


@dataclass(frozen=True)
class ModelConfig:
    """A model before it is loaded."""

    context: int | None  # tokens; None where the architecture sets no bound
    version: str  # the hub's commit, or a hash of a local folder's files


def read_model_config(loading: ModelLoading) -> ModelConfig:
    """Read a model's config.json from its folder, the cache, or the hub.

    Raises:
        ModelError: the folder is no model, or the model only loads by running code of its own.
        ReleaseError: the hub has no such model, or cannot be reached and nothing is cached.
    """
    name = loading.model_name
    folder = demo.MODEL_FOLDER if name == "tales" else Path(name).expanduser()
    if folder.is_dir():
        config = _read(folder / "config.json")
        tokenizer_file = folder / "tokenizer_config.json"
        refuse_foreign_code(name, config, _read(tokenizer_file) if tokenizer_file.is_file() else {})
        return ModelConfig(_context(name, config), _hash_folder(folder))
    from sae_checks.resolve import hub  # asks for much, and a local model for none of it

    repo = hub.HubRepo(hub_model_name(name), instead="name a local copy with --sae-model")
    try:
        path, commit = repo.file("config.json", repo.commit())
    except ReleaseError as error:
        raise ModelError(f"model {name!r}: {error}") from error
    config = _read(path)
    refuse_foreign_code(name, config, {})  # of the tokenizer, when that is loaded
    return ModelConfig(_context(name, config), commit)


def _context(name: str, config: dict[str, Any]) -> int | None:
    for place in (config, config.get("text_config")):
        if not isinstance(place, dict):
            continue
        for key in _CONTEXT_KEYS:
            value = place.get(key)
            if isinstance(value, int) and not isinstance(value, bool):
                if not 1 <= value < _MOST_CONTEXT:
                    raise ModelError(
                        f"the config.json of model {name!r} says {key} = {value!r:.40}, but a "
                        f"model reads 1 to {_MOST_CONTEXT - 1:,} tokens; restore it, or name "
                        "another with --sae-model"
                    )
                return value
    return None


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_object(path)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"folder {path.parent} is no model that transformers saved ({path.name}: {error}); "
            "--sae-model takes such a folder, or a name"
        ) from error


def _hash_folder(folder: Path) -> str:
    """A hash over names and contents of the folder's own files."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith("."):
            digest.update(path.name.encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return f"sha256:{digest.hexdigest()}"
