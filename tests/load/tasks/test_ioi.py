"""Indirect objects: templates, names and both orders."""

from __future__ import annotations

from string import Formatter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sae_checks.errors import TaskError
from sae_checks.load.tasks import ioi
from sae_checks.load.tasks.ioi import IOI, NAMES, PLACES, TEMPLATES, THINGS, single_token_names
from tests.builders import word_tokenizer
from tests.exhaustive import examples
from tests.load.tasks.making import questions

TEN = NAMES[:10]
TOKENIZER = word_tokenizer(" ".join((*TEN, *PLACES, *THINGS, "to")))


def test_the_templates_name_everybody_and_everything_once():
    assert len(TEMPLATES) >= 8
    for template in TEMPLATES:
        fields = [field for _, field, _, _ in Formatter().parse(template) if field]
        assert sorted(fields) == ["first", "place", "second", "subject", "thing"]
        assert template.endswith(" to")
        # A name that began the sentence would be another token than the same name elsewhere.
        assert all(template.count(f" {{{name}}}") == 1 for name in ("first", "second", "subject"))


def test_no_word_is_there_twice():
    assert len(NAMES) == len(set(NAMES)) == 60
    assert len(PLACES) == len(set(PLACES))
    assert len(THINGS) == len(set(THINGS))


def test_one_question(monkeypatch):
    template = "When {first} and {second} met at the {place}, {subject} handed the {thing} to"
    monkeypatch.setattr(ioi, "TEMPLATES", (template,))
    for question in questions(IOI, 50, tokenizer=TOKENIZER):
        place = next(word for word in PLACES if f"the {word}," in question.prompt)
        thing = next(word for word in THINGS if f"the {word} to" in question.prompt)
        answer, subject = question.candidates
        both = (answer, subject) if question.source.endswith("ABBA") else (subject, answer)
        assert question.answer == answer
        assert question.prompt == (
            f"When {both[0]} and {both[1]} met at the {place}, {subject} handed the {thing} to"
        )


@settings(max_examples=examples(25))
@given(st.integers(min_value=0, max_value=2**32))
def test_every_question(seed):
    made = questions(IOI, 80, tokenizer=TOKENIZER, seed=seed)
    assert len({question.prompt for question in made}) == len(made)
    assert {question.source.split()[-1] for question in made} == {"ABBA", "BABA"}
    for question in made:
        words = question.prompt.replace(",", "").split()
        assert words.count(question.candidates[0]) == 1
        assert words.count(question.candidates[1]) == 2
        assert set(question.candidates) < set(TEN)
        assert words[0] not in TEN


def test_both_orders_and_all_templates_are_about_as_frequent():
    sources = [question.source for question in questions(IOI, 2_000, tokenizer=TOKENIZER)]
    assert 900 < sum(source.endswith("ABBA") for source in sources) < 1_100
    for number in range(len(TEMPLATES)):
        assert 140 < sum(f"template {number} " in source for source in sources) < 260


def test_questions_run_out_without_one_twice(monkeypatch):
    monkeypatch.setattr(ioi, "TEMPLATES", TEMPLATES[:2])
    monkeypatch.setattr(ioi, "PLACES", PLACES[:1])
    monkeypatch.setattr(ioi, "THINGS", THINGS[:1])
    assert len(questions(IOI, tokenizer=TOKENIZER)) == 2 * 10 * 9 * 2


def test_the_seed_decides():
    first = questions(IOI, 20, tokenizer=TOKENIZER, seed=3)
    assert first == questions(IOI, 20, tokenizer=TOKENIZER, seed=3)
    assert first != questions(IOI, 20, tokenizer=TOKENIZER, seed=4)


def test_names_that_are_one_token_each():
    assert single_token_names(TOKENIZER) == list(TEN)


def test_too_few_names():
    with pytest.raises(TaskError) as raised:
        single_token_names(word_tokenizer(" ".join(NAMES[:7])))
    assert str(raised.value) == (
        "task ioi: only 7 of its 60 names are single tokens of the model's tokenizer, and 8 are "
        "needed; leave it out with --sae-task"
    )
    assert len(single_token_names(word_tokenizer(" ".join(NAMES[:8])))) == 8


def test_what_is_known_before_it_is_read():
    assert (IOI.candidates, IOI.location, IOI.hub) == ("pair", "", False)
    assert len(IOI.version()) == 16
