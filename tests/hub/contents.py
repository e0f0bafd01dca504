"""What lies on the loopback hub: gpt2, its SAEs and their corpus, small and random.

Ids, files and keys are those of the real repos; only sizes and weights are not.
"""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

D_MODEL, D_SAE, LAYERS, HEADS, CONTEXT = 32, 64, 12, 4, 1024
TRAINING_CONTEXT = 128
END_OF_TEXT = "<|endoftext|>"
# Single tokens behind a space, as in GPT-2's own vocabulary.
NAMES = ("Mary", "John", "James", "David", "Daniel", "Mark", "Paul", "George", "Sarah", "Anna")

GPT2 = "openai-community/gpt2"
MOVED = {"gpt2": GPT2}  # the id that everybody uses is a former one
SAES = "jbloom/GPT2-Small-SAEs-Reformatted"
CORPUS = "Skylion007/openwebtext"
LAMBADA, LAMBADA_OPENAI = "cimec/lambada", "EleutherAI/lambada_openai"
CBT = "cam-cst/cbt"
ROWS = 60  # of each task's split
MY_SAES = "somebody/my-saes"  # no release of sae_lens's directory

HOOK_POINTS = (
    *(f"blocks.{layer}.hook_resid_pre" for layer in range(LAYERS)),
    f"blocks.{LAYERS - 1}.hook_resid_post",
)
MY_HOOK_POINT = HOOK_POINTS[3]


def build(root: Path) -> None:
    """Write all repos below a folder, as `HubServer` serves them."""
    models = root / "models"
    build_gpt2(models / GPT2)
    for seed, hook_point in enumerate(HOOK_POINTS):
        weights = sae_weights(seed)
        build_flat_sae(models / SAES / hook_point, hook_point, weights)
        if hook_point == MY_HOOK_POINT:
            build_sae(models / MY_SAES / "layer-3", hook_point, weights)
    build_corpus(root / "datasets" / CORPUS)
    build_lambada(root / "datasets" / LAMBADA)
    build_lambada_openai(root / "datasets" / LAMBADA_OPENAI)
    build_cbt(root / "datasets" / CBT)


