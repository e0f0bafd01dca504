"""Corpora by name: local files of each kind, Python's own help, and what is said without."""

from __future__ import annotations

import json
from itertools import islice

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sae_checks.errors import CorpusError
from sae_checks.load.documents import CorpusRequest, corpus_version, documents, is_local

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


@pytest.mark.parametrize("column", ["text", "content", "document", "problem"])
def test_rows_of_a_file(tmp_path, column):
    path = write_jsonl(tmp_path / "corpus.jsonl", column)
    assert sorted(documents(request_of(path))) == sorted(DOCUMENTS)


def test_rows_of_a_parquet_file(tmp_path, monkeypatch):
    # datasets waits five seconds for Arrow's threads after each such file.
    monkeypatch.setattr("datasets.config.SLEEP_TIME_ON_THREADS_SHUTDOWN", 0.1, raising=False)
    path = write_parquet(tmp_path / "corpus.parquet")
    assert sorted(documents(request_of(path))) == sorted(DOCUMENTS)


@pytest.mark.parametrize("column", ["tokens", "input_ids"])
def test_token_ids_come_before_text(tmp_path, column):
    path = tmp_path / "corpus.jsonl"
    rows = [{"text": "a", column: tokens} for tokens in ([5, 6], [7], [8, 9])]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert sorted(documents(request_of(path))) == [[5, 6], [7], [8, 9]]


@pytest.mark.parametrize("name", ["pydoc", "file", "tales"])
def test_the_seed_decides_the_order(tmp_path, name):
    if name == "file":
        name = write_jsonl(tmp_path / "corpus.jsonl", values=[str(i) for i in range(50)])

    def first_ten(seed):
        return list(islice(documents(request_of(name, seed=seed)), 10))

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
    with pytest.raises(CorpusError, match="there is no such file"):
        corpus_version("some/dataset")
    assert corpus_version("pydoc") != corpus_version("tales") != ""


def message_of(request):
    with pytest.raises(CorpusError) as raised:
        list(documents(request))
    return str(raised.value)


def test_a_file_that_is_not_there():
    with pytest.raises(CorpusError) as raised:
        corpus_version("nowhere.jsonl")
    assert str(raised.value) == "--sae-corpus 'nowhere.jsonl': there is no such file"
    assert "cannot be read (FileNotFoundError: " in message_of(request_of("nowhere.jsonl"))


@pytest.mark.parametrize("name", ["tales", "pydoc", "corpus.jsonl", "a/b/corpus.txt", "c.parquet"])
def test_local(name):
    assert is_local(name)
    assert not is_local("owner/" + name.split(".")[0])


def test_no_column_that_can_be_read(tmp_path):
    path = write_jsonl(tmp_path / "corpus.jsonl", column="body")
    assert message_of(request_of(path)) == (
        f"corpus '{path}' has the columns id, body; one of "
        "text, content, document, problem, tokens, input_ids is needed"
    )


def test_an_empty_file(tmp_path):
    path = tmp_path / "corpus.jsonl"
    path.write_text("")
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
