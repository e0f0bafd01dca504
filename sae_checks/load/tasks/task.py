"""What a task is: questions with known answers, and the few facts known before they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

# How many candidates each question has: none, exactly two (the answer and what it may be taken
# for), or any number.
Candidates = Literal["none", "pair", "many"]


@dataclass(frozen=True)
class Question:
    """A prompt and the answer that continues it, as text; a space joins the two."""

    prompt: str
    answer: str
    source: str  # an id that leads back to where it comes from: "test row 17", "line 3"
    candidates: tuple[str, ...] = ()  # among them the answer
    # What it shares with questions that are alike, such as their document; "" for nothing.
    cluster: str = ""


@dataclass(frozen=True)
class LeftOut:
    """What stands in a question's place where its row or passage makes none."""

    reason: str  # a noun that a count goes before: "rows without a blank"


@dataclass(frozen=True)
class QuestionInputs:
    """What questions may depend on beside the task itself."""

    tokenizer: Any
    seed: int
    revision: str | None  # of a hub data set


@dataclass(frozen=True)
class Task:
    """A source of questions.

    Attributes:
        name: in reports, thresholds and `--sae-task`.
        candidates: what every question of it has.
        location: the data set, file or corpus that questions are made of; "" for none.
        hub: whether that is a data set on the hub, at whose current commit it is read.
        version: of a task that is not on the hub: a hash of what its questions are made of.
        questions: makes them, in the seed's order; may go on for ever.
    """

    name: str
    candidates: Candidates
    questions: Callable[[QuestionInputs], Iterator[Question | LeftOut]]
    location: str = ""
    hub: bool = False
    version: Callable[[], str] | None = None
