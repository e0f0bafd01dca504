"""Tokens as the text that they stand for, one by one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from sae_checks.records.words import TokenWords

_UNFINISHED = "\N{REPLACEMENT CHARACTER}"  # what part of a sign's bytes is decoded to


def token_words(units: Iterable[Sequence[int]], tokenizer: Any) -> TokenWords:
    """The tokens of units as text.

    A word comes as it would after another one, with the space before it. Tokens that hold part of a
    sign's bytes are read together.

    Args:
        units: token ids of each unit, in the order of their numbers.
        tokenizer: the language model's.
    """
    ids = [list(map(int, each)) for each in units]
    known = sorted({token for each in ids for token in each})
    text = dict(zip(known, _after_another(known, tokenizer), strict=True))
    numbers: dict[str, int] = {}
    index = [
        numbers.setdefault(word, len(numbers))
        for each in ids
        for word in _whole_signs(each, text, tokenizer)
    ]
    return TokenWords(
        np.repeat(np.arange(len(ids)), [len(each) for each in ids]),
        np.array([token for each in ids for token in each], dtype=np.int64),
        np.array(index, dtype=np.int64),
        tuple(numbers),
    )


def _after_another(tokens: Sequence[int], tokenizer: Any) -> list[str]:
    """What each adds to a text that ends with some other token."""
    if not tokens:
        return []
    alone = _decoded([[each] for each in tokens], tokenizer)
    whole = [(each, text) for each, text in zip(tokens, alone, strict=True) if _is_whole(text)]
    if not whole:
        return alone
    before, start = whole[len(whole) // 2]
    both = _decoded([[before, each] for each in tokens], tokenizer)
    return [
        text[len(start) :] if text.startswith(start) else by_itself
        for text, by_itself in zip(both, alone, strict=True)
    ]


def _is_whole(text: str) -> bool:
    """Whether a token's text is no part of a sign, which what follows could finish."""
    return bool(text) and _UNFINISHED not in text


def _whole_signs(ids: Sequence[int], text: dict[int, str], tokenizer: Any) -> list[str]:
    words, at = [text[each] for each in ids], 0
    while at < len(ids):
        end = at
        while end < len(ids) and _UNFINISHED in words[end]:
            end += 1
        if end > at + 1:
            words[at:end] = [_decoded([ids[at:end]], tokenizer)[0], *[""] * (end - at - 1)]
        at = max(end, at + 1)
    return words


def _decoded(ids: Sequence[Sequence[int]], tokenizer: Any) -> list[str]:
    found: list[str] = tokenizer.batch_decode(ids, clean_up_tokenization_spaces=False)
    # Half a surrogate pair, which Python's own tokenizers may give, can be written to no file.
    return [each.encode("utf-8", "replace").decode("utf-8") for each in found]
