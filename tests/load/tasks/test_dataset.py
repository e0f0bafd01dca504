"""Tasks of data sets on the hub: LAMBADA and the Children's Book Test, row by row."""

from __future__ import annotations

import pytest

from sae_checks.errors import TaskError
from sae_checks.load.tasks import cbt, lambada
from sae_checks.load.tasks.cbt import CBT_CN
from sae_checks.load.tasks.dataset import HubSplit
from sae_checks.load.tasks.lambada import LAMBADA, LAMBADA_OPENAI
from sae_checks.load.tasks.task import LeftOut, Question
from tests.load.tasks.making import asked, questions, serve

INSTEAD = (
    "; --sae-task also takes a .jsonl file of your own, cloze, or none, which need no such data set"
)
BOOK = {
    "sentences": [f"sentence {number} ." for number in range(20)],
    "question": "she took the XXXXX and left .",
    "answer": "hat",
    "options": ["coat", "hat", "key"],
}


def test_a_passage_loses_its_last_word():
    assert lambada.question("he saw the\n big  dog \n", "test row 3") == Question(
        "he saw the\n big", "dog", "test row 3"
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("dog", "rows of fewer than two words"),
        (" dog\n", "rows of fewer than two words"),
        ("", "rows of fewer than two words"),
        (None, "rows without text"),
        (7, "rows without text"),
    ],
)
def test_rows_that_are_no_passage(text, reason):
    assert lambada.question(text, "") == LeftOut(reason)


@pytest.mark.parametrize(
    ("task", "name", "config"),
    [
        (LAMBADA, "cimec/lambada", "plain_text"),
        (LAMBADA_OPENAI, "EleutherAI/lambada_openai", "default"),
    ],
)
def test_lambada(monkeypatch, task, name, config):
    calls = serve(monkeypatch, [{"text": f"passage {i}", "domain": None} for i in range(50)])
    made = asked(task, seed=1, revision="abc")
    assert calls == [
        {"name": name, "config": config, "split": "test", "streaming": True, "revision": "abc"}
    ]
    assert sorted(int(question.answer) for question in made) == list(range(50))
    assert all(question.source == f"test row {question.answer}" for question in made)
    assert (task.location, task.hub, task.candidates) == (name, True, "none")


def test_the_seed_decides_the_order(monkeypatch):
    serve(monkeypatch, [{"text": f"passage {i}"} for i in range(50)])
    first = asked(LAMBADA, seed=1)
    assert first == asked(LAMBADA, seed=1)
    assert first != asked(LAMBADA, seed=2)
    assert first != sorted(first, key=lambda question: int(question.answer))


def test_a_book_is_read_up_to_the_blank():
    question = cbt.question(BOOK, "validation row 4")
    assert question.prompt.startswith("sentence 0 . sentence 1 . ")
    assert question.prompt.endswith(" sentence 19 . she took the ")
    assert question.answer == "hat"
    assert question.candidates == ("coat", "hat", "key")
    assert question.source == "validation row 4"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"question": "she left ."}, "rows without a blank"),
        ({"answer": "glove"}, "rows whose options lack the answer"),
        ({"answer": None}, "rows of another form"),
        ({"sentences": "one sentence"}, "rows of another form"),
        ({"sentences": None}, "rows of another form"),
        ({"options": ["hat", 3]}, "rows of another form"),
    ],
)
def test_rows_that_are_no_book(changed, reason):
    assert cbt.question(BOOK | changed, "") == LeftOut(reason)


def test_cbt(monkeypatch):
    calls = serve(monkeypatch, [BOOK, BOOK | {"question": "she left ."}])
    assert [question.source for question in questions(CBT_CN)] == ["validation row 0"]
    assert len(asked(CBT_CN)) == 2
    assert calls[0] == {
        "name": "cam-cst/cbt",
        "config": "CN",
        "split": "validation",
        "streaming": True,
        "revision": None,
    }
    assert (CBT_CN.hub, CBT_CN.candidates) == (True, "many")


def message_of(task):
    with pytest.raises(TaskError) as raised:
        asked(task)
    return str(raised.value)


def test_a_column_that_is_not_there(monkeypatch):
    serve(monkeypatch, [{"id": 1, "body": "passage"}])
    assert message_of(LAMBADA) == (
        "task lambada: data set 'cimec/lambada' has the columns id, body; text is needed"
    )


def test_an_empty_split(monkeypatch):
    serve(monkeypatch, [])
    assert message_of(LAMBADA) == (
        "task lambada: split test of data set 'cimec/lambada' is empty" + INSTEAD
    )


@pytest.mark.parametrize("error", [ConnectionError, ValueError, RuntimeError])
def test_a_data_set_that_cannot_be_read(monkeypatch, error):
    def refuse(*_, **__):
        raise error("no answer.\nTry again.")

    monkeypatch.setattr("datasets.load_dataset", refuse)
    assert message_of(CBT_CN) == (
        "task cbt_cn: split validation of data set 'cam-cst/cbt' cannot be read "
        f"({error.__name__}: no answer)" + INSTEAD
    )


def test_an_empty_json_file(monkeypatch):
    def end(*_, **__):
        raise StopIteration

    monkeypatch.setattr("datasets.load_dataset", end)
    assert " is empty; " in message_of(LAMBADA_OPENAI)


def test_no_row_is_left_out_of_a_split_shorter_than_the_limit(monkeypatch):
    serve(monkeypatch, [{"text": str(i)} for i in range(2_000)])
    rows = list(HubSplit("t", "d", "c", "test", ("text",)).rows(None, 0))
    assert {source for source, _ in rows} == {f"test row {i}" for i in range(2_000)}
