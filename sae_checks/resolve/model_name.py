"""TransformerLens's names for models, without importing TransformerLens (which brings torch)."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path


@cache
def _aliases() -> dict[str, str]:
    """TransformerLens's lower-case names and aliases -> Hugging Face ids."""
    package = importlib.util.find_spec("transformer_lens")
    if package is None or package.origin is None:
        return {}
    # The table is pure data, so that its file can be run alone.
    path = Path(package.origin).parent / "supported_models.py"
    spec = importlib.util.spec_from_file_location("_transformer_lens_models", path)
    if spec is None or spec.loader is None:
        return {}
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    names = {name.lower(): name for name in module.OFFICIAL_MODEL_NAMES}
    return names | {
        a.lower(): name for name, aliases in module.MODEL_ALIASES.items() for a in aliases
    }


def hub_model_name(name: str) -> str:
    """The Hugging Face id of a model by any of its names; folders and unknown names stay."""
    if Path(name).is_dir():
        return name
    return _aliases().get(name.lower(), name)
