"""The bundled release: its files load, and its SAEs fail past their context as they should."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from sae_checks.demo import FOLDER, MODEL_FOLDER, SAES_FOLDER
from sae_checks.demo.stories import VOCABULARY, stories

SAE = pytest.importorskip("sae_lens").SAE
transformers = pytest.importorskip("transformers")

HOOKS = (
    "blocks.0.hook_resid_pre",
    "blocks.1.hook_resid_pre",
    "blocks.2.hook_resid_pre",
    "blocks.3.hook_resid_pre",
    "blocks.3.hook_resid_post",
)
N_STORIES = 24
FRESH_SEED = 987_654  # used by no training run
CONTEXT = 256
MAX_BYTES = 10_000_000


@pytest.fixture(scope="module")
def model() -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(MODEL_FOLDER).eval()


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return transformers.AutoTokenizer.from_pretrained(MODEL_FOLDER)


@pytest.fixture(scope="module")
def tokens(tokenizer: Any) -> Tensor:
    texts = [story.text for story in islice(stories(FRESH_SEED), N_STORIES)]
    return torch.tensor([tokenizer(text)["input_ids"][:CONTEXT] for text in texts])


def losses(model: Any, tokens: Tensor) -> Tensor:
    """Nats at positions 1 to 254 of every text: the loss of predicting the next token."""
    with torch.no_grad():
        logp = model(tokens).logits.log_softmax(-1)  # [text, position, vocabulary]
    return -logp[:, 1:-1].gather(-1, tokens[:, 2:, None]).squeeze(-1)  # [text, position]


@pytest.fixture(scope="module")
def clean(model: Any, tokens: Tensor) -> Tensor:
    return losses(model, tokens)


@pytest.fixture(scope="module")
def figures(model: Any, tokens: Tensor, clean: Tensor) -> dict[str, dict[str, Tensor]]:
    """Per SAE: mean L0 and mean delta CE by position, 1 to 254, and the share explained in 1..63.

    Measured with a hook of the test's own on the module that reads the stream.
    """
    figures = {}
    readers = dict(zip(HOOKS, [*model.transformer.h, model.transformer.ln_f], strict=True))
    for hook, reader in readers.items():
        sae = SAE.load_from_disk(SAES_FOLDER / hook)
        seen: dict[str, Tensor] = {}

        def splice(_: Any, inputs: Any, sae: Any = sae, seen: Any = seen) -> Any:
            stream = inputs[0].clone()  # [text, position, d_model]
            seen["l0"] = (sae.encode(stream[:, 1:]) > 0).sum(-1).float().mean(0)[:-1]
            rebuilt = sae(stream[:, 1:])
            seen["missed"] = (stream[:, 1:64] - rebuilt[:, :63]).square().sum()
            seen["spread"] = (stream[:, 1:64] - stream[:, 1:64].mean((0, 1))).square().sum()
            stream[:, 1:] = rebuilt
            return (stream, *inputs[1:])

        handle = reader.register_forward_pre_hook(splice)
        spliced = losses(model, tokens)
        handle.remove()
        figures[hook] = {
            "l0": seen["l0"],
            "delta_ce": (spliced - clean).mean(0),
            "explained": 1 - seen["missed"] / seen["spread"],
        }
    return figures


def over(by_position: Tensor, first: int, last: int) -> float:
    """The mean over positions first to last; column 0 is position 1."""
    return by_position[first - 1 : last].mean().item()


@pytest.mark.parametrize("hook", HOOKS)
def test_every_sae_is_fine_inside_its_context(hook: str, figures: Any) -> None:
    assert over(figures[hook]["delta_ce"], 1, 63) <= 0.05
    assert over(figures[hook]["l0"], 1, 63) <= 40
    assert figures[hook]["explained"] >= 0.9
    for first, last in ((1, 1), (2, 3), (4, 7), (8, 15), (16, 31), (32, 63)):
        assert over(figures[hook]["delta_ce"], first, last) <= 0.05, (first, last)


def test_the_first_sae_fails_past_its_context(figures: Any) -> None:
    first = figures[HOOKS[0]]
    assert over(first["delta_ce"], 128, 254) > 0.3
    assert over(first["l0"], 128, 254) > 2 * over(first["l0"], 1, 63)


def test_the_last_sae_is_nearly_unharmed_past_its_context(figures: Any) -> None:
    assert over(figures[HOOKS[-1]]["delta_ce"], 64, 254) <= 0.1


def test_the_earlier_the_layer_the_greater_the_harm(figures: Any) -> None:
    harm = [over(figures[hook]["delta_ce"], 128, 254) for hook in HOOKS]
    assert harm[0] > 2 * harm[-1]
    assert harm[0] == max(harm)


def test_the_model_answers_its_slots(model: Any, tokens: Tensor) -> None:
    with torch.no_grad():
        guesses = model(tokens).logits.argmax(-1)  # [text, position]
    right = [
        bool(guesses[row, slot] == tokens[row, slot + 1])  # word i is token i + 1
        for row, story in enumerate(islice(stories(FRESH_SEED), N_STORIES))
        for slot in story.slots
        if slot + 1 < CONTEXT
    ]
    assert sum(right) / len(right) >= 0.8


def test_tokenizer_gives_one_token_per_word_behind_bos(tokenizer: Any) -> None:
    story = next(stories(FRESH_SEED))
    ids = tokenizer(story.text)["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids) == ["<bos>", *story.words]
    assert tokenizer("snork")["input_ids"] == [tokenizer.bos_token_id, tokenizer.unk_token_id]
    assert tokenizer.bos_token_id == tokenizer.eos_token_id == VOCABULARY.index("<bos>")


def test_model_has_the_shape_it_says(model: Any) -> None:
    config = model.config
    assert (config.n_positions, config.n_layer, config.n_embd) == (CONTEXT, 4, 128)
    assert config.vocab_size == len(VOCABULARY)
    assert model.lm_head.weight is model.transformer.wte.weight


@pytest.mark.parametrize("hook", HOOKS)
def test_cfg_says_where_and_how_the_sae_was_trained(hook: str) -> None:
    cfg = json.loads((SAES_FOLDER / hook / "cfg.json").read_text())
    assert cfg["architecture"] == "standard"
    assert (cfg["d_in"], cfg["device"], cfg["dtype"]) == (128, "cpu", "float32")
    assert cfg["normalize_activations"] == "none"
    expected = {
        "model_name": "tales",
        "model_class_name": "HookedTransformer",
        "hook_name": hook,
        "hook_head_index": None,
        "context_size": 64,
        "prepend_bos": True,
        "dataset_path": "tales",
        "model_from_pretrained_kwargs": {},
        "exclude_special_tokens": True,
    }
    assert {key: cfg["metadata"].get(key) for key in expected} == expected
    assert cfg["metadata"]["sae_lens_version"]


def test_release_is_small_and_names_no_folder_of_its_maker() -> None:
    files = [file for file in FOLDER.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) <= MAX_BYTES
    assert {file.suffix for file in files} == {".json", ".safetensors"}
    for file in files:
        if file.suffix == ".json":
            assert '"/' not in file.read_text(), file


@pytest.fixture(scope="module")
def miniature(tmp_path_factory: Any) -> tuple[Path, Path]:
    """Two releases built by the same few steps of training."""
    from sae_checks.demo.autoencoders import Effort
    from sae_checks.demo.language_model import Stage
    from sae_checks.demo.train import Plan, build

    plan = Plan(
        cycles=((Stage(1, batch=2, length=32), Stage(1, batch=2, length=CONTEXT)),),
        sae=Effort(stories=8, steps=10, batch=128),
        quality_stories=2,
    )
    folders = (tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two"))
    for folder in folders:
        build(folder, plan)
    return folders


def test_training_writes_a_loadable_release(miniature: tuple[Path, Path]) -> None:
    folder = miniature[0]
    transformers.AutoModelForCausalLM.from_pretrained(folder / "model")
    transformers.AutoTokenizer.from_pretrained(folder / "model")
    for hook in HOOKS:
        sae = SAE.load_from_disk(folder / "saes" / hook)
        assert sae.cfg.metadata.hook_name == hook
    written = {file.relative_to(folder) for file in folder.rglob("*") if file.is_file()}
    stored = {file.relative_to(FOLDER) for file in FOLDER.rglob("*") if file.is_file()}
    assert written == stored


def test_training_twice_gives_the_same_bytes(miniature: tuple[Path, Path]) -> None:
    one, two = miniature
    for file in one.rglob("*"):
        if file.is_file():
            assert file.read_bytes() == (two / file.relative_to(one)).read_bytes(), file


def test_training_changes_the_weights(miniature: tuple[Path, Path]) -> None:
    from sae_checks.demo.language_model import build_model
    from sae_checks.demo.train import MODEL_SEED

    trained = load_file(miniature[0] / "model" / "model.safetensors")
    untrained = build_model(MODEL_SEED).state_dict()
    assert not torch.equal(trained["transformer.wpe.weight"], untrained["transformer.wpe.weight"])
