"""Refuses models that bring Python code of their own: naming a release must not run anybody's code.

Such a model's config.json or tokenizer_config.json names the code under `auto_map`. Where
transformers knows the model type or tokenizer class itself, its own code is used, and theirs is not
looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sae_checks.errors import ModelError
from sae_checks.third_party import ignored_warnings


def refuse_foreign_code(
    name: str, config: Mapping[str, Any], tokenizer_config: Mapping[str, Any]
) -> None:
    """Refuse a model that only code of its own can load.

    Args:
        name: what the model was asked for by.
        config: its config.json.
        tokenizer_config: its tokenizer_config.json; empty where it has none.

    Raises:
        ModelError: the model or its tokenizer is of a class that transformers does not know.
    """
    code = next(_strings(config.get("auto_map")), None)
    model_type = config.get("model_type")
    if code is not None and not _is_known_model(model_type):
        raise _refused(name, "config.json", code, f"model type {model_type!r}")
    code = next(_strings(tokenizer_config.get("auto_map")), None)
    tokenizer = tokenizer_config.get("tokenizer_class")
    if code is not None and not _is_known_tokenizer(tokenizer, model_type):
        raise _refused(name, "tokenizer_config.json", code, f"tokenizer class {tokenizer!r}")


def _refused(name: str, file: str, code: str, what: str) -> ModelError:
    return ModelError(
        f"model {name!r} brings Python code of its own (auto_map in its {file} names {code}) for "
        f"the {what}, which transformers does not know; sae-checks runs no code of models, name "
        "one that transformers knows with --sae-model"
    )


def _strings(auto_map: Any) -> Iterator[str]:
    """The names of code in an auto_map, which is an object of strings, of lists, or a list."""
    if isinstance(auto_map, str):
        yield auto_map
    elif isinstance(auto_map, dict):
        yield from _strings(list(auto_map.values()))
    elif isinstance(auto_map, list):
        for inner in auto_map:
            yield from _strings(inner)


def _is_known_model(model_type: Any) -> bool:
    """Whether transformers has a causal language model of this type (imports torch)."""
    with ignored_warnings():
        from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    return isinstance(model_type, str) and model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES


def _is_known_tokenizer(tokenizer: Any, model_type: Any) -> bool:
    """Whether transformers has this class, or for none a class for the type (imports torch)."""
    with ignored_warnings():
        from transformers.models.auto import tokenization_auto
    if tokenizer is None:
        known = tokenization_auto.TOKENIZER_MAPPING_NAMES
        return isinstance(model_type, str) and model_type in known
    if not isinstance(tokenizer, str):
        return False
    plain = tokenizer.removesuffix("Fast")
    with ignored_warnings():
        return any(
            tokenization_auto.tokenizer_class_from_name(each) is not None
            for each in (tokenizer, plain, plain + "Fast")
        )
