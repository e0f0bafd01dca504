"""Tasks of a user's own: a .jsonl file, read and found right as a whole before anything is run."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import NoReturn

from sae_checks.errors import TaskError
from sae_checks.load.tasks.task import Candidates, Question, QuestionInputs, Task
from sae_checks.load.tasks.version import content_version

SUFFIX = ".jsonl"
_KEYS = ("prompt", "answer", "candidates", "id")


def jsonl_task(name: str) -> Task:
    """The task of a file; its own name is the file's, without the ending.

    Raises:
        TaskError: no such file, or a line of it that is no question; names the line.
    """
    path = Path(name).expanduser()
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except FileNotFoundError as error:
        raise TaskError(f"--sae-task {name!r}: there is no such file") from error
    except OSError as error:
        raise TaskError(f"--sae-task {name!r} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise TaskError(f"--sae-task {name!r} is no UTF-8 text; save it as such") from error
    # Not splitlines(), which also splits at signs that JSON strings may hold.
    numbered = enumerate(text.split("\n"), start=1)
    lines = [_Line(name, number, line) for number, line in numbered if line.strip()]
    if not lines:
        raise TaskError(
            f"--sae-task {name!r} has no line; each is to be a JSON object with prompt and answer"
        )
    asked = [line.question() for line in lines]
    candidates = _candidates(lines, asked)

    def questions(inputs: QuestionInputs) -> Iterator[Question]:
        return iter(random.Random(inputs.seed).sample(asked, len(asked)))

    version = content_version(content)
    return Task(path.stem, candidates, questions, location=name, version=lambda: version)


def _candidates(lines: list[_Line], asked: list[Question]) -> Candidates:
    """How many candidates the questions have: all of them, or none, have any."""
    first = bool(asked[0].candidates)
    for line, question in zip(lines, asked, strict=True):
        if bool(question.candidates) != first:
            have, lack = ("has", "has none") if question.candidates else ("has no", "has some")
            line.refuse(
                f"{have} candidates, but line {lines[0].number} {lack}; give them on every line, "
                "or on none"
            )
    if not first:
        return "none"
    return "pair" if all(len(question.candidates) == 2 for question in asked) else "many"


class _Line:
    """One line of the file, which knows where it stands and so what to say when it is wrong."""

    def __init__(self, file: str, number: int, text: str) -> None:
        self.file, self.number, self.text = file, number, text

    def refuse(self, mishap: str) -> NoReturn:
        raise TaskError(f"--sae-task {self.file!r}, line {self.number}: {mishap}")

    def question(self) -> Question:
        try:
            values = json.loads(self.text)
        except (ValueError, RecursionError):
            self.refuse(f"no JSON: {self.text.strip()!r:.60}")
        if not isinstance(values, dict):
            self.refuse("a JSON object with prompt and answer is needed, not another value")
        for key in values:
            if key not in _KEYS:
                nearest = get_close_matches(key, _KEYS, n=1)
                hint = f" (did you mean {nearest[0]!r}?)" if nearest else ""
                self.refuse(f"unknown key {key!r}{hint}; legal are {', '.join(_KEYS)}")
        for key in ("prompt", "answer"):
            if key not in values:
                self.refuse(f"the key {key!r} is missing")
        prompt, answer = (self._text(values[key], key) for key in ("prompt", "answer"))
        source = self._text(values["id"], "id") if "id" in values else f"line {self.number}"
        candidates: tuple[str, ...] = ()
        if "candidates" in values:
            candidates = self._candidates(values["candidates"], answer)
        return Question(prompt, answer.strip(), source, candidates)

    def _candidates(self, value: object, answer: str) -> tuple[str, ...]:
        if not isinstance(value, list):
            self.refuse(f"candidates is to be a list of strings, not {value!r:.40}")
        candidates = tuple(self._text(each, "a candidate").strip() for each in value)
        if len(candidates) < 2:
            self.refuse(f"candidates are to be two or more, not {len(candidates)}")
        for place, candidate in enumerate(candidates):
            if candidate in candidates[:place]:
                self.refuse(f"candidates hold {candidate!r:.40} twice")
        if answer.strip() not in candidates:
            self.refuse(f"candidates lack the answer {answer!r:.40}; add it to them")
        return candidates

    def _text(self, value: object, what: str) -> str:
        """A string that holds more than white space, and that is text."""
        if not isinstance(value, str):
            self.refuse(f"{what} is to be a string, not {value!r:.40}")
        if not value.strip():
            self.refuse(f"{what} is empty; one word or more is needed")
        try:
            value.encode()
        except UnicodeEncodeError:  # half of a surrogate pair, which JSON lets through
            self.refuse(f"{what} holds half a character: {value!r:.40}")
        return value
