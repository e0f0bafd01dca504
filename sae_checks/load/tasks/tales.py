"""The demo's tasks: its stories cut before a word that an earlier sentence has fixed.

The other candidate is a word of the same kind that the story has told too, so that knowing which
words the story holds is not enough: a reader has to know which belongs to whom.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from sae_checks.demo import stories
from sae_checks.demo.stories import POOLS, Story, tell
from sae_checks.load.tasks.task import LeftOut, Question, QuestionInputs, Task
from sae_checks.load.tasks.version import source_version

TRAINING_CONTEXT = 64  # of the demo's SAEs, BOS included

_POOL_OF = {word: pool for pool, words in POOLS.items() for word in words}


def distractors(story: Story, slot: int) -> list[str]:
    """The words of the slot's kind told before it, but for the slot's own, in order."""
    answer = story.words[slot]
    told = dict.fromkeys(story.words[:slot])
    return [word for word in told if word != answer and _POOL_OF.get(word) == _POOL_OF[answer]]


def question(
    story: Story, prompt_tokens: range, source: str, rng: random.Random
) -> Question | LeftOut:
    """A story cut at one of its slots; the prompt's length, BOS included, lies in a range."""
    slots = [slot for slot in story.slots if slot + 1 in prompt_tokens and distractors(story, slot)]
    if not slots:
        return LeftOut("stories without such a slot")
    slot = rng.choice(slots)
    answer, other = story.words[slot], rng.choice(distractors(story, slot))
    prompt = " ".join(story.words[:slot])
    return Question(prompt, answer, f"{source} word {slot}", (answer, other))


def _task(name: str, prompt_tokens: range) -> Task:
    def questions(inputs: QuestionInputs) -> Iterator[Question | LeftOut]:
        # Seeds of text are no seeds of whole numbers: neither the texts that are measured nor the
        # stories that model and SAEs were trained on, `stories(seed)`, can come up here again.
        telling = random.Random(f"{name} {inputs.seed}")
        choosing = random.Random(f"{name} {inputs.seed} slots")
        number = 0
        while True:
            yield question(tell(telling), prompt_tokens, f"story {number}", choosing)
            number += 1

    return Task(name, "pair", questions, version=lambda: source_version(stories.__file__, __file__))


TALES = _task("tales", range(1, TRAINING_CONTEXT + 1))
# Far enough past the training context to show what it does, and no dearer than that.
TALES_LONG = _task("tales_long", range(TRAINING_CONTEXT + 1, 2 * TRAINING_CONTEXT + 1))
