"""Models with Python code of their own: which are refused, and how."""

from __future__ import annotations

from typing import Any

import pytest

from sae_checks.errors import ModelError
from sae_checks.resolve.foreign_code import refuse_foreign_code

CODE = {"AutoConfig": "code.Config", "AutoModelForCausalLM": "owner/repo--code.Model"}
SLOW, FAST = "tokens.Slow", "tokens.Fast"


def refusal(config: dict[str, Any], tokenizer: dict[str, Any]) -> str:
    with pytest.raises(ModelError) as caught:
        refuse_foreign_code("made/up", config, tokenizer)
    return str(caught.value)


@pytest.mark.parametrize(
    ("config", "tokenizer"),
    [
        ({}, {}),
        ({"model_type": "foreign"}, {"tokenizer_class": "Foreign"}),  # transformers refuses these
        ({"model_type": "foreign", "auto_map": {}}, {"auto_map": None}),
        ({"model_type": "gpt2", "auto_map": CODE}, {}),
        ({"model_type": "gpt2"}, {"auto_map": {"AutoTokenizer": [SLOW, None]}}),
        (
            {"model_type": "gpt2"},
            {"tokenizer_class": "GPT2TokenizerFast", "auto_map": {"AutoTokenizer": [SLOW, FAST]}},
        ),
        (
            {"model_type": "gpt2"},
            {"tokenizer_class": "PreTrainedTokenizerFast", "auto_map": [SLOW, FAST]},
        ),
    ],
    ids=["nothing", "no code", "empty", "gpt2", "by type", "by class", "generic"],
)
def test_what_transformers_knows_is_let_through(config, tokenizer):
    refuse_foreign_code("made/up", config, tokenizer)


@pytest.mark.parametrize("model_type", ["foreign", "vit", None, ["gpt2"]])
@pytest.mark.parametrize(
    ("auto_map", "named"),
    [(CODE, "code.Config"), ({"AutoModel": "code.Model"}, "code.Model"), ("code.Any", "code.Any")],
    ids=["causal", "any", "text"],
)
def test_a_model_of_an_unknown_type_is_refused(model_type, auto_map, named: str):
    assert refusal({"model_type": model_type, "auto_map": auto_map}, {}) == (
        f"model 'made/up' brings Python code of its own (auto_map in its config.json names {named})"
        f" for the model type {model_type!r}, which transformers does not know; sae-checks runs "
        "no code of models, name one that transformers knows with --sae-model"
    )


@pytest.mark.parametrize(
    ("model_type", "tokenizer", "auto_map"),
    [
        ("gpt2", "Foreign", {"AutoTokenizer": [None, FAST]}),
        ("gpt2", "ForeignFast", [FAST]),
        ("foreign", None, {"AutoTokenizer": FAST}),
        ("gpt2", 7, {"AutoTokenizer": [None, FAST]}),
    ],
)
def test_an_unknown_tokenizer_is_refused(model_type: str, tokenizer, auto_map):
    config = {"tokenizer_class": tokenizer, "auto_map": auto_map}
    assert refusal({"model_type": model_type}, config) == (
        "model 'made/up' brings Python code of its own (auto_map in its tokenizer_config.json "
        f"names {FAST}) for the tokenizer class {tokenizer!r}, which transformers does not know; "
        "sae-checks runs no code of models, name one that transformers knows with --sae-model"
    )
