"""From documents to texts: token ids of one context length, packed as the request says."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sae_checks.errors import CorpusError
from sae_checks.load.documents import CorpusRequest, documents
from sae_checks.load.packing import STRETCH, Packed, draw_evenly, pack, stack
from sae_checks.third_party import ignored_warnings

_OPENING_TOKENS = 12  # of a document, shown where it is named


@dataclass(frozen=True)
class Texts:
    """The measured texts: every SAE and every baseline sees these same tokens."""

    tokens: NDArray[np.int64]  # (texts, C)
    special: NDArray[np.bool_]  # (texts, C), BOS and its like: excluded from every mean
    # (texts, C), the document that each token comes from, numbered in the order of drawing. A
    # separator belongs to the document that follows.
    documents: NDArray[np.int32]
    description: dict[str, object]

    def rows(self, rows: slice | NDArray[np.int64]) -> Texts:
        """Some of the texts, in this order."""
        return replace(
            self,
            tokens=self.tokens[rows],
            special=self.special[rows],
            documents=self.documents[rows],
        )

    @property
    def documents_drawn(self) -> int:
        """How many documents have a token that is measured: not the first of a text, or special."""
        return len(np.unique(self.documents[:, 1:][~self.special[:, 1:]]))

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(np.ascontiguousarray(self.tokens).tobytes()).hexdigest()


def load_texts(request: CorpusRequest, tokenizer: Any, *, prepend_bos: bool = True) -> Texts:
    """Tokenize, pack and draw the texts of a corpus: as many as the budget of tokens allows.

    Packing is sae_lens's own: "concatenate" runs documents together with BOS between them,
    "documents" begins every text with a document's start and drops documents shorter than the
    context. Since a long document then makes many texts in a row, which are alike, "concatenate"
    packs up to 16 times the budget and draws texts evenly spaced over that, in random order.

    Raises:
        CorpusError: the corpus does not even fill one text.
    """
    with ignored_warnings():
        from sae_lens.util import get_special_token_ids

    bos = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    if bos is None and prepend_bos:
        raise CorpusError(
            "the model's tokenizer has neither a BOS nor an EOS token, but the SAEs expect texts "
            "that begin with one"
        )
    wanted = math.floor(request.tokens / request.context)
    if wanted < 1:
        raise CorpusError(
            f"--sae-tokens {request.tokens} is less than one text of {request.context} tokens; "
            "raise it, or lower --sae-context"
        )
    drawn, drawn_from = _draw(request, tokenizer, bos, wanted, prepend_bos=prepend_bos)
    if not drawn:
        raise CorpusError(
            f"corpus {request.name!r} is too short for one text of {request.context} tokens; "
            "use a longer corpus or a smaller --sae-context"
        )
    stacked = stack(drawn)
    texts = Texts(
        tokens=stacked.tokens,
        special=np.isin(stacked.tokens, sorted(get_special_token_ids(tokenizer))),
        documents=stacked.documents,
        description={},
    )
    description = {
        **_describe(request, bos, prepend_bos),
        "texts": len(drawn),
        "drawn_from": drawn_from,
        "documents": texts.documents_drawn,
        "openings": _openings(texts, tokenizer),
        "tokenizer": tokenizer_version(tokenizer),
    }
    return replace(texts, description=description)


def _openings(texts: Texts, tokenizer: Any) -> dict[str, str]:
    """By document, the first words of it that are measured, so that a report can show which it is.

    Where a document's beginning is in no text, that is not how it begins.
    """
    shown = np.where(texts.special, -1, texts.documents)
    numbers, first = np.unique(shown, return_index=True)
    openings = {}
    for number, place in zip(numbers.tolist(), first.tolist(), strict=True):
        if number >= 0:
            row, start = divmod(place, shown.shape[1])
            here = np.arange(start, min(start + _OPENING_TOKENS, shown.shape[1]))
            ids = [int(texts.tokens[row, at]) for at in here if shown[row, at] == number]
            openings[str(number)] = " ".join(tokenizer.decode(ids).split())
    return openings


def _draw(
    request: CorpusRequest, tokenizer: Any, bos: int | None, wanted: int, *, prepend_bos: bool
) -> tuple[list[Packed], int]:
    """The texts, as many as wanted or as there are, and from how many they were drawn."""
    concatenate = request.packed == "concatenate"
    packed = pack(
        _token_sequences(request, tokenizer),
        request.context,
        begin_text=bos if prepend_bos else None,
        separator=bos if concatenate else None,
        concatenate=concatenate,
    )
    if concatenate:
        rng = np.random.default_rng(request.seed)
        return draw_evenly(islice(packed, STRETCH * wanted), wanted, rng)
    drawn = list(islice(packed, wanted))
    return drawn, len(drawn)


def tokenizer_version(tokenizer: Any) -> str:
    """The tokenizer's class and a hash of its vocabulary."""
    vocabulary = json.dumps(sorted(tokenizer.get_vocab().items()))
    return f"{type(tokenizer).__name__} {hashlib.sha256(vocabulary.encode()).hexdigest()[:16]}"


def _token_sequences(request: CorpusRequest, tokenizer: Any) -> Iterator[torch.Tensor]:
    for document in documents(request):
        if isinstance(document, str):
            found = tokenizer(document, add_special_tokens=False, verbose=False)["input_ids"]
        else:
            found = document
        yield torch.tensor(_token_ids(request, found, len(tokenizer)), dtype=torch.long)


def _token_ids(request: CorpusRequest, found: object, known: int) -> list[int]:
    """What a document holds, if it is token ids of this tokenizer."""
    if not isinstance(found, list) or not all(isinstance(each, int) for each in found):
        raise CorpusError(
            f"corpus {request.name!r} holds a document that is neither text nor token ids but "
            f"{found!r:.40}; leave such rows out"
        )
    if found and not 0 <= min(found) <= max(found) < known:
        raise CorpusError(
            f"corpus {request.name!r} holds the token ids {min(found)} to {max(found)}, but the "
            f"model's tokenizer has {known:,} of them; it was tokenized for another model"
        )
    return found


def _describe(request: CorpusRequest, bos: int | None, prepend_bos: bool) -> dict[str, object]:
    return {
        "corpus": request.name,
        "packing": request.packed,
        "seed": request.seed,
        "context": request.context,
        "bos_token_id": bos,
        "prepend_bos": prepend_bos,
    }
