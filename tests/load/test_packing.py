"""Texts as sae_lens packs them, with the document of every token; and texts drawn from many."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from sae_checks.load.packing import STRETCH, Packed, draw_evenly, pack, stack
from sae_checks.third_party import ignored_warnings
from tests.exhaustive import every_other

BOS = 7
# Token ids that include the largest known, and BOS in the middle, at the start and at the end.
SEQUENCES = st.lists(st.lists(st.sampled_from([0, 1, BOS, 262_143]), max_size=9), max_size=8)


def sae_lens_packs(sequences, context, begin_text, separator, concatenate):
    with ignored_warnings():
        from sae_lens.tokenization_and_batching import concat_and_batch_sequences
    packed = concat_and_batch_sequences(
        iter([torch.tensor(each, dtype=torch.long) for each in sequences]),
        context_size=context,
        begin_batch_token_id=begin_text,
        sequence_separator_token_id=separator,
        disable_concat_sequences=not concatenate,
    )
    return [text.tolist() for text in packed]


def ours(sequences, context, begin_text, separator, concatenate) -> list[Packed]:
    tensors = [torch.tensor(each, dtype=torch.long) for each in sequences]
    return list(
        pack(tensors, context, begin_text=begin_text, separator=separator, concatenate=concatenate)
    )


@given(
    SEQUENCES,
    st.integers(2, 6),
    st.sampled_from([None, BOS]),
    st.sampled_from([None, BOS]),
    st.booleans(),
)
@example([[BOS, BOS, BOS]], 2, BOS, BOS, True)
def test_tokens_are_those_of_sae_lens(sequences, context, begin_text, separator, concatenate):
    setting = (context, begin_text, separator, concatenate)
    texts = ours(sequences, *setting)
    assert [text.tokens[0].tolist() for text in texts] == sae_lens_packs(sequences, *setting)
    for text in texts:
        assert text.tokens.dtype == np.int64
        assert text.documents.dtype == np.int32
        for token, document in zip(text.tokens[0], text.documents[0], strict=True):
            assert token == BOS or token in sequences[document]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.integers(2, 6))
def test_every_token_knows_its_document(lengths, context):
    """Documents of one token each, the document's number plus 100."""
    sequences = [[100 + number] * length for number, length in enumerate(lengths)]
    for text in ours(sequences, context, BOS, BOS, True):
        real = text.tokens[0] != BOS
        np.testing.assert_array_equal(text.documents[0][real], text.tokens[0][real] - 100)
        assert (np.diff(text.documents[0]) >= 0).all()


def test_a_separator_belongs_to_the_document_that_follows():
    one, two = (
        ours([[1], [2, 3], [4, 5]], 5, BOS, BOS, True)[0],
        ours([[1, BOS]], 3, BOS, None, 1)[0],
    )
    assert one.tokens.tolist() == [[BOS, 1, BOS, 2, 3]]
    assert one.documents.tolist() == [[0, 0, 1, 1, 1]]
    assert two.documents.tolist() == [[0, 0, 0]]


def test_a_text_of_separators_counts_as_of_document_0():
    assert ours([[1], [BOS, BOS]], 2, BOS, None, True)[1].documents.tolist() == [[0, 0]]


@dataclass
class Counted:
    """So many texts, each of one token that is its number; how many were asked for."""

    size: int
    read: int = 0

    def __iter__(self):
        for number in range(self.size):
            self.read += 1
            yield Packed(np.array([[number]]), np.array([[number]], dtype=np.int32))


def drawn(size: int, wanted: int, seed: int = 0) -> tuple[list[int], int]:
    texts, count = draw_evenly(iter(Counted(size)), wanted, np.random.default_rng(seed))
    return [int(text.tokens[0, 0]) for text in texts], count


@given(st.integers(0, 400), st.integers(1, 20), st.integers(0, 5))
def test_as_many_as_wanted_or_as_there_are_none_twice(size, wanted, seed):
    numbers, count = drawn(size, wanted, seed)
    assert count == size
    assert len(numbers) == len(set(numbers)) == min(size, wanted)
    assert numbers == drawn(size, wanted, seed)[0]


@given(st.integers(2, 400), st.integers(2, 20), st.integers(0, 5))
def test_they_are_spaced_evenly(size, wanted, seed):
    """No gap is more than twice another, to within rounding down of a step."""
    numbers, _ = drawn(size, wanted, seed)
    if size > wanted:
        gaps = np.diff(sorted(numbers))
        assert gaps.max() <= 2 * gaps.min()


def test_a_whole_stretch_is_spaced_exactly():
    numbers, _ = drawn(STRETCH * 10, 10)
    assert set(np.diff(sorted(numbers))) == {STRETCH}


def test_the_first_ones_come_from_everywhere():
    """In random order, so that the first block of a run that may stop early is spread out too."""
    numbers, _ = drawn(1600, 100)
    assert min(numbers[:16]) < 400
    assert max(numbers[:16]) > 1200
    assert len({tuple(drawn(1600, 100, seed)[0]) for seed in range(3)}) == 3


@pytest.mark.parametrize("size", every_other([23, 40, 61, 100]))
def test_each_text_is_as_likely_as_any_other(size):
    wanted, seeds = 10, 2000
    counts = Counter(number for seed in range(seeds) for number in drawn(size, wanted, seed)[0])
    shares = np.array([counts[number] for number in range(size)]) / seeds
    expected = wanted / size
    error = np.sqrt(expected * (1 - expected) / seeds)
    assert abs(shares - expected).max() < 5 * error


def test_texts_are_stacked():
    whole = stack(Counted(3))
    assert whole.tokens.tolist() == whole.documents.tolist() == [[0], [1], [2]]
