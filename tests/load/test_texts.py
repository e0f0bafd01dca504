"""Packing documents into texts of one length."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sae_checks.errors import CorpusError
from sae_checks.load.documents import CorpusRequest
from sae_checks.load.texts import Texts, load_texts
from tests.builders import BOS, word_tokenizer

WORDS = "a b c d e f g h i j"


@pytest.fixture
def corpus(tmp_path):
    """Three documents of 2, 3 and 5 words."""
    path = tmp_path / "corpus.jsonl"
    rows = ({"text": text} for text in ("a b", "c d e", "f g h i j"))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def load(name, *, tokenizer=None, prepend_bos=True, **settings):
    request = CorpusRequest(str(name), **{"tokens": 100, "context": 4} | settings)
    return load_texts(request, tokenizer or word_tokenizer(WORDS), prepend_bos=prepend_bos)


def words_of(texts):
    names = ["|", "?", *WORDS.split()]
    return ["".join(names[token] for token in text) for text in texts.tokens]


def documents_in_order(monkeypatch, *documents):
    """Take the order of documents out of the question, which a seed decides elsewhere."""
    monkeypatch.setattr("sae_checks.load.texts.documents", lambda request: iter(documents))


def test_concatenated(monkeypatch):
    documents_in_order(monkeypatch, "a b", "c d e", "f g h i j")
    texts = load("corpus", packing="concatenate")
    # In the seed's order; the rest, "ij", fills no text.
    assert words_of(texts) == ["|fgh", "|ab|", "|cde"]
    # A separator belongs to what follows; where nothing does, to what was before.
    assert texts.documents.tolist() == [[2, 2, 2, 2], [0, 0, 0, 0], [1, 1, 1, 1]]
    np.testing.assert_array_equal(texts.special, texts.tokens == BOS)


def test_documents_that_have_a_measured_token_are_counted(monkeypatch):
    """The first, "a", stands where no token is measured: first of a text that has no BOS."""
    documents_in_order(monkeypatch, "a", "b c d", "e f g h i")
    texts = load("corpus", packing="concatenate", prepend_bos=False)
    assert sorted(words_of(texts)) == ["a|bc", "d|ef"]
    assert texts.documents_drawn == texts.description["documents"] == 2


def test_one_document_per_text(monkeypatch):
    documents_in_order(monkeypatch, "a b", "c d e", "f g h i j")
    texts = load("corpus", packing="documents")
    assert words_of(texts) == ["|cde", "|fgh"]  # the first is too short
    assert texts.documents.tolist() == [[1] * 4, [2] * 4]  # but was drawn


def test_without_bos(monkeypatch):
    documents_in_order(monkeypatch, "a b", "c d e", "f g h i j")
    assert words_of(load("corpus", packing="documents", prepend_bos=False)) == ["fghi"]


def test_pretokenized(monkeypatch):
    documents_in_order(monkeypatch, [2, 3, 4, 5, 6, 7])
    texts = load("corpus", packing="concatenate")
    assert sorted(words_of(texts)) == ["|abc", "|def"]


def test_the_budget_ends_the_reading(monkeypatch):
    """Of two texts of four tokens: at 16 times as many, or at the texts where none are packed."""
    read = []

    def endless(request):
        while True:
            read.append(1)
            yield "a b c"

    monkeypatch.setattr("sae_checks.load.texts.documents", endless)
    description = load("corpus", tokens=11, packing="concatenate").description
    assert (description["texts"], description["drawn_from"], len(read)) == (2, 32, 32)
    description = load("corpus", tokens=11, packing="documents").description
    assert (description["texts"], description["drawn_from"], len(read)) == (2, 2, 32 + 2)


def test_what_is_said_of_the_texts(monkeypatch):
    documents_in_order(monkeypatch, "a b c d e f g h i j")
    description = load("corpus", tokens=8, seed=3).description
    tokenizer, vocabulary = str(description.pop("tokenizer")).split()
    assert tokenizer == "TokenizersBackend"
    assert len(vocabulary) == 16
    assert description == {
        "corpus": "corpus",
        "packing": "concatenate",
        "seed": 3,
        "context": 4,
        "texts": 2,
        "drawn_from": 3,
        "documents": 1,
        "openings": {"0": "a b c"},
        "bos_token_id": 0,
        "prepend_bos": True,
    }


def test_a_file_from_end_to_end(corpus):
    texts = load(corpus, packing="documents")
    assert sorted(words_of(texts)) == ["|cde", "|fgh"]


def test_pydoc():
    texts = load("pydoc", tokens=300, context=100, tokenizer=word_tokenizer("the of a is in"))
    assert texts.tokens.shape == (3, 100)
    assert (texts.tokens[:, 0] == BOS).all()


def test_the_fingerprint_is_of_the_tokens(corpus):
    texts = load(corpus, seed=0)
    assert texts.fingerprint == load(corpus, seed=0).fingerprint
    assert texts.fingerprint != load(corpus, seed=0, context=5).fingerprint


def test_the_fingerprint_is_the_same_on_every_machine():
    tokens = np.arange(6, dtype=np.int64).reshape(2, 3)
    by_columns = np.asfortranarray(tokens)  # the same numbers, laid out otherwise
    for same in (tokens, by_columns):
        texts = Texts(same, same == 0, np.zeros((2, 3), dtype=np.int32), {})
        assert texts.fingerprint.startswith("f190072c5052f4f4")


def test_words_that_are_no_tokens_are_measured_like_others(monkeypatch):
    documents_in_order(monkeypatch, "a zebra c d")
    texts = load("corpus")
    assert words_of(texts) == ["|a?c"]
    assert texts.special.tolist() == [[True, False, False, False]]


def test_a_budget_below_one_text(corpus):
    with pytest.raises(CorpusError) as raised:
        load(corpus, tokens=100, context=128)
    assert str(raised.value) == (
        "--sae-tokens 100 is less than one text of 128 tokens; raise it, or lower --sae-context"
    )


@pytest.mark.parametrize("packing", ["documents", "concatenate"])
def test_a_corpus_below_one_text(corpus, packing):
    with pytest.raises(CorpusError) as raised:
        load(corpus, tokens=100, context=50, packing=packing)
    assert str(raised.value) == (
        f"corpus '{corpus}' is too short for one text of 50 tokens; "
        "use a longer corpus or a smaller --sae-context"
    )


def test_a_tokenizer_without_bos(corpus):
    bare = word_tokenizer(WORDS, bos=False)
    with pytest.raises(CorpusError) as raised:
        load(corpus, tokenizer=bare)
    assert str(raised.value) == (
        "the model's tokenizer has neither a BOS nor an EOS token, but the SAEs expect texts that "
        "begin with one"
    )
    texts = load(corpus, tokenizer=bare, prepend_bos=False, packing="documents")
    assert not texts.special.any()
