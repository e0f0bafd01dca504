"""The stories: closed vocabulary, repeatable, and slots that the earlier text does fix."""

from __future__ import annotations

import random
import re
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sae_checks.demo.stories import VOCABULARY, Story, stories, tell
from tests.exhaustive import examples

SEEDS = st.integers(min_value=0, max_value=2**32)
CONTEXT = 256

# An account of the sentences made without the generator: what a reader learns from a sentence,
# and what a sentence takes for granted. Groups: subject, then value.
LEARNED = {
    "place": (
        r"put the (\w+) in the (\w+)",
        r"left (?:the )?(\w+) in the (\w+)",
        r"there was a \w+ (\w+) in the (\w+)",
        r"(\w+) lived in the (\w+)",
        r"every \w+ found (\w+) in the (\w+)",
    ),
    "holds": (
        r"(\w+) held the (\w+)",
        r"(\w+) found the (\w+)",
        r"gave (\w+) the (\w+)",
    ),
    "trade": (
        r"(\w+) the (\w+) came by",
        r"knew (\w+) the (\w+)",
        r"here comes (\w+) the (\w+) , said \w+",
    ),
    "animal": (r"(\w+) had a (\w+)", r"(\w+) kept a (\w+)", r"(\w+) bought a (\w+)"),
    "food": (r"(\w+) loved (\w+)", r"brought (\w+) (\w+)"),
    "colour": (r"(?<!that )the (\w+) was (\w+)", r"painted the (\w+) (\w+)"),
}
GRANTED = {
    "place": (
        r"saw the (\w+) in the (\w+)",
        r"looked at the (\w+) in the (\w+)",
        r"no one touched the (\w+) in the (\w+)",
        r"there was \w+ over the (\w+) in the (\w+)",
        r"met (\w+) in the (\w+)",
        r"waved to (\w+) in the (\w+)",
        r"(\w+) stayed in the (\w+) all \w+",
    ),
    "holds": (
        r"(\w+) showed the (\w+) to the \w+",
        r"(\w+) cleaned the (\w+)",
        r"one \w+ (\w+) dropped the (\w+)",
    ),
    "trade": (
        r"(?!(?:then|later|soon|so|more|meanwhile|and)\b)(\w+) the (\w+) "
        r"(?:danced|sang|laughed|argued|whispered|slept|cheered|waited)",
        r"greeted (\w+) the (\w+)",
        r"good \w+ , said (\w+) the (\w+)",
    ),
    "animal": (
        r"(\w+) fed the (\w+)",
        r"(\w+) and the (\w+) sat by the \w+",
        r"(\w+) washed the (\w+) in the \w+",
        r"liked (\w+) and the (\w+)",
    ),
    "food": (
        r"(\w+) wanted (\w+)",
        r"(\w+) cooked (\w+) for the \w+",
        r"that \w+ (\w+) ate (\w+)",
    ),
    "colour": (
        r"the (\w+) stayed (\w+)",
        r"the (\w+) was (\w+) , said the \w+",
        r"in the \w+ the (\w+) looked (\w+)",
    ),
}


def fixed_words(story: Story) -> list[int]:
    """Indices of the words a reader with a memory knows before reading them.

    Fails if a sentence contradicts the memory or takes something for granted it does not hold.
    """
    memory: dict[tuple[str, str], str] = {}
    fixed: list[int] = []
    start = 0  # index of the sentence's first word
    for sentence in " ".join(story.words).split(" ."):
        text = sentence.strip()
        for kind, patterns in GRANTED.items():
            for pattern in patterns:
                if found := re.search(rf"\b{pattern}$", text):
                    subject = found[1]
                    assert memory[kind, subject] == found[2], text
                    fixed.append(start + len(text[: found.start(2)].split()))
        for kind, patterns in LEARNED.items():
            for pattern in patterns:
                if found := re.search(rf"\b{pattern}$", text):
                    assert memory.setdefault((kind, found[1]), found[2]) == found[2], text
        start += len(text.split()) + 1
    return fixed


@settings(max_examples=examples(75))
@given(SEEDS)
def test_slots_are_the_words_that_earlier_sentences_fix(seed: int) -> None:
    story = tell(random.Random(seed))
    assert list(story.slots) == sorted(fixed_words(story))


@settings(max_examples=examples(25))
@given(SEEDS)
def test_same_seed_tells_the_same_story(seed: int) -> None:
    assert list(islice(stories(seed), 2)) == list(islice(stories(seed), 2))


@settings(max_examples=examples(25))
@given(SEEDS)
def test_story_is_long_enough_and_stays_in_the_vocabulary(seed: int) -> None:
    story = tell(random.Random(seed))
    assert len(story.words) >= 300
    assert story.words[-1] == "."
    assert set(story.words) <= set(VOCABULARY[2:])
    assert story.text.split() == list(story.words)


def test_vocabulary_is_small_and_without_doubles() -> None:
    assert VOCABULARY[:2] == ("<bos>", "<unk>")
    assert len(set(VOCABULARY)) == len(VOCABULARY)
    assert 150 <= len(VOCABULARY) <= 450


def test_every_word_of_the_vocabulary_gets_told() -> None:
    told = {word for story in islice(stories(0), 400) for word in story.words}
    assert told == set(VOCABULARY[2:])


@pytest.fixture(scope="module")
def sample() -> list[Story]:
    return list(islice(stories(5), 1500))


def test_slots_stand_at_every_position_from_the_second_sentence_on(sample: list[Story]) -> None:
    positions = {slot + 1 for story in sample for slot in story.slots}  # <bos> is position 0
    assert set(range(20, CONTEXT)) <= positions


def test_slots_reach_back_near_and_far(sample: list[Story]) -> None:
    distances = [
        slot - max(i for i in range(slot) if story.words[i] == story.words[slot])
        for story in sample
        for slot in story.slots
        if slot + 1 < CONTEXT
    ]
    for low, high in ((10, 20), (20, 40), (40, 60), (60, 80), (80, 100), (100, 250)):
        share = sum(low <= distance < high for distance in distances) / len(distances)
        assert share > 0.01, (low, high, share)


def test_stories_differ(sample: list[Story]) -> None:
    assert len({story.words for story in sample}) == len(sample)
    sentences = [s for story in sample for s in story.text.split(" . ")]
    assert len(set(sentences)) > len(sentences) / 5
