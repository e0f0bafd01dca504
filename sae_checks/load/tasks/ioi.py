"""Indirect objects: two people are named, one of them acts again, and the other one is meant.

"When Mary and John met at the market, John handed the basket to" is answered by Mary. Who is named
first is as often the one who acts (BABA) as the other one (ABBA).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from sae_checks.errors import TaskError
from sae_checks.load.tasks.task import LeftOut, Question, QuestionInputs, Task
from sae_checks.load.tasks.tokens import ids_after
from sae_checks.load.tasks.version import source_version

FEWEST_NAMES = 8

_NAMES = """
Mary John James Robert Michael William David Richard Joseph Thomas Charles Daniel Matthew Anthony
Mark Paul Steven Andrew George Kevin Brian Edward Ronald Jason Jeffrey Ryan Jacob Gary Eric
Stephen Larry Justin Scott Frank Patrick Jack Peter Adam Henry Simon Sarah Susan Jessica Lisa
Karen Nancy Sandra Emily Donna Michelle Laura Amy Anna Emma Rachel Maria Kelly Julie Alice Rebecca
"""
# No name begins a sentence: each follows a space, and so is the same token wherever it stands.
TEMPLATES = (
    "When {first} and {second} met at the {place}, {subject} handed the {thing} to",
    "After {first} and {second} had walked to the {place}, {subject} gave the {thing} to",
    "Yesterday {first} and {second} were at the {place}, where {subject} showed the {thing} to",
    "As soon as {first} and {second} had left the {place}, {subject} offered the {thing} to",
    "Because {first} and {second} both worked at the {place}, {subject} brought the {thing} to",
    "Last week {first} and {second} stood outside the {place}, and {subject} passed the {thing} to",
    "In the evening {first} and {second} came to the {place}, and there {subject} lent the {thing} "
    "to",
    "While {first} and {second} were talking near the {place}, {subject} threw the {thing} to",
    "On the way to the {place}, {first} ran into {second}, and {subject} sold the {thing} to",
    "It was late when {first} and {second} found the {place}, so {subject} returned the {thing} to",
)
_PLACES = """
market school library station garden office museum hospital restaurant harbour theatre park
"""
_THINGS = """
book key basket letter ball ring lamp bottle camera coat ticket map
"""

NAMES, PLACES, THINGS = (tuple(words.split()) for words in (_NAMES, _PLACES, _THINGS))


def single_token_names(tokenizer: Any) -> list[str]:
    """The names that are one token each behind a space, none of them the unknown one.

    Raises:
        TaskError: there are too few of them.
    """
    names = []
    for name in NAMES:
        ids = ids_after(tokenizer, "to", name)
        if len(ids) == 1 and ids[0] != tokenizer.unk_token_id:
            names.append(name)
    if len(names) < FEWEST_NAMES:
        raise TaskError(
            f"task ioi: only {len(names)} of its {len(NAMES)} names are single tokens of the "
            f"model's tokenizer, and {FEWEST_NAMES} are needed; leave it out with --sae-task"
        )
    return names


def _questions(inputs: QuestionInputs) -> Iterator[Question | LeftOut]:
    names, rng = single_token_names(inputs.tokenizer), random.Random(inputs.seed)
    possible = 2 * len(names) * (len(names) - 1) * len(TEMPLATES) * len(PLACES) * len(THINGS)
    made: set[str] = set()
    while len(made) < possible:
        question = _question(rng, names)
        if question.prompt not in made:
            made.add(question.prompt)
            yield question


def _question(rng: random.Random, names: list[str]) -> Question:
    template = rng.randrange(len(TEMPLATES))
    first, second = rng.sample(names, 2)
    order = rng.choice(("ABBA", "BABA"))
    subject, answer = (second, first) if order == "ABBA" else (first, second)
    prompt = TEMPLATES[template].format(
        first=first,
        second=second,
        subject=subject,
        place=rng.choice(PLACES),
        thing=rng.choice(THINGS),
    )
    return Question(prompt, answer, f"template {template} {order}", (answer, subject))


IOI = Task("ioi", "pair", _questions, version=lambda: source_version(__file__))
