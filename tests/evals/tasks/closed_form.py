"""A model and an SAE whose every figure on a task is known in closed form.

The blocks do nothing, positions have no embedding, and the tokens' embeddings are rows of a
Hadamard matrix: mean 0 and variance 1, so that the final norm only divides by sqrt(1 + eps), and
orthogonal, so that the logits after token t are one column of a table. The SAE has one feature per
token, active with 1 on it, and decodes it to the embedding of another token, σ(t): spliced, the
model answers as if it had read that one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.linalg import hadamard

from sae_checks.load.language_model import LanguageModel
from sae_checks.load.sae import LoadedSae
from tests.builders import sae_ref

D = 8
TOKENS = D - 1  # tokens 1 .. 7; token 0 is BOS
HOOK_POINT = "blocks.0.hook_resid_pre"
EMBEDDINGS = torch.tensor(hadamard(D), dtype=torch.float32)  # row t of token t; row 0 is all ones


def logit_table(seed: int = 0) -> np.ndarray:
    """(V, V): logits of each next token (row) after each token (column)."""
    return np.random.default_rng(seed).normal(0, 2, (D, D))


def model_of(table: np.ndarray) -> LanguageModel:
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        n_embd=D,
        n_head=2,
        n_layer=1,
        vocab_size=D,
        n_positions=64,
        tie_word_embeddings=False,
        bos_token_id=0,
        eos_token_id=0,
    )
    model: Any = GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        for block in model.transformer.h:
            for projection in (block.attn.c_proj, block.mlp.c_proj):
                projection.weight.zero_()
                projection.bias.zero_()
        model.transformer.wpe.weight.zero_()
        model.transformer.wte.weight.copy_(EMBEDDINGS)
        scale = (1 + config.layer_norm_epsilon) ** 0.5
        readout = torch.tensor(table, dtype=torch.float32) @ EMBEDDINGS * scale / D
        model.lm_head.weight.copy_(readout)
    return LanguageModel(model, None)


def sae_of(confusion: dict[int, int]) -> LoadedSae:
    """Token t is taken for `confusion[t]`, or for itself."""
    from sae_lens import SAE

    config = {"architecture": "standard", "d_in": D, "d_sae": D, "apply_b_dec_to_input": False}
    sae: Any = SAE.from_dict(config | {"metadata": {"hook_name": HOOK_POINT}})
    taken_for = [confusion.get(token, token) for token in range(D)]
    with torch.no_grad():
        sae.W_enc.copy_(EMBEDDINGS.T)  # h_t · h_t is 8, all other products are 0
        sae.b_enc.fill_(1 - D)
        sae.W_dec.copy_(EMBEDDINGS[taken_for])
        sae.b_dec.zero_()
    return LoadedSae(sae_ref(HOOK_POINT, D, d_sae=D), sae.eval().requires_grad_(False))


def ln_p(table: np.ndarray, token: int, after: int) -> float:
    """Ln p(token) where the model reads `after`."""
    column = table[:, after]
    return float(column[token] - np.logaddexp.reduce(column))


def rank(table: np.ndarray, token: int, after: int) -> int:
    column = table[:, after]
    return int((column >= column[token]).sum())
