"""Cloze: which word of a passage is asked for, and among which."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_checks.errors import TaskError
from sae_checks.load.documents import corpus_version
from sae_checks.load.tasks.cloze import (
    BEFORE,
    DISTRACTORS,
    FUNCTION_WORDS,
    NEAR,
    PASSAGE,
    cloze,
    is_content,
    of_passage,
)
from sae_checks.load.tasks.task import LeftOut, Question
from tests.builders import word_tokenizer
from tests.load.tasks.making import asked, questions

FILL = [f"{number}," for number in range(100)]  # no word to ask for, nor to choose among
LANTERN, KETTLE = "lantern", "kettle"


def passage(length=100, **words):
    """A passage of numbers, with words at some places: w5="lantern"."""
    made = FILL[:length]
    for place, word in words.items():
        made[int(place[1:])] = word
    return made


def ask(words):
    return of_passage(words, "document 0", 200, random.Random(0))


@pytest.mark.parametrize(
    "word", ["the", "that", "That", "can't", "2024", "word,", "", "old", "THESE", "naïve-ly"]
)
def test_words_that_are_not_asked_for(word):
    assert not is_content(word)


@pytest.mark.parametrize("word", ["lantern", "Lantern", "Zürich", "cold"])
def test_words_that_are(word):
    assert is_content(word)


def test_function_words_are_lower_case_words_that_would_otherwise_be_asked_for():
    assert all(word.isalpha() and word.islower() and len(word) >= 4 for word in FUNCTION_WORDS)


def test_the_last_word_that_comes_back():
    words = passage(w2=LANTERN, w3=KETTLE, w40=LANTERN, w60=LANTERN, w70=KETTLE, w80="basket")
    assert ask(words) == Question(
        " ".join(words[:70]), KETTLE, "document 0 word 270", (KETTLE, LANTERN), "document 0"
    )


def test_other_forms_do_not_count():
    words = passage(w2="Lantern", w3="lantern,", w4="lanterns", w90=LANTERN, w5=KETTLE)
    assert ask(words) == LeftOut("passages in which no word comes back")


@pytest.mark.parametrize(("place", "found"), [(84, True), (85, False), (89, False)])
def test_not_among_the_five_words_before(place, found):
    words = passage(w5=KETTLE, **{f"w{place}": LANTERN, "w90": LANTERN})
    assert isinstance(ask(words), Question) == found


def test_not_among_the_five_words_before_though_it_was_told_earlier_too():
    words = passage(w5=KETTLE, w6=LANTERN, w88=LANTERN, w90=LANTERN)
    assert ask(words).source == "document 0 word 288"  # asked for where it comes back first


@pytest.mark.parametrize(("place", "found"), [(30, True), (29, False)])
def test_thirty_words_before(place, found):
    words = passage(w5=KETTLE, w6=LANTERN, **{f"w{place}": LANTERN})
    assert isinstance(ask(words), Question) == found


def test_a_passage_with_nothing_to_choose_among():
    words = passage(w5="that", w6=LANTERN, w90=LANTERN, w95=KETTLE)
    assert ask(words) == LeftOut("passages without a distractor")


def test_at_most_nine_others():
    others = {f"w{10 + number}": f"word{letter}" for number, letter in enumerate("abcdefghijkl")}
    words = passage(w6=LANTERN, w90=LANTERN, **others)
    question = ask(words)
    assert question.candidates[0] == LANTERN
    assert len(set(question.candidates)) == 1 + DISTRACTORS
    assert set(question.candidates[1:]) < set(others.values())


WORDS = st.sampled_from(["lantern", "kettle", "basket", "that", "red", "word,", "Kettle"])


@given(st.lists(WORDS, max_size=PASSAGE), st.integers(min_value=0))
def test_laws(words, seed):
    question = of_passage(words, "document 0", 0, random.Random(seed))
    if isinstance(question, LeftOut):
        return
    prompt = question.prompt.split()
    assert words[: len(prompt) + 1] == [*prompt, question.answer]
    assert len(prompt) >= BEFORE
    assert question.answer in prompt[:-NEAR]
    assert question.answer not in prompt[-NEAR:]
    assert question.candidates[0] == question.answer
    assert len(set(question.candidates)) == len(question.candidates) >= 2
    assert all(is_content(word) and word in prompt for word in question.candidates)


def write(path, documents, column="text"):
    path.write_text("".join(json.dumps({column: text}) + "\n" for text in documents))
    return str(path)


def test_passages_of_a_document_do_not_overlap(tmp_path):
    words = passage(w2=LANTERN, w3=KETTLE, w90=LANTERN)
    path = write(tmp_path / "corpus.jsonl", ["\n ".join(words * 2 + words[:20])])
    first, second, rest = asked(cloze(path, None))
    assert first.prompt == second.prompt == " ".join(words[:90])
    assert [first.source, second.source] == ["document 0 word 90", "document 0 word 190"]
    assert isinstance(rest, LeftOut)


def test_token_ids_become_text(tmp_path):
    tokenizer = word_tokenizer("lantern kettle red")
    bos, lantern, kettle, red = 0, 2, 3, 4
    ids = [bos, lantern, kettle, *[red] * 40, lantern, red]
    path = write(tmp_path / "corpus.jsonl", [ids], "tokens")
    (question,) = asked(cloze(path, None), tokenizer=tokenizer)
    assert question.prompt == " ".join(["lantern", "kettle", *["red"] * 40])
    assert question.candidates == ("lantern", "kettle")


@pytest.mark.parametrize(("column", "row"), [("tokens", [2, 500]), ("text", 3.5)])
def test_documents_that_are_no_text(tmp_path, column, row):
    path = write(tmp_path / "corpus.jsonl", [row], column)
    assert asked(cloze(path, None)) == [
        LeftOut("documents that are neither text nor token ids of the model")
    ]


def test_the_seed_decides():
    task = cloze("pydoc", None)
    first = questions(task, 50, seed=1)
    assert first == questions(task, 50, seed=1)
    assert {q.prompt for q in first} != {q.prompt for q in questions(task, 50, seed=2)}


def test_pydoc_and_tales_have_many():
    assert len(questions(cloze("pydoc", None))) > 300
    assert len(questions(cloze("tales", None), 100)) == 100


def test_what_is_known_before_it_is_read(tmp_path):
    local = cloze("pydoc", None)
    assert (local.name, local.candidates) == ("cloze", "many")
    assert (local.location, local.hub, local.version()) == ("pydoc", False, corpus_version("pydoc"))
    remote = cloze("owner/data", None)
    assert (remote.location, remote.hub, remote.version) == ("owner/data", True, None)
    known = cloze("owner/data", "abc")  # not to be asked for at the hub again
    assert (known.hub, known.version()) == (False, "abc")


@pytest.mark.parametrize(
    ("setting", "own", "used"), [("s", None, "s"), (None, "o", "o"), ("s", "o", "o")]
)
def test_the_revision_that_is_read(monkeypatch, setting, own, used):
    requests = []
    monkeypatch.setattr(
        "sae_checks.load.tasks.cloze.documents", lambda request: requests.append(request) or ()
    )
    assert asked(cloze("owner/data", own), revision=setting, seed=5) == []
    assert [(r.name, r.revision, r.seed) for r in requests] == [("owner/data", used, 5)]


def test_a_corpus_that_cannot_be_read(tmp_path):
    path = write(tmp_path / "corpus.jsonl", [])
    with pytest.raises(TaskError) as raised:
        asked(cloze(path, None))
    assert str(raised.value) == f"task cloze: corpus '{path}' is empty"
    with pytest.raises(TaskError) as raised:
        cloze("nowhere.txt", None).version()
    assert str(raised.value) == ("task cloze: --sae-corpus 'nowhere.txt': there is no such file")
