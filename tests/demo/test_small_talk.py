"""The demo's second corpus: the model's words, told otherwise."""

from __future__ import annotations

from itertools import islice

from sae_checks.demo.small_talk import small_talk
from sae_checks.demo.stories import MIN_WORDS, VOCABULARY, Story, stories
from sae_checks.load.documents import CorpusRequest, corpus_version, documents, is_local


def some(seed: int, count: int = 20) -> list[Story]:
    return list(islice(small_talk(seed), count))


def test_every_word_is_one_that_the_model_knows():
    assert {word for story in some(0) for word in story.words} <= set(VOCABULARY)


def test_a_seed_gives_the_same_again_and_another_one_others():
    assert some(3) == some(3)
    assert {story.text for story in some(3)}.isdisjoint(story.text for story in some(4))


def test_nothing_comes_back_and_texts_are_long_enough():
    assert all(story.slots == () and len(story.words) >= MIN_WORDS for story in some(0))


def test_it_is_told_otherwise_than_the_tales():
    """The places of things and people, which are facts, are hardly ever named."""

    def share(told: list[Story]) -> float:
        words = [word for story in told for word in story.words]
        return words.count("in") / len(words)

    assert share(some(0)) < 0.5 * share(list(islice(stories(0), 20)))


def test_it_is_a_corpus_by_name():
    request = CorpusRequest("small_talk", 512, 256, seed=3)
    assert is_local("small_talk")
    assert request.packed == "documents"
    assert list(islice(documents(request), 2)) == [story.text for story in some(3, 2)]
    assert corpus_version("small_talk") != corpus_version("tales")