def build_gpt2(folder: Path, seed: int = 0) -> None:
    """A model whose writing weights have a mean: centring them moves the residual stream."""
    from transformers import GPT2Config, GPT2LMHeadModel

    tokenizer = write_tokenizer(folder)
    config = GPT2Config(
        n_embd=D_MODEL,
        n_head=HEADS,
        n_layer=LAYERS,
        n_positions=CONTEXT,
        vocab_size=len(tokenizer),
        bos_token_id=tokenizer[END_OF_TEXT],
        eos_token_id=tokenizer[END_OF_TEXT],
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = GPT2LMHeadModel(config)
        for parameter in model.parameters():
            parameter.data += 0.05 + 0.05 * torch.randn_like(parameter)
    model.save_pretrained(folder)


def write_tokenizer(folder: Path) -> dict[str, int]:
    """GPT-2's own kind, byte-level BPE, but with few merges; returns its vocabulary."""
    from tokenizers import Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE

    alphabet, merges = sorted(pre_tokenizers.ByteLevel.alphabet()), _merges()
    tokens = [*alphabet, END_OF_TEXT, *("".join(merge) for merge in merges)]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([END_OF_TEXT])
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(merge) for merge in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    _write_json(folder / "tokenizer_config.json", {"model_max_length": CONTEXT})
    return vocabulary


def _merges() -> list[tuple[str, str]]:
    """What makes a space and a letter one token, so that words begin differently, and the names."""
    space = "\N{LATIN CAPITAL LETTER G WITH DOT ABOVE}"  # as byte-level BPE writes it
    merges = dict.fromkeys((space, letter) for letter in string.ascii_letters)
    for name in NAMES:
        for length in range(1, len(name)):
            merges[space + name[:length], name[length]] = None
    return list(merges)


def sae_weights(seed: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    decoder = torch.nn.functional.normalize(
        torch.randn(D_SAE, D_MODEL, generator=generator), dim=-1
    )
    return {
        "W_enc": decoder.T.contiguous(),  # (d_in, d_sae)
        "W_dec": decoder,  # (d_sae, d_in)
        "b_enc": torch.full((D_SAE,), -0.1),
        "b_dec": torch.zeros(D_MODEL),
    }


def build_flat_sae(folder: Path, hook_point: str, weights: dict[str, Tensor]) -> None:
    """An SAE as sae_lens wrote it before version 6.0."""
    _, layer, _ = hook_point.split(".")
    config = {
        "model_name": "gpt2-small",
        "hook_point": hook_point,
        "hook_point_layer": int(layer),
        "hook_point_head_index": None,
        "dataset_path": CORPUS,
        "is_dataset_tokenized": False,
        "context_size": TRAINING_CONTEXT,
        "use_cached_activations": False,
        "d_in": D_MODEL,
        "d_sae": D_SAE,
        "expansion_factor": D_SAE // D_MODEL,
        "b_dec_init_method": "geometric_median",
        "l1_coefficient": 8e-05,
        "lr": 0.0004,
        "seed": 42,
        "device": "cpu",
        "dtype": "torch.float32",
        "prepend_bos": True,
        "normalize_activations": "none",
    }
    _write_json(folder / "cfg.json", config)
    save_file(weights, folder / "sae_weights.safetensors")
    save_file({"sparsity": torch.full((D_SAE,), -2.0)}, folder / "sparsity.safetensors")


def build_sae(folder: Path, hook_point: str, weights: dict[str, Tensor], **metadata: Any) -> None:
    """An SAE as sae_lens writes it since version 6.0, without a sparsity file."""
    config = {
        "architecture": "standard",
        "d_in": D_MODEL,
        "d_sae": D_SAE,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {
            "sae_lens_version": "6.54.12",
            "model_name": "gpt2",
            "model_class_name": "HookedTransformer",
            "hook_name": hook_point,
            "hook_head_index": None,
            "context_size": TRAINING_CONTEXT,
            "dataset_path": CORPUS,
            "prepend_bos": True,
        }
        | metadata,
    }
    _write_json(folder / "cfg.json", config)
    save_file(weights, folder / "sae_weights.safetensors")


def build_corpus(folder: Path) -> None:
    """English prose that every Python carries, in two Parquet files."""
    from pydoc_data.topics import topics

    import pyarrow as pa
    import pyarrow.parquet as pq

    documents = [topics[name] for name in sorted(topics)]
    (folder / "plain_text").mkdir(parents=True)
    for part in range(2):
        table = pa.table({"text": documents[part::2]})
        pq.write_table(table, folder / "plain_text" / f"train-0000{part}-of-00002.parquet")
    card = (
        "---\nconfigs:\n- config_name: plain_text\n  data_files:\n  - split: train\n"
        "    path: plain_text/train-*\n  default: true\n---\n# OpenWebText\n"
    )
    (folder / "README.md").write_text(card, encoding="utf-8")


def build_lambada(folder: Path) -> None:
    """Passages of which only the training split knows a domain."""
    import pyarrow as pa

    table = pa.table({"text": _passages(24), "domain": [None] * ROWS})
    fields = [pa.field(name, pa.string()) for name in ("text", "domain")]
    _write_split(folder, "plain_text", "test", table.cast(pa.schema(fields)))


def build_lambada_openai(folder: Path) -> None:
    """The same kind of passages, as one file of lines."""
    lines = "".join(json.dumps({"text": passage}) + "\n" for passage in _passages(24))
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "lambada_test.jsonl").write_text(lines, encoding="utf-8")
    _write_card(folder, "default", "test", "data/lambada_test.jsonl")


def build_cbt(folder: Path) -> None:
    """Twenty sentences, a question with a blank at its fifth word, and ten options."""
    import pyarrow as pa

    rows = []
    for passage in _passages(21 * 8):
        words = passage.split()
        sentences = [" ".join(words[start : start + 8]) for start in range(0, 20 * 8, 8)]
        *question, answer = words[20 * 8 :][:5]
        asked = " ".join((*question, "XXXXX", *words[20 * 8 + 5 :]))
        others = [word for word in dict.fromkeys(words) if word != answer]
        options = sorted([answer, *others[:9]])
        rows.append({"sentences": sentences, "question": asked, "answer": answer})
        rows[-1]["options"] = options
    _write_split(folder, "CN", "validation", pa.Table.from_pylist(rows))


def _passages(words: int) -> list[str]:
    """`ROWS` passages of so many words each."""
    from pydoc_data.topics import topics

    prose = " ".join(topics[name] for name in sorted(topics)).split()
    return [" ".join(prose[start : start + words]) for start in range(0, ROWS * words, words)]


def _write_split(folder: Path, config: str, split: str, table: Any) -> None:
    import pyarrow.parquet as pq

    (folder / config).mkdir(parents=True)
    pq.write_table(table, folder / config / f"{split}-00000-of-00001.parquet")
    _write_card(folder, config, split, f"{config}/{split}-*")


def _write_card(folder: Path, config: str, split: str, files: str) -> None:
    card = (
        f"---\nconfigs:\n- config_name: {config}\n  data_files:\n  - split: {split}\n"
        f"    path: {files}\n---\n# A task\n"
    )
    (folder / "README.md").write_text(card, encoding="utf-8")


def _write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")
