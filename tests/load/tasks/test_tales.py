"""The demo's tasks: where stories are cut, and which other word might be meant."""

from __future__ import annotations

import random
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sae_checks.demo.stories import POOLS, Story, stories
from sae_checks.load.tasks.tales import TALES, TALES_LONG, distractors, question
from sae_checks.load.tasks.task import LeftOut, Question
from tests.exhaustive import examples
from tests.load.tasks.making import asked, questions

TEXT = (
    "uncle put the drum in the cellar . mary lived in the garden . "
    "father saw the drum in the cellar . father met mary in the garden ."
)
WORDS = TEXT.split()
CELLAR, GARDEN = 20, 27  # the slots: the second cellar, the second garden
STORY = Story(tuple(WORDS), (CELLAR, GARDEN))


def ask(first, last, story=STORY):
    return question(story, range(first, last + 1), "story 7", random.Random(0))


def test_the_slots_of_this_story():
    assert (WORDS[CELLAR], WORDS[GARDEN]) == ("cellar", "garden")
    assert distractors(STORY, CELLAR) == ["garden"]
    assert distractors(STORY, GARDEN) == ["cellar"]


def test_a_cut_story():
    assert ask(1, CELLAR + 1) == Question(
        " ".join(WORDS[:CELLAR]), "cellar", "story 7 word 20", ("cellar", "garden")
    )
    assert ask(CELLAR + 2, 99).answer == "garden"


@pytest.mark.parametrize(("first", "last"), [(1, CELLAR), (GARDEN + 2, 99)])
def test_no_slot_at_that_length(first, last):
    assert ask(first, last) == LeftOut("stories without such a slot")


def test_a_slot_without_a_distractor():
    story = Story(("uncle", "saw", "the", "drum", "in", "the", "cellar"), (6,))
    assert ask(1, 99, story) == LeftOut("stories without such a slot")


@pytest.mark.parametrize(("task", "shortest", "longest"), [(TALES, 2, 64), (TALES_LONG, 65, 128)])
@settings(max_examples=examples(20))
@given(seed=st.integers(min_value=0, max_value=2**32))
def test_every_question(task, shortest, longest, seed):
    for made in questions(task, 20, seed=seed):
        prompt = made.prompt.split()
        assert shortest <= 1 + len(prompt) <= longest
        assert made.candidates[0] == made.answer != made.candidates[1]
        assert set(made.candidates) < set(prompt)
        assert sum(set(made.candidates) <= set(words) for words in POOLS.values()) == 1


def test_one_question_a_story():
    sources = [made.source.split(" word ")[0] for made in questions(TALES, 50)]
    assert len(set(sources)) == 50


def test_most_stories_have_one():
    assert sum(isinstance(made, Question) for made in asked(TALES, 200)) > 80
    assert sum(isinstance(made, Question) for made in asked(TALES_LONG, 200)) > 170


@pytest.mark.parametrize("task", [TALES, TALES_LONG])
def test_the_seed_decides(task):
    first = questions(task, 10, seed=1)
    assert first == questions(task, 10, seed=1)
    assert first != questions(task, 10, seed=2)


@pytest.mark.parametrize("task", [TALES, TALES_LONG])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_story_is_one_of_the_corpus(task, seed):
    """Nor of the stories of training, which are the corpus of the seeds 1 and 2."""
    told = [story.text for story in islice(stories(seed), 100)]
    for made in questions(task, 50, seed=seed):
        assert not any(text.startswith(made.prompt) for text in told)


def test_what_is_known_before_it_is_read():
    assert (TALES.candidates, TALES.location, TALES.hub) == ("pair", "", False)
    assert TALES.version() == TALES_LONG.version()
    assert len(TALES.version()) == 16
