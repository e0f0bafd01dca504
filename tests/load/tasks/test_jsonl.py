"""Tasks of a user's own: what a file may hold, and what is said of one that may not."""

from __future__ import annotations

import json

import pytest

from sae_checks.errors import TaskError
from sae_checks.load.tasks.jsonl import jsonl_task
from sae_checks.load.tasks.task import Question
from tests.load.tasks.making import asked


def write(path, *lines):
    path.write_text(
        "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    )
    return str(path)


def line(**values):
    return {"prompt": "the sky is", "answer": "blue"} | values


@pytest.fixture
def path(tmp_path):
    return tmp_path / "colours.jsonl"


def message_of(path, *lines):
    name = write(path, *lines)
    with pytest.raises(TaskError) as raised:
        jsonl_task(name)
    message = str(raised.value)
    assert message.startswith(f"--sae-task '{name}'")
    return message.removeprefix(f"--sae-task '{name}'")


def test_a_file(path):
    name = write(path, line(), "", line(prompt="grass is ", answer=" green", id="grass"))
    task = jsonl_task(name)
    assert (task.name, task.location, task.hub) == ("colours", name, False)
    assert task.candidates == "none"
    assert sorted(asked(task), key=lambda question: question.source) == [
        Question("grass is ", "green", "grass"),
        Question("the sky is", "blue", "line 1"),
    ]


@pytest.mark.parametrize(
    ("candidates", "kind"),
    [
        ((["blue", "red"], ["red", "blue"]), "pair"),
        ((["blue", "red"], ["red", "blue", "green"]), "many"),
        ((["blue", "red", "pink"], ["red", "blue", "green"]), "many"),
    ],
)
def test_candidates(path, candidates, kind):
    task = jsonl_task(write(path, *(line(candidates=each) for each in candidates)))
    assert task.candidates == kind
    assert {question.candidates for question in asked(task)} == {tuple(c) for c in candidates}


def test_the_seed_decides_the_order(path):
    task = jsonl_task(write(path, *(line(prompt=f"{number} is") for number in range(50))))
    first = asked(task, seed=1)
    assert len(first) == 50
    assert first == asked(task, seed=1)
    assert first != asked(task, seed=2)


def test_the_version_is_of_the_bytes(path, tmp_path):
    name, other = write(path, line()), write(tmp_path / "same.jsonl", line())
    version = jsonl_task(name).version()
    assert len(version) == 16
    assert jsonl_task(other).version() == version
    write(path, line(), "")
    assert jsonl_task(name).version() != version


def test_a_byte_order_mark_and_other_line_ends(path):
    path.write_bytes("\ufeff".encode() + json.dumps(line()).encode() + b"\r\n")
    assert len(asked(jsonl_task(str(path)))) == 1


def test_signs_at_which_python_splits_lines(path):
    write(path, '{"prompt": "one\u2028line is", "answer": "one"}')
    path.write_text('{"prompt": "one\u2028line is", "answer": "one"}\n', encoding="utf-8")
    assert [question.prompt for question in asked(jsonl_task(str(path)))] == ["one\u2028line is"]


@pytest.mark.parametrize(
    ("wrong", "mishap"),
    [
        ("{prompt}", "no JSON: '{prompt}'"),
        ("[" * 100_000, "no JSON: '" + "[" * 59),
        ('["a"]', "a JSON object with prompt and answer is needed, not another value"),
        (
            {"promt": "a", "answer": "b"},
            "unknown key 'promt' (did you mean 'prompt'?); legal are prompt, answer, candidates, "
            "id",
        ),
        (line(weight=1), "unknown key 'weight'; legal are prompt, answer, candidates, id"),
        ({"prompt": "a"}, "the key 'answer' is missing"),
        ({"answer": "a"}, "the key 'prompt' is missing"),
        (line(prompt=3), "prompt is to be a string, not 3"),
        (line(answer=["a"]), "answer is to be a string, not ['a']"),
        (line(id=3), "id is to be a string, not 3"),
        (line(prompt=""), "prompt is empty; one word or more is needed"),
        (line(prompt=" \n"), "prompt is empty; one word or more is needed"),
        (line(answer=" "), "answer is empty; one word or more is needed"),
        (line(prompt="\ud800 is"), "prompt holds half a character: '\\ud800 is'"),
        (line(candidates="blue"), "candidates is to be a list of strings, not 'blue'"),
        (line(candidates=["blue", 3]), "a candidate is to be a string, not 3"),
        (line(candidates=["blue", ""]), "a candidate is empty; one word or more is needed"),
        (line(candidates=["blue"]), "candidates are to be two or more, not 1"),
        (line(candidates=["blue", "red", " red"]), "candidates hold 'red' twice"),
        (
            line(candidates=["green", "red"]),
            "candidates lack the answer 'blue'; add it to them",
        ),
    ],
)
def test_a_line_that_is_no_question(path, wrong, mishap):
    assert message_of(path, line(), wrong, line()) == f", line 2: {mishap}"


def test_candidates_on_some_lines(path):
    some = line(candidates=["blue", "red"])
    assert message_of(path, line(), line(), some) == (
        ", line 3: has candidates, but line 1 has none; give them on every line, or on none"
    )
    assert message_of(path, "", some, line()) == (
        ", line 3: has no candidates, but line 2 has some; give them on every line, or on none"
    )


def test_no_line(path):
    assert message_of(path, "", " ") == (
        " has no line; each is to be a JSON object with prompt and answer"
    )


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(TaskError) as raised:
        jsonl_task("nowhere.jsonl")
    assert str(raised.value) == "--sae-task 'nowhere.jsonl': there is no such file"
    folder = tmp_path / "folder.jsonl"
    folder.mkdir()
    with pytest.raises(TaskError) as raised:
        jsonl_task(str(folder))
    assert str(raised.value) == f"--sae-task '{folder}' cannot be read: Is a directory"
    latin = tmp_path / "latin.jsonl"
    latin.write_bytes('{"prompt": "Zürich"}'.encode("latin-1"))
    with pytest.raises(TaskError) as raised:
        jsonl_task(str(latin))
    assert str(raised.value) == f"--sae-task '{latin}' is no UTF-8 text; save it as such"
