"""Corpora by name: local files of each kind, Python's own help, and what is said when there is none."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sae_checks.errors import CorpusError
from sae_checks.load.documents import CorpusRequest, corpus_version, documents

DOCUMENTS = ["one two three", "four five", "six"]


def request_of(name, **settings):
    return CorpusRequest(str(name), **{"tokens": 100, "context": 10} | settings)


def write_jsonl(path, column="text", values=DOCUMENTS):
    path.write_text("".join(json.dumps({"id": 1, column: value}) + "\n" for value in values))
    return path


def write_parquet(path, column="text", values=DOCUMENTS):
    pq.write_table(pa.table({column: values}), path)
    return path


def test_a_text_file_is_one_document(tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_text("line one\n\nline two\n")
    (document,) = documents(request_of(path))
    assert document.strip() == "line one\n\nline two"


@pytest.mark.parametrize("write", [write_jsonl, write_parquet])
@pytest.mark.parametrize("column", ["text", "content", "document", "problem"])
def test_rows_of_a_file(tmp_path, write, column):
    ending = write.__name__.removeprefix("write_")
    path = write(tmp_path / f"corpus.{ending}", column)
    assert sorted(documents(request_of(path))) == sorted(DOCUMENTS)


@pytest.mark.parametrize("column", ["tokens", "input_ids"])
def test_token_ids_come_before_text(tmp_path, column):
    path = tmp_path / "corpus.parquet"
    pq.write_table(pa.table({"text": DOCUMENTS, column: [[5, 6], [7], [8, 9]]}), path)
    assert sorted(documents(request_of(path))) == [[5, 6], [7], [8, 9]]


@pytest.mark.parametrize("name", ["pydoc", "file", "tales"])
def test_the_seed_decides_the_order(tmp_path, name):
    if name == "file":
        name = write_jsonl(tmp_path / "corpus.jsonl", values=[str(i) for i in range(50)])

    def first_ten(seed):
        return [text for text, _ in zip(documents(request_of(name, seed=seed)), range(10))]

    assert first_ten(0) == first_ten(0)
    assert first_ten(0) != first_ten(1)


def test_pydoc_is_the_language_reference():
    topics = list(documents(request_of("pydoc")))
    assert len(topics) > 50
    assert any("conditional expression" in topic for topic in topics)


def test_default_packing():
    assert request_of("tales").packed == "documents"
    assert request_of("pydoc").packed == "concatenate"
    assert request_of("pydoc", packing="documents").packed == "documents"


def test_the_version_is_of_the_content(tmp_path):
    first, second = tmp_path / "a.txt", tmp_path / "b.txt"
    first.write_text("text")
    second.write_text("text")
    assert corpus_version(str(first)) == corpus_version(str(second))
    second.write_text("other text")
    assert corpus_version(str(first)) != corpus_version(str(second))
    assert corpus_version("some/dataset") == ""
    assert corpus_version("pydoc") != corpus_version("tales") != ""


def message_of(request):
    with pytest.raises(CorpusError) as raised:
        list(documents(request))
    return str(raised.value)


def test_a_file_that_is_not_there():
    assert message_of(request_of("nowhere.jsonl")) == (
        "--sae-corpus 'nowhere.jsonl': there is no such file"
    )


def test_a_kind_of_file_that_cannot_be_read(tmp_path):
    path = tmp_path / "corpus.pdf"
    path.write_text("text")
    assert message_of(request_of(path)) == (
        f"--sae-corpus '{path}': files may end in .parquet, .jsonl, .json, .txt, .md, not '.pdf'"
    )


def test_no_column_that_can_be_read(tmp_path):
    path = write_jsonl(tmp_path / "corpus.jsonl", column="body")
    assert message_of(request_of(path)) == (
        f"corpus '{path}' has the columns id, body; one of "
        "text, content, document, problem, tokens, input_ids is needed"
    )


def test_an_empty_file(tmp_path):
    path = write_parquet(tmp_path / "corpus.parquet", values=pa.array([], pa.string()))
    assert message_of(request_of(path)) == f"corpus '{path}' is empty"


def test_a_damaged_file(tmp_path):
    path = tmp_path / "corpus.parquet"
    path.write_bytes(b"PAR1 no more")
    message = message_of(request_of(path))
    assert message.startswith(f"corpus '{path}' cannot be read (")
    assert message.endswith(
        "--sae-corpus takes a data set id, a local .parquet, .jsonl or .txt file, pydoc, or tales, "
        "and only the last three need no network"
    )
