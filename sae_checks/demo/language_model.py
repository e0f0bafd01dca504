"""The demo's language model: a GPT-2 of four small layers, trained on generated stories."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from sae_checks.demo.stories import BOS, UNK, VOCABULARY, Story

CONTEXT = 256  # tokens, `<bos>` included
LAYERS = 4
HEADS = 4
D_MODEL = 128
PEAK_LR = 1e-3
WARMUP_STEPS = 50
COOL_DOWN = 0.25  # share of all steps, at the end, over which the rate falls to zero
WEIGHT_DECAY = 0.01
# A tenth of the words are slots, and remembering is hard to learn next to the easy gain of
# knowing the sentences: with all words equal, models of this size are stuck at guessing for long.
SLOT_WEIGHT = 5.0
INIT_STD = 0.08  # near 1 / sqrt(d_model); GPT-2's own 0.02 suits wider models
# Some dimensions of the position vectors start as waves, so that "a few words back" is the same
# direction everywhere from the start; training moves them like all others. No wave is longer than
# the SAEs' context, so that none has a mean there which could serve an SAE as a second bias.
WAVE_DIMS = 32
WAVE_AMPLITUDE = 0.2
WAVE_LENGTHS = (4.0, 64.0)  # shortest and longest, in tokens
TOKEN_IDS = {word: i for i, word in enumerate(VOCABULARY)}


def build_tokenizer() -> PreTrainedTokenizerFast:
    """One token per word, `<bos>` put in front of every text."""
    tokenizer = Tokenizer(WordLevel(dict(TOKEN_IDS), unk_token=UNK))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.post_processor = TemplateProcessing(
        single=f"{BOS} $A", special_tokens=[(BOS, TOKEN_IDS[BOS])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=BOS,
        unk_token=UNK,
        model_max_length=CONTEXT,
    )


@dataclass(frozen=True)
class Stage:
    """A part of the training: steps on batches of story beginnings of one length in tokens."""

    steps: int
    batch: int
    length: int


# A cycle is a run of stages with an optimizer of its own, whose rate rises, stays and falls.
# Short texts come first: there the same time buys more steps, and copying is learned from steps.
# The second cycle is for the far positions, which the first sees too little of.
CYCLES = (
    (Stage(steps=900, batch=24, length=96), Stage(steps=600, batch=12, length=CONTEXT)),
    (Stage(steps=600, batch=16, length=CONTEXT),),
)


def build_model(seed: int) -> GPT2LMHeadModel:
    """An untrained model, its weights drawn with torch's global generator set to `seed`."""
    config = GPT2Config(
        vocab_size=len(VOCABULARY),
        n_positions=CONTEXT,
        n_embd=D_MODEL,
        n_layer=LAYERS,
        n_head=HEADS,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        initializer_range=INIT_STD,
        bos_token_id=TOKEN_IDS[BOS],
        eos_token_id=TOKEN_IDS[BOS],
        tie_word_embeddings=True,
    )
    torch.manual_seed(seed)
    model = GPT2LMHeadModel(config)
    with torch.no_grad():
        model.transformer.wpe.weight[:, :WAVE_DIMS] = waves()
    return model


def waves() -> Tensor:
    """Sines and cosines of position at wave lengths spread evenly in log; [CONTEXT, WAVE_DIMS]."""
    shortest, longest = (math.log(length) for length in WAVE_LENGTHS)
    lengths = torch.linspace(shortest, longest, WAVE_DIMS // 2).exp()  # [wave]
    angles = 2 * math.pi * torch.arange(CONTEXT)[:, None] / lengths  # [position, wave]
    return WAVE_AMPLITUDE * torch.cat([angles.sin(), angles.cos()], dim=1)


def encode(batch: list[Story], length: int = CONTEXT) -> Tensor:
    """Token ids of the beginnings of stories, one per row, `<bos>` first; [story, length]."""
    rows = [
        [TOKEN_IDS[BOS], *(TOKEN_IDS[word] for word in story.words[: length - 1])]
        for story in batch
    ]
    return torch.tensor(rows)  # [story, length]


def next_token_losses(logits: Tensor, tokens: Tensor) -> Tensor:
    """Cross-entropy in nats at every position that has a next token.

    Takes logits [story, position, vocabulary] and tokens [story, position]; entry p of a row of
    the result [story, position - 1] is the loss of predicting token p + 1.
    """
    return torch.nn.functional.cross_entropy(
        logits[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none"
    )  # [story, position - 1]


def word_weights(batch: list[Story], length: int = CONTEXT) -> Tensor:
    """Weight in the training loss of every token but the first; [story, length - 1]."""
    weights = torch.ones(len(batch), length - 1)
    for row, story in enumerate(batch):
        weights[row, [slot for slot in story.slots if slot < length - 1]] = SLOT_WEIGHT
    return weights


def learning_rate(step: int, steps: int) -> float:
    """Linear warm-up to `PEAK_LR`, level for most of the training, then linearly down."""
    warm = (step + 1) / WARMUP_STEPS
    cool = (steps - step) / (steps * COOL_DOWN)
    return PEAK_LR * min(1.0, warm, cool)


def build_optimizer(model: GPT2LMHeadModel) -> torch.optim.Optimizer:
    """AdamW, its weight decay on matrices only."""
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    return torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": WEIGHT_DECAY},
            {"params": vectors, "weight_decay": 0.0},
        ],
        betas=(0.9, 0.98),
    )


def train_cycle(model: GPT2LMHeadModel, source: Iterator[Story], stages: Sequence[Stage]) -> None:
    """Train in place, stage after stage, on stories none of which is seen twice."""
    optimizer = build_optimizer(model)
    model.train()
    started = time.monotonic()
    plan = [stage for stage in stages for _ in range(stage.steps)]
    for step, stage in enumerate(plan):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, len(plan))
        batch = list(islice(source, stage.batch))
        tokens = encode(batch, stage.length)  # [story, position]
        weights = word_weights(batch, stage.length)  # [story, position - 1]
        losses = next_token_losses(model(tokens).logits, tokens)  # [story, position - 1]
        loss = (losses * weights).sum() / weights.sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 100 == 0 or step == len(plan) - 1:
            slots = losses[weights > 1].mean().item()
            elapsed = time.monotonic() - started
            print(
                f"model  step {step:5d}  loss {losses.mean().item():.3f}  "
                f"at slots {slots:.3f}  {elapsed:5.0f} s",
                flush=True,
            )
    model.train(False)


def save_model(model: GPT2LMHeadModel, folder: Path) -> None:
    """Write model and tokenizer so that the transformers Auto classes load them offline."""
    model.save_pretrained(folder)
    build_tokenizer().save_pretrained(folder)
