"""Cloze: words of a corpus that come back in the same passage; a task made of any corpus."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from sae_checks.errors import CorpusError, TaskError
from sae_checks.load.documents import CorpusRequest, corpus_version, documents, is_local
from sae_checks.load.tasks.task import LeftOut, Question, QuestionInputs, Task

PASSAGE = 100  # words
BEFORE = 30  # words of a prompt, at the least
NEAR = 5  # words right before the answer, of which copying one would be no feat
SHORTEST = 4  # letters
DISTRACTORS = 9  # at the most
_FUNCTION_WORDS = """
about above after again against almost along already also although always among another around
because become been before behind being below between both came cannot come could does done down
during each either else even ever every first from gave give given goes gone have having hence
here hers herself himself however http https into itself just last least less like made make many
might more most much must myself near need neither never next none nothing often once only onto
other others ought ours over perhaps quite rather said same seem several shall should since some
something soon still such sure take taken than that their theirs them themselves then there
therefore these they thing things this those though through thus together took toward towards
under unless until upon used using very want well went were what whatever when where whether which
while whom whose will with within without would your yours yourself
"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())


def cloze(corpus: str, revision: str | None) -> Task:
    """The cloze task of a corpus: "tales", "pydoc", a local file, or a data set on the hub.

    Args:
        corpus: as `--sae-corpus` takes it.
        revision: of a hub data set; without it the inputs name one.
    """
    at_current = not is_local(corpus) and revision is None

    def questions(inputs: QuestionInputs) -> Iterator[Question | LeftOut]:
        request = CorpusRequest(
            corpus, tokens=0, context=0, seed=inputs.seed, revision=revision or inputs.revision
        )
        rng = random.Random(inputs.seed)
        try:
            for number, document in enumerate(documents(request)):
                text = _text(document, inputs.tokenizer)
                if text is None:
                    yield LeftOut("documents that are neither text nor token ids of the model")
                else:
                    yield from _of_document(text, f"document {number}", rng)
        except CorpusError as error:
            raise TaskError(f"task cloze: {error}") from error

    def version() -> str:
        if revision is not None:
            return revision
        try:
            return corpus_version(corpus)
        except CorpusError as error:
            raise TaskError(f"task cloze: {error}") from error

    return Task(
        "cloze",
        "many",
        questions,
        location=corpus,
        hub=at_current,
        version=None if at_current else version,
    )


def _text(document: object, tokenizer: Any) -> str | None:
    """A document's text, which some data sets hold as token ids."""
    if isinstance(document, str):
        return document
    known = len(tokenizer)
    if not isinstance(document, list) or not all(
        isinstance(token, int) and 0 <= token < known for token in document
    ):
        return None
    text: str = tokenizer.decode(
        document, skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    return text


def _of_document(text: str, name: str, rng: random.Random) -> Iterator[Question | LeftOut]:
    words = text.split()
    for start in range(0, len(words), PASSAGE):
        yield of_passage(words[start : start + PASSAGE], name, start, rng)


def of_passage(passage: list[str], name: str, start: int, rng: random.Random) -> Question | LeftOut:
    """A passage cut before its last word that can be asked for; `start` is its first's number."""
    for place in range(len(passage) - 1, BEFORE - 1, -1):
        answer, before = passage[place], passage[:place]
        if is_content(answer) and answer in before[:-NEAR] and answer not in before[-NEAR:]:
            # Not a set, whose order differs from process to process.
            others = [word for word in dict.fromkeys(before) if is_content(word) and word != answer]
            if not others:
                return LeftOut("passages without a distractor")
            drawn = rng.sample(others, min(DISTRACTORS, len(others)))
            source = f"{name} word {start + place}"
            return Question(" ".join(before), answer, source, (answer, *drawn), cluster=name)
    return LeftOut("passages in which no word comes back")


def is_content(word: str) -> bool:
    """Whether a word is one to ask for: of letters alone, no short one, no function word."""
    return len(word) >= SHORTEST and word.isalpha() and word.lower() not in FUNCTION_WORDS
