"""Packing token sequences into texts of one length, each token's document told, and drawing some.

Packing is sae_lens's own. It sees every token together with the number of its document as one
integer, and so moves both alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from sae_checks.third_party import ignored_warnings

# The document, counted from 1, stands above these bits and the token in them.
_TOKEN_BITS = 32
# Texts are drawn from a stretch of so many times the number wanted: with 16 texts' worth of
# corpus for each, documents of up to 16 texts give one text each.
STRETCH = 16


@dataclass(frozen=True)
class Packed:
    """Texts, and which document each of their tokens comes from."""

    tokens: NDArray[np.int64]  # (texts, C)
    documents: NDArray[np.int32]  # (texts, C), numbered from 0 in the order of the sequences


def pack(
    sequences: Iterable[torch.Tensor],
    context: int,
    *,
    begin_text: int | None,
    separator: int | None,
    concatenate: bool,
) -> Iterator[Packed]:
    """The texts of token sequences (one a document), one at a time.

    Separators, and all tokens equal to them, belong to the document that follows in the text; at a
    text's end, to the one before. A text of nothing but them counts as of document 0.

    Args:
        sequences: token ids (n,) of each document.
        context: C, tokens of a text.
        begin_text: the token that every text begins with, if any.
        separator: the token that stands between documents that are run together, if any.
        concatenate: whether documents are run together; else each text is the start of one, and
            documents shorter than C are dropped.
    """
    with ignored_warnings():
        from sae_lens.tokenization_and_batching import concat_and_batch_sequences

    bare = {token for token in (begin_text, separator) if token is not None}
    packed = concat_and_batch_sequences(
        (_numbered(tokens, number, bare) for number, tokens in enumerate(sequences)),
        context_size=context,
        begin_batch_token_id=begin_text,
        sequence_separator_token_id=separator,
        disable_concat_sequences=not concatenate,
    )
    for text in packed:
        both = text.numpy()[np.newaxis]
        documents = _filled((both >> _TOKEN_BITS).astype(np.int32) - 1)
        yield Packed(both & ((1 << _TOKEN_BITS) - 1), documents)


def stack(texts: Iterable[Packed]) -> Packed:
    """All of some texts, one or more, as one."""
    found = list(texts)
    return Packed(
        np.concatenate([text.tokens for text in found]),
        np.concatenate([text.documents for text in found]),
    )


def draw_evenly(
    texts: Iterator[Packed], wanted: int, rng: np.random.Generator
) -> tuple[list[Packed], int]:
    """So many texts, evenly spaced over all that come, in random order; and how many came.

    Every text is as likely to be drawn as any other. Texts that come in a row share documents;
    spaced out, they hold as many documents as there are. How many will come is not known before:
    every second one of those kept is dropped whenever there are twice as many as wanted, so that
    no more are ever held. Spacings differ by a factor of two at most.
    """
    kept: list[Packed] = []
    step, start, count = 1, 0, 0  # kept are those whose number is start, modulo step
    for number, text in enumerate(texts):
        count = number + 1
        if number % step != start:
            continue
        kept.append(text)
        if len(kept) == 2 * wanted:
            offset = int(rng.integers(2))
            kept = kept[offset::2]
            start, step = start + offset * step, 2 * step
    if len(kept) > wanted:
        places = (rng.random() + np.arange(wanted)) * len(kept) / wanted
        kept = [kept[place] for place in places.astype(np.intp)]
    return [kept[row] for row in rng.permutation(len(kept))], count


def _numbered(tokens: torch.Tensor, number: int, bare: set[int]) -> torch.Tensor:
    """A document's tokens with its number, but for those that packing compares with."""
    numbered = tokens | ((number + 1) << _TOKEN_BITS)
    for token in bare:
        numbered = torch.where(tokens == token, tokens, numbered)
    return numbered


def _filled(documents: NDArray[np.int32]) -> NDArray[np.int32]:
    """Documents (1, C) where -1 has become the next one there is, else the last one, else 0."""
    places = np.arange(documents.shape[1])
    known = places[documents[0] >= 0]
    if not len(known):
        return np.zeros_like(documents)
    following = np.minimum(np.searchsorted(known, places), len(known) - 1)
    return documents[:, known[following]]
