"""Questions as token ids: what is scored, what is cut, what is left out, and what is said of it."""

from __future__ import annotations

from itertools import count, repeat

import pytest

from sae_checks.errors import TaskError
from sae_checks.load.tasks.items import Item, load_items
from sae_checks.load.tasks.task import LeftOut, Question, Task
from tests.builders import BOS, word_tokenizer
from tests.load.tasks.making import ref_of

TOKENIZER = word_tokenizer("a b c d e f")
A, B, C, D, E, F = range(2, 8)


def task_of(*questions, candidates="none"):
    return Task("letters", candidates, lambda setting: iter(questions), location="somewhere")


def load(*questions, candidates="none", **settings):
    task = task_of(*questions, candidates=candidates)
    return load_task(task, **settings)


def load_task(task, *, tokenizer=TOKENIZER, context=10, prepend_bos=True, **ref):
    return load_items(
        task,
        ref_of(task, **ref),
        tokenizer,
        revision=None,
        context=context,
        prepend_bos=prepend_bos,
    )


def ask(prompt, answer, *candidates, source=""):
    return Question(prompt, answer, source, candidates)


GOOD = ask("a b c", "d")  # an item with BOS and without


def left_out(question, **settings):
    """Why a question makes no item; another one does."""
    items = load(GOOD, question, **settings)
    assert len(items.items) == 1
    (reason,) = items.description["left_out"]
    return reason


def test_a_question_as_tokens():
    items = load(ask(" a b\n", " c ", source="line 3"))
    assert items.items == (Item("line 3", (BOS, A, B), (C,)),)
    assert items.special == {BOS}


def test_without_bos():
    assert load(GOOD, prepend_bos=False).items[0].prompt == (A, B, C)


def test_answers_of_several_tokens():
    questions = ask("a b", "c d"), ask("a a", "b")
    first, whole = load(*questions), load(*questions, answer="whole")
    assert [item.answer for item in first.items] == [(C,), (B,)]
    assert [item.answer for item in whole.items] == [(C, D), (B,)]
    for items in (first, whole):
        assert items.description["several_token_answers"] == 1


def test_candidates_are_their_first_tokens():
    items = load(ask("a b", "c d", "e", "c d", "f a"), candidates="many")
    assert items.items[0].candidates == (C, E, F)  # the answer's own first


def test_candidates_that_cannot_be_told_apart_are_dropped():
    question = ask("a b", "c d", "c d", "c e", "e a", "e b", "zebra", "f")
    assert load(question, candidates="many").items[0].candidates == (C, E, F)


@pytest.mark.parametrize("candidates", ["pair", "many"])
def test_questions_whose_candidates_begin_alike(candidates):
    good = ask("a a", "b", "b", "c")
    items = load(good, ask("a b", "c d", "c d", "c e"), candidates=candidates)
    assert [item.candidates for item in items.items] == [(B, C)]
    assert items.description["left_out"] == {"questions whose candidates begin alike": 1}


def test_tasks_without_candidates_have_none():
    assert load(ask("a b", "c", "c", "d")).items[0].candidates == ()


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        (ask(" ", "c"), "questions with an empty prompt or answer"),
        (ask("a", " "), "questions with an empty prompt or answer"),
        (ask("a", "zebra"), "answers that the tokenizer does not know"),
        (ask("a", "c zebra"), "answers that the tokenizer does not know"),
        (ask("<bos> ", "c"), "prompts without a token to measure"),
        (ask("<bos> <bos> a", "c"), "prompts without a token to measure"),
        (LeftOut("rows without a blank"), "rows without a blank"),
        (ask("a  b c ", "d"), "duplicates"),
    ],
)
def test_questions_that_make_no_item(question, reason):
    assert left_out(question) == reason


@pytest.mark.parametrize(
    ("prompt", "prepend_bos", "made"),
    [
        ("a", True, None),
        ("a b", True, (BOS, A, B)),
        ("<bos> a b", True, (BOS, BOS, A, B)),
        ("a <bos>", True, (BOS, A, BOS)),
        ("a", False, None),
        ("a b", False, None),
        ("a <bos> b", False, None),
        ("a b c", False, (A, B, C)),
    ],
)
def test_a_prompt_needs_a_token_between_its_first_and_its_last(prompt, prepend_bos, made):
    """The first of all is never measured, and what the last one predicts is the answer."""
    question = ask(prompt, "e")
    if made is None:
        reason = left_out(question, prepend_bos=prepend_bos)
        assert reason == "prompts without a token to measure"
    else:
        assert load(question, prepend_bos=prepend_bos).items[0].prompt == made


@pytest.mark.parametrize("prompt", ["b", "a b", "b a b"])
def test_prompts_of_no_token_or_one(prompt):
    tokenizer = without_b()
    assert left_out(ask(prompt, "c"), tokenizer=tokenizer) == "prompts without a token to measure"


def test_answers_of_no_token():
    assert left_out(ask("a c", "b"), tokenizer=without_b()) == "answers of no token"


def without_b():
    """A tokenizer to which b is nothing at all."""
    from tokenizers.normalizers import Replace

    tokenizer = word_tokenizer("a b c d")
    tokenizer.backend_tokenizer.normalizer = Replace("b", "")
    return tokenizer


def test_unknown_words_of_a_prompt_stay():
    assert load(ask("a zebra", "c")).items[0].prompt == (BOS, A, 1)


