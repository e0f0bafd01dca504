"""What the tests of tasks share: settings, references, and data sets without a hub."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest

from sae_checks.load.tasks.task import LeftOut, Question, QuestionInputs, Task
from sae_checks.records import TaskRef
from tests.builders import word_tokenizer


def setting_of(tokenizer: Any = None, seed: int = 0, revision: str | None = None) -> QuestionInputs:
    return QuestionInputs(tokenizer or word_tokenizer("a"), seed, revision)


def asked(task: Task, count: int | None = None, **setting: Any) -> list[Question | LeftOut]:
    """The first questions of a task, and what stands in the place of others; all if it ends."""
    return list(islice(task.questions(setting_of(**setting)), count))


def questions(task: Task, count: int | None = None, **setting: Any) -> list[Question]:
    made = (q for q in task.questions(setting_of(**setting)) if isinstance(q, Question))
    return list(islice(made, count))


def ref_of(task: Task, items: int = 100, answer: str = "first_token", seed: int = 0) -> TaskRef:
    return TaskRef(task.name, frozenset(), "version", items, seed, answer, task.location)


def serve(monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Have `datasets` find these rows, whatever is asked for; returns what was asked for."""
    import datasets

    calls: list[dict[str, Any]] = []

    def load_dataset(name: str, config: str, **options: Any) -> Any:
        calls.append({"name": name, "config": config} | options)
        return datasets.IterableDataset.from_generator(lambda: iter(rows))

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    return calls
