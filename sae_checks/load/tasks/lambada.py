"""LAMBADA: passages whose last word is clear to who has read them whole, not the end alone."""

from __future__ import annotations

from collections.abc import Iterator

from sae_checks.load.tasks.dataset import HubSplit
from sae_checks.load.tasks.task import LeftOut, Question, QuestionInputs, Task


def _task(name: str, dataset: str, config: str) -> Task:
    split = HubSplit(name, dataset, config, "test", ("text",))

    def questions(inputs: QuestionInputs) -> Iterator[Question | LeftOut]:
        for source, row in split.rows(inputs.revision, inputs.seed):
            yield question(row["text"], source)

    return Task(name, "none", questions, location=dataset, hub=True)


def question(text: object, source: str) -> Question | LeftOut:
    """A passage cut before its last word."""
    if not isinstance(text, str):
        return LeftOut("rows without text")
    words = text.rsplit(maxsplit=1)
    if len(words) < 2:
        return LeftOut("rows of fewer than two words")
    return Question(words[0], words[1], source)


LAMBADA = _task("lambada", "cimec/lambada", "plain_text")
# The same passages as they stand in the books, instead of lower-cased words and marks apart.
LAMBADA_OPENAI = _task("lambada_openai", "EleutherAI/lambada_openai", "default")
