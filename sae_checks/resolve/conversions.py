"""What is known of sae_lens's conversion functions without network: by the names in its directory.

A release of another layout than sae_lens's own is read by a conversion function, which makes a
configuration out of the release's files and names. Read from
`sae_lens/loading/pretrained_sae_loaders.py` of 6.54.12: what each one's dictionaries are, where
they read, and what it writes that no file and no name of the release says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Kind = Literal["SAE", "transcoder", "skip transcoder", "cross-layer transcoder"]

# Kinds that are refused, and why, as the object of "holds"; a kind that is not here is gated.
REFUSED: Mapping[Kind, str] = MappingProxyType(
    {
        "cross-layer transcoder": "cross-layer transcoders, whose features write to the outputs of "
        "all later MLPs at once, while sae_lens sums what they write into one layer's: that sum "
        "stands for no activation, so there is nothing to hold it against",
    }
)

_OF_ENTRY_ID = re.compile(r"blocks\.\d+\.(hook_[a-z_]*[a-z])(?:_\d+)?")
_SITE_OF_WORD = (
    ("resid_post", "hook_resid_post"),
    ("attn_out", "attn.hook_z"),
    ("mlp_out", "hook_mlp_out"),
    ("transcoder", "pre_feedforward_layernorm.output"),  # sae_lens: hook_mlp_in, another place
)
_SITE_OF_LLAMA_SCOPE = {"A": "hook_attn_out", "M": "hook_mlp_out", "R": "hook_resid_post"}


@dataclass(frozen=True)
class Named:
    """An entry of the directory, by its names alone.

    Attributes:
        sae_id: its id in the release.
        repo_id: of the hub repo in which it lies.
        path: where in the repo.
    """

    sae_id: str
    repo_id: str
    path: str


def _always(site: str | None) -> Callable[[Named], str | None]:
    return lambda entry: site


def _of_entry_id(entry: Named) -> str | None:
    match = _OF_ENTRY_ID.fullmatch(entry.sae_id)
    return None if match is None else match.group(1)


def _of_gemma_2(entry: Named) -> str | None:
    if "embedding" in entry.path:
        return "hook_embed"
    words = {"res": "hook_resid_post", "mlp": "hook_mlp_out", "att": "attn.hook_z"}
    return words.get(entry.repo_id.rpartition("-")[2])


def _of_gemma_3(entry: Named) -> str | None:
    return next((site for word, site in _SITE_OF_WORD if word in entry.path), None)


def _of_llama_scope(entry: Named) -> str | None:
    match = re.search(r"-L\d+([AMR])-", entry.path)
    return None if match is None else _SITE_OF_LLAMA_SCOPE[match.group(1)]


def _is_sae(entry: Named) -> Kind:
    return "SAE"


def _is_transcoder(entry: Named) -> Kind:
    return "transcoder"


def _is_cross_layer(entry: Named) -> Kind:
    return "cross-layer transcoder"


def _kind_of_gemma_3(entry: Named) -> Kind:
    if "clt" in entry.path:
        return "cross-layer transcoder"
    if "transcoder" in entry.path:
        return "skip transcoder" if "affine" in entry.path else "transcoder"
    return "SAE"


def _no_model(repo_id: str) -> str | None:
    return None


def _gemma_2_model(repo_id: str) -> str | None:
    match = re.search(r"gemma-scope-(\d+b(?:-it)?)", repo_id)
    return None if match is None else f"gemma-2-{match.group(1)}"


@dataclass(frozen=True)
class Conversion:
    """What one conversion function makes of a release.

    Attributes:
        architecture: of its dictionaries, as sae_lens calls it; None: their own files say.
        site: where an entry reads; None: its own file says.
        kind: what an entry is.
        assumed: names of the metadata that it writes by itself, whatever the release says: they are
            not declared.
        unwritten: names of those that it does not write at all: they are not declared either.
        target_l0: whether the L0 that the directory names for its entries is what training aimed
            at, not what was measured.
        model: the model by the name of a hub repo; None: the directory or the release's files say.
    """

    architecture: str | None = None
    site: Callable[[Named], str | None] = _of_entry_id
    kind: Callable[[Named], Kind] = _is_sae
    assumed: frozenset[str] = frozenset()
    unwritten: frozenset[str] = frozenset()
    target_l0: bool = False
    model: Callable[[str], str | None] = _no_model


# A context size, a data set and a BOS that are the same for whatever release it reads.
_ALL_THREE = frozenset({"context_size", "dataset_path", "prepend_bos"})
# sae_lens's own layout, in which nothing is converted.
OWN_LAYOUT = Conversion()

CONVERSIONS: Mapping[str, Conversion] = MappingProxyType(
    {
        "connor_rob_hook_z": Conversion("standard", _always("attn.hook_z"), assumed=_ALL_THREE),
        "deepseek_r1": Conversion("standard", _always("hook_resid_post"), assumed=_ALL_THREE),
        "dictionary_learning_1": Conversion(
            None,
            _always("hook_resid_post"),
            # Of the model's name it keeps what stands after the owner, which is no hub id.
            assumed=frozenset({"dataset_path", "prepend_bos", "model_name"}),
        ),
        "gemma_2": Conversion("jumprelu", _of_gemma_2, assumed=_ALL_THREE, model=_gemma_2_model),
        "gemma_2_transcoder": Conversion(
            "jumprelu", _always("ln2.hook_normalized"), _is_transcoder, _ALL_THREE
        ),
        "gemma_3": Conversion(
            "jumprelu", _of_gemma_3, _kind_of_gemma_3, _ALL_THREE, target_l0=True
        ),
        "goodfire": Conversion(
            "standard",
            _always("hook_resid_post"),
            assumed=frozenset({"dataset_path"}),
            unwritten=frozenset({"context_size", "prepend_bos"}),
        ),
        "llama_scope": Conversion("jumprelu", _of_llama_scope, assumed=_ALL_THREE, target_l0=True),
        "llama_scope_r1_distill": Conversion(
            "jumprelu",
            _always("hook_resid_post"),
            # It writes Llama-3.1-8B, where the directory names the model distilled into that.
            assumed=_ALL_THREE | {"model_name"},
        ),
        "mntss_clt_layer_transcoder": Conversion(
            None, _always(None), _is_cross_layer, unwritten=_ALL_THREE
        ),
        "mwhanna_transcoder": Conversion(
            None,
            _always("mlp.hook_in"),
            _is_transcoder,
            # Its context size is the batch size of the training run.
            assumed=frozenset({"context_size", "dataset_path"}),
            unwritten=frozenset({"prepend_bos"}),
        ),
        "qwen_scope": Conversion(
            "topk",
            _always("hook_resid_post"),
            assumed=frozenset({"context_size", "prepend_bos"}),
            unwritten=frozenset({"dataset_path"}),
            target_l0=True,
        ),
        "temporal": Conversion(
            "temporal", _always("hook_resid_post"), unwritten=_ALL_THREE, target_l0=True
        ),
    }
)


def conversion_named(name: str | None) -> Conversion:
    """What is known of a conversion function; None is sae_lens's own layout.

    Of one that a later sae_lens has, nothing is known but its name.
    """
    if name is None:
        return OWN_LAYOUT
    unknown = Conversion(None, _always(None), _is_transcoder if "transcoder" in name else _is_sae)
    return CONVERSIONS.get(name, unknown)
