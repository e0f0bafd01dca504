"""Where texts come from: a corpus by name, as an iterator over documents in a seeded order."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sae_checks.errors import CorpusError
from sae_checks.load.json_rows import refuse_no_rows

if TYPE_CHECKING:
    from sae_checks.records import CorpusRef
    from sae_checks.records.provenance import Provenance

Packing = Literal["documents", "concatenate"]

# The stories that the demo's model knows, and others in the same words.
_DEMO = ("tales", "small_talk")
# Local files by ending, and the reader of `datasets` for each.
_READERS = {".parquet": "parquet", ".jsonl": "json", ".json": "json", ".txt": "text", ".md": "text"}
_TEXT_COLUMNS = ("text", "content", "document", "problem")
_TOKEN_COLUMNS = ("tokens", "input_ids")
# A streamed data set is shuffled within a buffer of this many documents.
_SHUFFLE_BUFFER = 1_000


@dataclass(frozen=True)
class CorpusRequest:
    """Everything that determines which texts are measured, short of the tokenizer."""

    name: str  # "tales", "small_talk", "pydoc", a local file, or a data set id
    tokens: int  # budget: texts are taken until this many tokens
    context: int  # tokens of a text, BOS included
    seed: int = 0
    packing: Packing | None = None  # None: one story per text for the demo's, else concatenated
    revision: str | None = None  # of a hub data set

    @classmethod
    def of(cls, provenance: Provenance) -> CorpusRequest:
        """The request that a measurement's provenance records."""
        packing: Packing = "documents" if provenance.packing == "documents" else "concatenate"
        revision = None if is_local(provenance.corpus) else provenance.corpus_version
        return cls(
            provenance.corpus,
            provenance.tokens,
            provenance.context,
            provenance.seed,
            packing,
            revision,
        )

    @classmethod
    def of_second(cls, provenance: Provenance, corpus: CorpusRef) -> CorpusRequest:
        """The request for a second corpus, with all else as the first one's."""
        version, packing = corpus.version, corpus.packing
        second = replace(provenance, corpus=corpus.name, corpus_version=version, packing=packing)
        return cls.of(second)

    @property
    def packed(self) -> Packing:
        return self.packing or default_packing(self.name)


def default_packing(name: str) -> Packing:
    """One story a text for the demo's, whose model knows nothing else; all others run together."""
    return "documents" if name in _DEMO else "concatenate"


def is_local(name: str) -> bool:
    """Whether a corpus needs no network: ours, Python's, or a file."""
    return name in (*_DEMO, "pydoc") or Path(name).expanduser().suffix in _READERS


def corpus_version(name: str, option: str = "--sae-corpus") -> str:
    """What identifies the content of a corpus that needs no network: a hash of it.

    Args:
        name: of the corpus.
        option: which named it, for the message.

    Raises:
        CorpusError: there is no such file.
    """
    if name in _DEMO:
        from sae_checks.demo import small_talk, stories

        files = [stories.__file__, *([small_talk.__file__] if name == "small_talk" else [])]
        content = b"".join(Path(file).read_bytes() for file in files)
        return hashlib.sha256(content).hexdigest()[:16]
    if name == "pydoc":
        return hashlib.sha256("\0".join(_pydoc_topics()).encode()).hexdigest()[:16]
    path = Path(name).expanduser()
    if not path.is_file():
        raise CorpusError(f"{option} {name!r}: there is no such file")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def documents(request: CorpusRequest) -> Iterator[str | list[int]]:
    """The corpus's documents in the seed's order: text, or token ids where a data set holds those.

    Raises:
        CorpusError: no such corpus, no network, or no column that can be read.
    """
    if request.name == "tales":
        from sae_checks.demo.stories import stories

        return (story.text for story in stories(request.seed))
    if request.name == "small_talk":
        from sae_checks.demo.small_talk import small_talk

        return (story.text for story in small_talk(request.seed))
    if request.name == "pydoc":
        topics = _pydoc_topics()
        random.Random(request.seed).shuffle(topics)
        return iter(topics)
    return _dataset_documents(request)


def _pydoc_topics() -> list[str]:
    """The English prose that Python's help() shows: some 80 topics of the language reference."""
    from pydoc_data.topics import topics

    return [topics[name] for name in sorted(topics)]


def _dataset_documents(request: CorpusRequest) -> Iterator[str | list[int]]:
    rows = _open_dataset(request).shuffle(seed=request.seed, buffer_size=_SHUFFLE_BUFFER)
    try:
        iterator = iter(rows)
        first = next(iterator, None)
        if first is None:
            raise CorpusError(f"corpus {request.name!r} is empty")
        column = _column(request.name, first)
        yield first[column]
        for row in iterator:
            yield row[column]
    except unreadable_errors(is_local(request.name)) as error:
        raise CorpusError(_unreadable(request.name, error)) from error


def _open_dataset(request: CorpusRequest) -> Any:
    import datasets

    name, path = request.name, Path(request.name).expanduser()
    try:
        if is_local(name):
            reader = _READERS[path.suffix]
            if reader == "json" and path.is_file():
                refuse_no_rows(name, path)
            whole = {"sample_by": "document"} if reader == "text" else {}
            return datasets.load_dataset(
                reader, data_files=str(path), split="train", streaming=True, **whole
            )
        return datasets.load_dataset(name, split="train", streaming=True, revision=request.revision)
    except StopIteration as error:  # what datasets makes of an empty JSON file
        raise CorpusError(f"corpus {name!r} is empty") from error
    except unreadable_errors(is_local(name)) as error:
        raise CorpusError(_unreadable(name, error)) from error


def _column(name: str, row: dict[str, Any]) -> str:
    for column in (*_TOKEN_COLUMNS, *_TEXT_COLUMNS):
        if column in row:
            return column
    raise CorpusError(
        f"corpus {name!r} has the columns {', '.join(row)}; one of "
        f"{', '.join((*_TEXT_COLUMNS, *_TOKEN_COLUMNS))} is needed"
    )


def unreadable_errors(local: bool = False) -> tuple[type[Exception], ...]:
    """What reading a data set raises where it, or the network, is not as it should be.

    Args:
        local: a file of the user's own, whose rows nobody has looked at.
    """
    from datasets.exceptions import DatasetsError
    from httpx import HTTPError
    from pyarrow import ArrowException

    found = (OSError, ValueError, RuntimeError, DatasetsError, HTTPError, ArrowException)
    # The readers of `datasets` raise whatever pandas and Arrow make of a row that is no object, or
    # of numbers and nesting that no column holds.
    return (*found, TypeError, LookupError, AttributeError, ArithmeticError) if local else found


def _unreadable(name: str, error: Exception) -> str:
    first_line = str(error).strip().split("\n")[0].rstrip(".")
    return (
        f"corpus {name!r} cannot be read ({type(error).__name__}: {first_line}); --sae-corpus "
        "takes a data set id, a local .parquet, .jsonl or .txt file, pydoc, or tales, and only the "
        "last three need no network"
    )
