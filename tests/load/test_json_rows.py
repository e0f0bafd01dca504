"""JSON corpora that the parsers of `datasets` would end the process on."""

from __future__ import annotations

from pathlib import Path

import pytest

from sae_checks.errors import CorpusError
from sae_checks.load.documents import CorpusRequest, documents

GOOD = '{"text": "a cat"}'
DEEP = '{"text": ' + "[" * 100_000 + "]" * 100_000 + "}"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (f"{GOOD}\nnull", "line 2: each line is to be a JSON object, written"),
        (f"{GOOD}\n\n{DEEP}", "line 3: each line is to be a JSON object, written"),
        (DEEP, "is no JSON that holds documents"),
        (f"null\n{GOOD}", "is no JSON that holds documents"),
        (f"[{GOOD}, 0]", "is no JSON that holds documents"),
        ("7", "is no JSON that holds documents"),
    ],
)
@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_rows_that_are_no_documents(tmp_path: Path, suffix: str, content: str, told: str):
    file = tmp_path / f"corpus{suffix}"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(CorpusError, match=told):
        list(documents(CorpusRequest(str(file), 100, 16)))


def test_a_list_over_several_lines(tmp_path: Path):
    file = tmp_path / "corpus.json"
    file.write_text(f"[\n{GOOD},\n{GOOD}\n]", encoding="utf-8")
    assert list(documents(CorpusRequest(str(file), 100, 16))) == ["a cat", "a cat"]


@pytest.mark.parametrize("between", ["", "\r", "\n"])
def test_objects_one_after_another_however_they_are_set_out(tmp_path: Path, between: str):
    file = tmp_path / "corpus.jsonl"
    spread = '{\n  "text": "a cat"\n}'
    file.write_text(f"{spread}{between}{GOOD}{between}{GOOD}", encoding="utf-8", newline="")
    assert list(documents(CorpusRequest(str(file), 100, 16))) == ["a cat"] * 3
