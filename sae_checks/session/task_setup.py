"""From options to tasks: which ones a run measures, described but not loaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sae_checks import load
from sae_checks.errors import CorpusError, TaskError
from sae_checks.evals.tasks.columns import offered_columns
from sae_checks.load.tasks.version import source_version
from sae_checks.options import Options
from sae_checks.records import TEXT_DATASETS, TaskRef
from sae_checks.session.setup import dataset_commit
from sae_checks.store import Provenance

if TYPE_CHECKING:
    from sae_checks.load.tasks.task import LeftOut, Question, QuestionInputs, Task

_TASKS_FOLDER = Path(load.__file__).parent / "tasks"


def find_tasks(options: Options, provenance: Provenance) -> tuple[tuple[Task, TaskRef], ...]:
    """The tasks that are asked for, or unasked those that fit the corpus.

    Raises:
        TaskError: there is no such task, its file is malformed, or its data set cannot be found.
    """
    from sae_checks.load.documents import is_local
    from sae_checks.load.tasks import default_tasks, find_task

    corpus = provenance.corpus
    revision = None if is_local(corpus) else provenance.corpus_version
    names = default_tasks(corpus) if options.task is None else options.task
    found = [find_task(name, corpus, revision) for name in names]
    for task in found:
        if task.name in TEXT_DATASETS:
            raise TaskError(
                f"a task cannot be called {task.name!r}, which the texts of the corpus are: rename "
                "the file"
            )
        if sum(other.name == task.name for other in found) > 1:
            raise TaskError(
                f"--sae-task names {task.name!r} twice; tables and limits tell tasks apart by name"
            )
    return tuple(_with_version(task, options) for task in found)


def _with_version(task: Task, options: Options) -> tuple[Task, TaskRef]:
    """A task at its version; one that nobody asked for and that is not available says so later.

    It is then an error of its own tests, and of no others.
    """
    try:
        return task, _describe(task, options, _version(task, options))
    except TaskError as error:
        if options.task is not None:
            raise
        reason = error

    def questions(inputs: QuestionInputs) -> Iterator[Question | LeftOut]:
        raise reason

    return replace(task, questions=questions), _describe(task, options, "not found")


def _describe(task: Task, options: Options, version: str) -> TaskRef:
    return TaskRef(
        name=task.name,
        columns=offered_columns(task.candidates),
        version=version,
        made_by=source_version(*map(str, sorted(_TASKS_FOLDER.glob("*.py")))),
        items=options.items,
        seed=options.seed,
        answer="whole" if options.answer == "whole" else "first_token",
        location=task.location,
        feature_window=options.feature_window,
    )


def _version(task: Task, options: Options) -> str:
    if not task.hub:
        assert task.version is not None, "a task that is not on the hub says its version"
        return task.version()
    instead = "choose other tasks with --sae-task, which takes a .jsonl file, cloze and none"
    try:
        return dataset_commit(task.location, options, instead)
    except CorpusError as error:
        raise TaskError(f"task {task.name}: {error}") from error
