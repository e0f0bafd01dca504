"""Token ids of a text, and of a word as it reads behind another text."""

from __future__ import annotations

from typing import Any


def ids_of(tokenizer: Any, text: str) -> list[int]:
    """The text's token ids, without BOS and its like."""
    found: list[int] = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    return found


def ids_after(tokenizer: Any, prompt: str, answer: str) -> tuple[int, ...]:
    """The tokens of an answer that a space joins to a prompt.

    Behind the prompt's last word, since some tokenizers mark a text's first word as if a space
    went before it; alone, where the word's own tokens change with what follows.
    """
    tail = prompt.split()[-1]
    before, both = ids_of(tokenizer, tail), ids_of(tokenizer, f"{tail} {answer}")
    if both[: len(before)] == before:
        return tuple(both[len(before) :])
    return tuple(ids_of(tokenizer, f" {answer}"))
