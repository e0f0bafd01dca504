"""Tokens as text: joined, those of a unit are what the tokenizer makes of it."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from sae_checks.load.words import token_words


class Bytes:
    """A tokenizer whose tokens are bytes."""

    def batch_decode(self, ids: Sequence[Sequence[int]], **_: object) -> list[str]:
        return [bytes(each).decode(errors="replace") for each in ids]


class Words:
    """A tokenizer that joins whole words by spaces."""

    def batch_decode(self, ids: Sequence[Sequence[int]], **_: object) -> list[str]:
        return [" ".join(f"w{token}" for token in each) for each in ids]


def test_signs_of_several_tokens_are_read_together():
    found = token_words([list("aé中b".encode()), list(b"c")], Bytes())
    assert found.of_unit(0) == ["a", "é中", "", "", "", "", "b"]
    assert found.of_unit(1) == ["c"]


@given(st.lists(st.text(max_size=8), min_size=1, max_size=4))
def test_the_words_of_a_unit_are_its_text(texts: list[str]):
    """Of tokens that are bytes, whichever of them are known."""
    found = token_words([list(text.encode()) for text in texts], Bytes())
    assert ["".join(found.of_unit(n)) for n in range(len(texts))] == texts


def test_bytes_that_are_no_sign_stay_what_they_are():
    assert token_words([[0x61, 0xFF, 0x62]], Bytes()).of_unit(0) == ["a", "\ufffd", "b"]


def test_a_word_comes_with_the_space_before_it():
    found = token_words([[3, 1, 3]], Words())
    assert found.of_unit(0) == [" w3", " w1", " w3"]
    assert found.token.tolist() == [3, 1, 3]


def test_no_unit_has_no_words():
    assert token_words([], Bytes()).words == ()
