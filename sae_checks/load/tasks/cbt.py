"""The Children's Book Test: twenty sentences of a story, and the next with one word to choose.

The task here is of its common nouns. What follows the blank is not shown: a model reads on from
the left.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sae_checks.load.tasks.dataset import HubSplit
from sae_checks.load.tasks.task import LeftOut, Question, QuestionInputs, Task

BLANK = "XXXXX"
_SPLIT = HubSplit(
    "cbt_cn", "cam-cst/cbt", "CN", "validation", ("sentences", "question", "answer", "options")
)


def question(row: dict[str, Any], source: str) -> Question | LeftOut:
    """A row's sentences and its question up to the blank."""
    sentences, asked, answer, options = (row[column] for column in _SPLIT.columns)
    texts = [sentences, options]
    if not all(isinstance(each, list) for each in texts) or not all(
        isinstance(text, str) for text in (*sentences, asked, answer, *options)
    ):
        return LeftOut("rows of another form")
    before, blank, _ = asked.partition(BLANK)
    if not blank:
        return LeftOut("rows without a blank")
    if answer not in options:
        return LeftOut("rows whose options lack the answer")
    return Question(" ".join((*sentences, before)), answer, source, tuple(options))


def _questions(inputs: QuestionInputs) -> Iterator[Question | LeftOut]:
    for source, row in _SPLIT.rows(inputs.revision, inputs.seed):
        yield question(row, source)


CBT_CN = Task("cbt_cn", "many", _questions, location=_SPLIT.dataset, hub=True)
