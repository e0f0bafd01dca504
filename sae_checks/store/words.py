"""The words of a data set's tokens, beside the tables that are of them.

    <measurement>/words/<data set>.arrow

One row per token, in the order of units and positions: `unit`, `token`, `word`. Nothing is judged
by them, and a measurement without them is whole: one that was made before they were kept.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather

from sae_checks.errors import StoreError
from sae_checks.records import DatasetRef
from sae_checks.records.words import TokenWords
from sae_checks.store.files import dataset_folder
from sae_checks.store.integrity import damaged
from sae_checks.store.parquet import readable

_FOLDER = "words"
_OWNER, _DIGEST = b"sae_checks.of", b"sae_checks.sha256"


def words_path(folder: Path, dataset: DatasetRef) -> Path:
    """Where they lie, below a measurement's folder."""
    return folder / f"{dataset_folder(_FOLDER, dataset)}.arrow"


def has_words(folder: Path, dataset: DatasetRef, fingerprint: str) -> bool:
    """Whether they are there, undamaged and of these units."""
    try:
        return read_words(folder, dataset, fingerprint) is not None
    except StoreError:
        return False  # to be written again


def write_words(folder: Path, dataset: DatasetRef, fingerprint: str, words: TokenWords) -> None:
    """Write them, all or nothing, by one process at a time.

    Args:
        folder: of the measurement.
        dataset: whose they are.
        fingerprint: of the data set's units, as its description has it.
        words: of all its tokens.

    Raises:
        OSError: the folder cannot be written into.
    """
    path = words_path(folder, dataset)
    column = pa.DictionaryArray.from_arrays(
        words.word.astype(np.int32), pa.array(words.words, pa.string())
    )
    named = {"unit": words.unit.astype(np.int32), "token": words.token.astype(np.int32)}
    rows = pa.table({**{name: pa.array(each) for name, each in named.items()}, "word": column})
    rows = rows.replace_schema_metadata({_OWNER: fingerprint, _DIGEST: _digest(words)})
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".tmp")
    feather.write_feather(rows, scratch, compression="zstd")
    scratch.replace(path)


def read_words(folder: Path, dataset: DatasetRef, fingerprint: str) -> TokenWords | None:
    """The words of a data set's tokens; None where they were not kept.

    Raises:
        StoreError: they are damaged, or of other units.
    """
    path = words_path(folder, dataset)
    if not path.is_file():
        return None
    with readable(path):
        rows = feather.read_table(path, memory_map=False).combine_chunks()
        said = rows.schema.metadata or {}
        word = rows["word"].chunk(0) if len(rows) else pa.array([], pa.string()).dictionary_encode()
        words = TokenWords(
            rows["unit"].to_numpy().astype(np.int64),
            rows["token"].to_numpy().astype(np.int64),
            word.indices.to_numpy().astype(np.int64),
            tuple(word.dictionary.to_pylist()),
        )
        digest = _digest(words)
    if said.get(_OWNER) != fingerprint.encode():
        raise damaged(path, "holds the words of other units than were measured")
    if said.get(_DIGEST) != digest.encode():
        raise damaged(path, "was changed after it was written (its SHA-256 is another)")
    return words


def _digest(words: TokenWords) -> str:
    """SHA-256 of all rows."""
    found = hashlib.sha256("\0".join(words.words).encode("utf-8", "surrogatepass"))
    for column in (words.unit, words.token, words.word):
        found.update(np.ascontiguousarray(column, dtype=np.int64).tobytes())
    return found.hexdigest()
