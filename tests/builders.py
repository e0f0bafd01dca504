"""Small random language models, SAEs and texts, made without a network in milliseconds."""

from __future__ import annotations

import warnings
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sae_checks.load.language_model import LanguageModel
from sae_checks.load.sae import LoadedSae
from sae_checks.load.texts import Texts
from sae_checks.records import ModelLoading, Release, SaeRef
from tests.architectures import BOS, CONTEXT, D_MODEL, VOCABULARY, hugging_face_model

LOADING = ModelLoading("small")


def language_model(architecture: str = "gpt2", *, center: bool = False) -> LanguageModel:
    return LanguageModel(hugging_face_model(architecture), None, center_writing_weights=center)


@cache
def shared_language_model(architecture: str = "gpt2", center: bool = False) -> LanguageModel:
    """One for all tests that bind hook points and run it, and change nothing else."""
    return language_model(architecture, center=center)


@cache
def shared_hooked_transformer(**processing: bool) -> Any:
    """The same of `hooked_transformer`."""
    return hooked_transformer(hugging_face_model(), **processing)


def hooked_transformer(gpt2: Any, **processing: bool) -> Any:
    """TransformerLens's model with the weights of a Hugging Face GPT-2.

    Args:
        gpt2: a `GPT2LMHeadModel`.
        processing: fold_ln, center_writing_weights, center_unembed; not done unless asked for.
    """
    from transformer_lens import HookedTransformer
    from transformer_lens.config.hooked_transformer_config import HookedTransformerConfig
    from transformer_lens.pretrained.weight_conversions import convert_gpt2_weights

    config = HookedTransformerConfig(
        d_model=gpt2.config.n_embd,
        d_head=gpt2.config.n_embd // gpt2.config.n_head,
        n_heads=gpt2.config.n_head,
        d_mlp=4 * gpt2.config.n_embd,
        n_layers=gpt2.config.n_layer,
        n_ctx=gpt2.config.n_positions,
        eps=gpt2.config.layer_norm_epsilon,
        d_vocab=gpt2.config.vocab_size,
        act_fn=gpt2.config.activation_function,
        normalization_type="LN",
        seed=0,
        device="cpu",
        original_architecture="GPT2LMHeadModel",
        use_hook_mlp_in=True,
    )
    none = dict.fromkeys(("fold_ln", "center_writing_weights", "center_unembed"), False)
    weights = {
        name: weight.detach().clone() for name, weight in convert_gpt2_weights(gpt2, config).items()
    }
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the class itself, gone in 4.0
        model = HookedTransformer(config)
        model.load_and_process_state_dict(weights, fold_value_biases=False, **none | processing)
    return model.eval().requires_grad_(False)


def sae(
    architecture: str, hook_point: str, d_in: int = D_MODEL, seed: int = 0, **config: Any
) -> Any:
    """A random SAE of sae_lens, of any architecture that it can run."""
    from sae_lens import SAE

    own: dict[str, dict[str, Any]] = {
        "topk": {"k": 6},
        "abstopk": {"k": 6},
        "matching_pursuit": {"max_iterations": 6},
        "temporal": {"n_heads": 2, "bottleneck_factor": 4, "kval_topk": 6},
    }
    settings = {
        "architecture": architecture,
        "d_in": d_in,
        "d_sae": 64,
        "metadata": {"hook_name": hook_point, "model_name": "small"},
    }
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(seed)
        made = SAE.from_dict(settings | own.get(architecture, {}) | config)
        for name, parameter in made.named_parameters():
            noise = 0.1 * torch.randn_like(parameter)
            parameter.data += noise.abs() if name == "threshold" else noise
        made.W_dec.data /= made.W_dec.data.norm(dim=-1, keepdim=True)
    return made.eval().requires_grad_(False)


