"""Folders of SAEs whose configurations matter and whose weights do not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FLAT: dict[str, Any] = {
    "model_name": "gpt2-small",
    "hook_point": "blocks.3.hook_resid_pre",
    "hook_point_layer": 3,
    "hook_point_head_index": None,
    "dataset_path": "Skylion007/openwebtext",
    "context_size": 128,
    "d_in": 768,
    "d_sae": 24576,
    "dtype": "torch.float32",
}
METADATA: dict[str, Any] = {
    "sae_lens_version": "6.54.12",
    "model_name": "gemma-2-2b",
    "model_class_name": "HookedTransformer",
    "hook_name": "blocks.12.hook_resid_post",
    "hook_head_index": None,
    "context_size": 1024,
    "dataset_path": "monology/pile-uncopyrighted",
    "prepend_bos": False,
    "neuronpedia_id": "gemma-2-2b/12-res",
    "model_from_pretrained_kwargs": {"n_devices": 1, "center_writing_weights": True},
}
NESTED: dict[str, Any] = {
    "architecture": "jumprelu",
    "d_in": 2304,
    "d_sae": 16384,
    "dtype": "float32",
    "metadata": METADATA,
}


def nested(**metadata: Any) -> dict[str, Any]:
    return NESTED | {"metadata": METADATA | metadata}


def write_sae(folder: Path, config: object = FLAT, weights: bytes = b"weights") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    text = config if isinstance(config, str) else json.dumps(config)
    (folder / "cfg.json").write_text(text, encoding="utf-8")
    (folder / "sae_weights.safetensors").write_bytes(weights)
    return folder
