"""Tasks: questions with known answers, by name or from a file; nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

from sae_checks.errors import TaskError
from sae_checks.load.documents import is_local
from sae_checks.load.tasks.cbt import CBT_CN
from sae_checks.load.tasks.cloze import cloze as cloze_of
from sae_checks.load.tasks.ioi import IOI
from sae_checks.load.tasks.jsonl import SUFFIX, jsonl_task
from sae_checks.load.tasks.lambada import LAMBADA, LAMBADA_OPENAI
from sae_checks.load.tasks.tales import TALES, TALES_LONG
from sae_checks.load.tasks.task import Task

_FIXED = {task.name: task for task in (LAMBADA, LAMBADA_OPENAI, CBT_CN, IOI, TALES, TALES_LONG)}
# Made of the corpus and its revision.
_OF_CORPUS: dict[str, Callable[[str, str | None], Task]] = {"cloze": cloze_of}

BUNDLED_TASKS: tuple[str, ...] = (*_FIXED, *_OF_CORPUS)


def find_task(name: str, corpus: str, corpus_revision: str | None) -> Task:
    """A bundled task by its name, or that of a .jsonl file, which is read here.

    Args:
        name: as `--sae-task` takes it.
        corpus: what the task cloze is made of.
        corpus_revision: of a corpus on the hub, where it is known.

    Raises:
        TaskError: no such task or file, or a file that is no task.
    """
    if name in _FIXED:
        return _FIXED[name]
    if name in _OF_CORPUS:
        return _OF_CORPUS[name](corpus, corpus_revision)
    if Path(name).suffix != SUFFIX:
        nearest = get_close_matches(name, BUNDLED_TASKS, n=1)
        hint = f" (did you mean {nearest[0]!r}?)" if nearest else ""
        raise TaskError(
            f"--sae-task {name!r}: there is no such task{hint}; legal are "
            f"{', '.join(BUNDLED_TASKS)}, and a {SUFFIX} file of your own"
        )
    if Path(name).stem in BUNDLED_TASKS:
        raise TaskError(
            f"--sae-task {name!r}: {Path(name).stem} is the name of a bundled task; give the file "
            "another name"
        )
    return jsonl_task(name)


def default_tasks(corpus: str) -> tuple[str, ...]:
    """The tasks that are run unasked: those that fit the model and need no more than its corpus."""
    if corpus == "tales":
        return ("tales", "tales_long")
    return ("cloze",) if is_local(corpus) else ("lambada", "cbt_cn", "ioi")
