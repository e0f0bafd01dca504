"""Tasks by name, and which are run unasked."""

from __future__ import annotations

import pkgutil

import pytest

from sae_checks.errors import TaskError
from sae_checks.load import tasks
from sae_checks.load.tasks import BUNDLED_TASKS, default_tasks, find_task
from tests.test_layers import brought_by

LEGAL = "lambada, lambada_openai, cbt_cn, ioi, tales, tales_long, cloze"


def message_of(name):
    with pytest.raises(TaskError) as raised:
        find_task(name, "pydoc", None)
    return str(raised.value)


@pytest.mark.parametrize("name", BUNDLED_TASKS)
def test_bundled_tasks(name):
    task = find_task(name, "pydoc", None)
    assert task.name == name
    assert task.hub or task.version is not None


def test_cloze_is_made_of_the_corpus():
    task = find_task("cloze", "owner/data", "abc")
    assert (task.location, task.hub, task.version()) == ("owner/data", False, "abc")


def test_a_file(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text('{"prompt": "a", "answer": "b"}')
    assert find_task(str(path), "pydoc", None).name == "mine"


def test_a_file_with_a_bundled_name():
    assert message_of("somewhere/lambada.jsonl") == (
        "--sae-task 'somewhere/lambada.jsonl': lambada is the name of a bundled task; give the "
        "file another name"
    )


def test_unknown_names():
    assert message_of("lambda") == (
        "--sae-task 'lambda': there is no such task (did you mean 'lambada'?); legal are "
        f"{LEGAL}, and a .jsonl file of your own"
    )
    assert message_of("xyz") == (
        f"--sae-task 'xyz': there is no such task; legal are {LEGAL}, and a .jsonl file of your own"
    )


@pytest.mark.parametrize(
    ("corpus", "names"),
    [
        ("tales", ("tales", "tales_long")),
        ("pydoc", ("cloze",)),
        ("my/prose.txt", ("cloze",)),
        ("Skylion007/openwebtext", ("lambada", "cbt_cn", "ioi")),
    ],
)
def test_tasks_unasked(corpus, names):
    assert default_tasks(corpus) == names
    assert set(names) <= set(BUNDLED_TASKS)


def test_nothing_heavy_is_imported():
    names = [f"{tasks.__name__}.{module.name}" for module in pkgutil.iter_modules(tasks.__path__)]
    assert len(names) > 8
    assert brought_by(names) == {name: [] for name in names}