def sae_ref(hook_point: str, d_in: int = D_MODEL, **fields: Any) -> SaeRef:
    values: dict[str, Any] = {
        "sae_id": hook_point,
        "hook_point": hook_point,
        "layer": 0,
        "site": hook_point,
        "training_context": 16,
        "d_in": d_in,
        "d_sae": 64,
        "architecture": "standard",
        "loading": LOADING,
        "location": "",
        "weights_key": "",
    }
    return SaeRef(**values | fields)


def release(*refs: SaeRef) -> Release:
    return Release("small-release", "folder", LOADING, refs)


def loaded_sae(hook_point: str, architecture: str = "standard", **config: Any) -> LoadedSae:
    made = sae(architecture, hook_point, **config)
    return LoadedSae(sae_ref(hook_point, made.cfg.d_in, architecture=architecture), made)


def transcoder(
    architecture: str, reads: str, writes: str, d_out: int = D_MODEL, **config: Any
) -> LoadedSae:
    """A random transcoder of sae_lens; its skip term, where it has one, is random too."""
    made = sae(
        architecture,
        reads,
        d_out=d_out,
        apply_b_dec_to_input=False,
        metadata={"hook_name": reads, "hook_name_out": writes, "model_name": "small"},
        **config,
    )
    fields = {"hook_point_out": writes, "width_out": d_out, "d_sae": made.cfg.d_sae}
    return LoadedSae(sae_ref(reads, made.cfg.d_in, architecture=architecture, **fields), made)


class IdentitySae:
    """Features and reconstruction are the activation itself."""

    dtype = torch.float32
    cfg = SimpleNamespace(architecture=lambda: "identity", normalize_activations="none")
    W_dec = torch.eye(D_MODEL)

    def encode(self, x: Tensor) -> Tensor:
        return x

    def decode(self, features: Tensor) -> Tensor:
        return features


def random_texts(texts: int = 6, context: int = CONTEXT, seed: int = 0) -> Texts:
    """Random tokens with BOS first and, in some texts, in the middle too."""
    tokens = np.random.default_rng(seed).integers(1, VOCABULARY, (texts, context))
    tokens[:, 0] = BOS
    tokens[2 % texts, context // 2] = BOS
    tokens[3 % texts, context // 3] = BOS
    return texts_of(tokens)


def texts_of(tokens: np.ndarray) -> Texts:
    """Each text a document of its own."""
    documents = np.repeat(np.arange(len(tokens), dtype=np.int32), tokens.shape[1])
    return Texts(
        tokens=tokens,
        special=tokens == BOS,
        documents=documents.reshape(tokens.shape),
        description={},
    )


class TokenServer:
    """Stands in for sae_lens's ActivationsStore: the same batch of tokens whenever it is asked."""

    def __init__(self, texts: Texts) -> None:
        self._tokens = torch.from_numpy(texts.tokens)
        self.store_batch_size_prompts, self.context_size = texts.tokens.shape

    def get_batch_tokens(self, batch_size: int) -> Tensor:
        assert batch_size == len(self._tokens)
        return self._tokens

    def reset_input_dataset(self) -> None:
        pass


def run_evals(sae: Any, model: Any, texts: Texts) -> dict[str, float]:
    """All that sae_lens's own evals say about an SAE on these texts, in one flat dictionary."""
    from sae_lens.evals import get_eval_everything_config
    from sae_lens.evals import run_evals as run
    from sae_lens.training.activation_scaler import ActivationScaler

    config = get_eval_everything_config(
        n_eval_reconstruction_batches=1, n_eval_sparsity_variance_batches=1
    )
    metrics, _ = run(
        sae, TokenServer(texts), model, ActivationScaler(), config, exclude_special_tokens=[BOS]
    )
    return {name: value for group in metrics.values() for name, value in group.items()}


def word_tokenizer(words: str, *, bos: bool = True) -> Any:
    """One token per word, <bos> (0) and <unk> (1) first."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import PreTrainedTokenizerFast

    vocabulary = {"<bos>": 0, "<unk>": 1}
    for word in words.split():
        vocabulary.setdefault(word, len(vocabulary))
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    special = {"bos_token": "<bos>"} if bos else {}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", **special)