@pytest.mark.parametrize(
    ("answer", "settings", "prompt"),
    [
        ("f", {"context": 6}, (BOS, A, B, C, D, E)),
        ("f", {"context": 5}, (BOS, B, C, D, E)),
        ("f a", {"context": 5}, (BOS, B, C, D, E)),  # one token of it counts
        ("f a", {"context": 5, "answer": "whole"}, (BOS, C, D, E)),
        ("f", {"context": 4, "prepend_bos": False}, (B, C, D, E)),
        ("f", {"context": 3}, (BOS, D, E)),
    ],
)
def test_long_prompts_lose_their_beginning(answer, settings, prompt):
    items = load(ask("a b c d e", answer), ask("a b", "c"), **settings)
    assert items.items[0].prompt == prompt
    assert items.description["longest_prompt"] == len(prompt)
    cut = len(prompt) < 6
    assert items.description["cut"] == cut


def test_prompts_that_are_cut_until_nothing_can_be_measured():
    with pytest.raises(TaskError, match="1 prompts without a token to measure"):
        load(GOOD, context=2)
    items = load(GOOD, context=3)
    assert items.items[0].prompt == (BOS, B, C)


def test_prompts_that_are_the_same_once_cut():
    items = load(ask("a b c", "d"), ask("e b c", "d"), context=3)
    assert items.description["left_out"] == {"duplicates": 1}
    assert items.description["cut"] == 1


def test_answers_that_leave_no_room():
    assert left_out(ask("a b", "c d e f a"), context=5, answer="whole") == (
        "answers that leave no room for a prompt"
    )


def test_other_answers_make_other_items():
    assert len(load(ask("a b", "c"), ask("a b", "d")).items) == 2


def test_as_many_items_as_wanted():
    taken = []

    def endless(setting):
        for number in count():
            taken.append(number)
            yield ask("a " * (2 + number), "b", source=str(number))

    items = load_task(Task("letters", "none", endless), items=3, context=50)
    assert [item.source for item in items.items] == ["0", "1", "2"]
    assert len(taken) == 3


def test_a_task_that_never_ends_and_has_nothing_more():
    task = Task("letters", "none", lambda setting: repeat(GOOD))
    items = load_task(task, items=2)
    assert len(items.items) == 1
    assert items.description["left_out"] == {"duplicates": 1_000}


def test_the_patience_begins_again_with_each_item():
    def rare(setting):
        for number in range(3):
            yield from repeat(LeftOut("none"), 999)
            yield ask("a " * (2 + number), "b")

    assert len(load_task(Task("letters", "none", rare), items=3, context=50).items) == 3


def test_what_is_said_of_the_items():
    items = load(
        ask("a b c", "d e"),
        ask("a b c", "d f"),
        ask("a", "zebra"),
        LeftOut("rows"),
        items=5,
        seed=7,
    )
    tokenizer, vocabulary = str(items.description.pop("tokenizer")).split()
    assert tokenizer == "TokenizersBackend"
    assert len(vocabulary) == 16
    assert items.description == {
        "task": "letters",
        "location": "somewhere",
        "answer": "first_token",
        "items": 1,
        "seed": 7,
        "left_out": {"answers that the tokenizer does not know": 1, "duplicates": 1, "rows": 1},
        "cut": 0,
        "several_token_answers": 1,
        "longest_prompt": 4,
        "endings": ["<bos> a b c → d"],
    }


def test_questions_depend_on_tokenizer_seed_and_revision():
    settings = []

    def questions(setting):
        settings.append(setting)
        yield GOOD

    task = Task("letters", "none", questions)
    load_items(task, ref_of(task, seed=5), TOKENIZER, revision="abc", context=10, prepend_bos=True)
    assert [(s.tokenizer, s.seed, s.revision) for s in settings] == [(TOKENIZER, 5, "abc")]


def test_the_fingerprint_is_of_the_items():
    pair = [ask("a b e", "c", "c", "d"), ask("a b e", "d", "c", "d")]
    first = load(*pair, candidates="pair").fingerprint
    assert first == load(*pair, candidates="pair").fingerprint
    others = {
        load(*pair).fingerprint,
        load(*pair[:1], candidates="pair").fingerprint,
        load(*pair[::-1], candidates="pair").fingerprint,
        load(*pair, candidates="pair", prepend_bos=False).fingerprint,
    }
    assert len(others | {first}) == 5
    # The same on every machine.
    assert load(ask("a b", "c")).fingerprint.startswith("e44900270e37271a")


def message_of(*questions, **settings):
    with pytest.raises(TaskError) as raised:
        load(*questions, **settings)
    return str(raised.value)


def test_nothing_at_all():
    assert message_of() == "task letters has no question; leave it out with --sae-task"
    assert message_of(ask("a", "zebra"), ask("", "c"), ask("b", "zebra")) == (
        "task letters: none of its questions can be asked of this model (2 answers that the "
        "tokenizer does not know, 1 questions with an empty prompt or answer); leave it out with "
        "--sae-task"
    )


def test_a_tokenizer_without_bos():
    bare = word_tokenizer("a b c d", bos=False)
    assert message_of(GOOD, tokenizer=bare) == (
        "task letters: the model's tokenizer has neither a BOS nor an EOS token, but the SAEs "
        "expect prompts that begin with one"
    )
    items = load(GOOD, tokenizer=bare, prepend_bos=False)
    assert items.special == frozenset()
    assert items.items[0].prompt == (2, 3, 4)


def test_eos_stands_in_for_bos():
    tokenizer = word_tokenizer("a b c d <end>", bos=False)
    tokenizer.eos_token = "<end>"
    items = load(GOOD, tokenizer=tokenizer)
    assert items.items[0].prompt == (6, 2, 3, 4)
    assert items.special == {6}
