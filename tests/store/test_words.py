"""The words of tokens beside the tables: kept as they were, and never another data set's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_checks.errors import StoreError
from sae_checks.records.words import TokenWords
from sae_checks.store.words import has_words, read_words, words_path, write_words
from tests import stored

REF = stored.ON_TEXTS


def words(*units: list[str]) -> TokenWords:
    every = [word for unit in units for word in unit]
    known = tuple(dict.fromkeys(every))
    return TokenWords(
        np.repeat(np.arange(len(units)), [len(unit) for unit in units]),
        np.arange(len(every), dtype=np.int64),
        np.array([known.index(word) for word in every], dtype=np.int64),
        known,
    )


@given(st.lists(st.lists(st.text(max_size=5), max_size=6), max_size=4))
def test_words_are_read_as_they_were_written(tmp_path_factory, units):
    folder = tmp_path_factory.mktemp("words")
    write_words(folder, REF, "0", words(*units))
    found = read_words(folder, REF, "0")
    assert found is not None
    assert [found.of_unit(number) for number in range(len(units))] == units
    assert found.of_unit(len(units)) == []


def test_a_measurement_without_words_is_whole(tmp_path):
    assert read_words(tmp_path, REF, "0") is None


def test_words_of_other_units_are_refused_and_written_again(tmp_path):
    write_words(tmp_path, REF, "0", words(["a"]))
    with pytest.raises(StoreError) as error:
        read_words(tmp_path, REF, "1")
    assert str(error.value) == (
        f"{words_path(tmp_path, REF)} holds the words of other units than were measured; restore "
        "it, or measure again"
    )
    write_words(tmp_path, REF, "1", words(["b"]))
    found = read_words(tmp_path, REF, "1")
    assert found is not None
    assert found.words == ("b",)


def test_a_damaged_file_is_refused(tmp_path):
    write_words(tmp_path, REF, "0", words(["a", "b"]))
    path = words_path(tmp_path, REF)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(StoreError, match="cannot be read"):
        read_words(tmp_path, REF, "0")


def test_whether_they_are_there(tmp_path: Path):
    assert not has_words(tmp_path, REF, "0")
    write_words(tmp_path, REF, "0", words(["a"]))
    assert has_words(tmp_path, REF, "0")
    assert not has_words(tmp_path, REF, "1"), "of other units"
    words_path(tmp_path, REF).write_bytes(b"")
    assert not has_words(tmp_path, REF, "0"), "damaged"
