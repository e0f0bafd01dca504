"""From questions to items: token ids that a model reads, and the positions whose answers count."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from sae_checks.errors import TaskError
from sae_checks.load.tasks.task import LeftOut, Question, QuestionInputs, Task
from sae_checks.load.tasks.tokens import ids_after, ids_of
from sae_checks.records import TaskRef
from sae_checks.third_party import ignored_warnings

# Questions in a row that make no item, per item wanted, after which the others are taken for the
# same: some tasks never end.
_PATIENCE, _LEAST_PATIENCE = 50, 1_000
_ENDING_TOKENS = 10  # of a prompt, shown where an item is named


@dataclass(frozen=True)
class Item:
    """One question as token ids."""

    source: str
    prompt: tuple[int, ...]  # BOS first where the SAEs expect it; one other token or more
    answer: tuple[int, ...]  # the tokens scored: the first alone, or all
    # First tokens of the candidates, the answer's own first; none twice. Empty for tasks without.
    candidates: tuple[int, ...] = ()
    cluster: str = ""  # shared by items of one document, say; "" for none


@dataclass(frozen=True)
class Items:
    """A task's items: every SAE sees these same ones."""

    items: tuple[Item, ...]
    special: frozenset[int]  # token ids of BOS and its like, which no prompt mean includes
    # What a reader of the report should know: questions left out and why, prompts cut, ...
    description: dict[str, object]
    fingerprint: str
    earlier: tuple[Item, ...] = ()  # of a part of a task's items: those before it

    def part(self, rows: slice) -> Items:
        """Some of the items, in the same order."""
        start = rows.indices(len(self.items))[0]
        return replace(self, items=self.items[rows], earlier=self.items[:start])


def load_items(
    task: Task,
    ref: TaskRef,
    tokenizer: Any,
    *,
    revision: str | None,
    context: int,
    prepend_bos: bool,
) -> Items:
    """Tokenize a task's questions until there are as many items as wanted, or no more questions.

    Args:
        task: where the questions come from.
        ref: how many items, by which seed, and which tokens of an answer count.
        tokenizer: the language model's.
        revision: of a data set on the hub.
        context: tokens that the model reads at most: longer prompts lose their beginning.
        prepend_bos: whether prompts begin with BOS.

    Raises:
        TaskError: the questions cannot be read, or none of them makes an item.
    """
    with ignored_warnings():  # here, since both bring torch
        from sae_lens.util import get_special_token_ids

        from sae_checks.load.texts import tokenizer_version

    special = frozenset(get_special_token_ids(tokenizer))
    bos = _bos(task, tokenizer) if prepend_bos else ()
    maker = _Maker(task, ref.answer == "whole", tokenizer, special, bos, context)
    taken = _take(task, ref, maker, QuestionInputs(tokenizer, ref.seed, revision))
    if not taken.made:
        raise TaskError(_nothing(task, taken.left_out))
    items = tuple(made.item for made in taken.made)
    return Items(
        items=items,
        special=special,
        description={
            "task": ref.name,
            "location": ref.location,
            "answer": ref.answer,
            "items": len(items),
            "seed": ref.seed,
            "left_out": dict(sorted(taken.left_out.items())),
            "cut": sum(made.cut for made in taken.made),
            "several_token_answers": sum(made.several_tokens for made in taken.made),
            "longest_prompt": max(len(item.prompt) for item in items),
            "endings": [_ending(item, tokenizer) for item in items],
            "tokenizer": tokenizer_version(tokenizer),
        },
        fingerprint=_fingerprint(items),
    )


@dataclass(frozen=True)
class _Made:
    """An item, and what had to be done for it."""

    item: Item
    cut: bool
    several_tokens: bool


@dataclass
class _Taken:
    """The items so far, and how many questions made none, by reason."""

    made: list[_Made] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def _take(task: Task, ref: TaskRef, maker: _Maker, inputs: QuestionInputs) -> _Taken:
    taken, known, in_vain = _Taken(), set(), 0
    patience = max(_LEAST_PATIENCE, _PATIENCE * ref.items)
    for question in task.questions(inputs):
        made = question if isinstance(question, LeftOut) else maker.make(question)
        if isinstance(made, _Made):
            same = (made.item.prompt, made.item.answer)
            if same not in known:
                known.add(same)
                taken.made.append(made)
                in_vain = 0
                if len(taken.made) == ref.items:
                    break
                continue
            made = LeftOut("duplicates")
        taken.left_out[made.reason] += 1
        in_vain += 1
        if in_vain == patience:
            break
    return taken


@dataclass(frozen=True)
class _Maker:
    """The rules by which a question becomes an item."""

    task: Task
    whole: bool  # all tokens of the answer count
    tokenizer: Any
    special: frozenset[int]
    bos: tuple[int, ...]
    context: int

    def make(self, question: Question) -> _Made | LeftOut:
        prompt, answer = question.prompt.rstrip(), question.answer.strip()
        if not prompt or not answer:
            return LeftOut("questions with an empty prompt or answer")
        tokens = ids_after(self.tokenizer, prompt, answer)
        if not tokens:
            return LeftOut("answers of no token")
        if self.tokenizer.unk_token_id in tokens:
            return LeftOut("answers that the tokenizer does not know")
        candidates = self._candidates(question, prompt, tokens[0])
        if candidates is None:
            return LeftOut("questions whose candidates begin alike")
        scored = tokens if self.whole else tokens[:1]
        # The answer's last token is never read. BOS stays whatever is cut.
        room = self.context - (len(scored) - 1) - len(self.bos)
        if room < 1:
            return LeftOut("answers that leave no room for a prompt")
        whole_prompt = ids_of(self.tokenizer, prompt)
        kept = whole_prompt[-room:]
        ids = (*self.bos, *kept)
        # The first token is never measured, and the last one's own prediction is the answer: one
        # between them makes a mean of every figure over the prompt.
        if all(token in self.special for token in ids[1:-1]):
            return LeftOut("prompts without a token to measure")
        item = Item(question.source, ids, scored, candidates, question.cluster)
        return _Made(item, len(kept) < len(whole_prompt), len(tokens) > 1)

    def _candidates(self, question: Question, prompt: str, answer: int) -> tuple[int, ...] | None:
        """First tokens that tell the candidates apart; None where they do not."""
        if self.task.candidates == "none":
            return ()
        firsts = {answer: None}
        for candidate in question.candidates:
            if candidate.strip() in ("", question.answer.strip()):
                continue
            first = ids_after(self.tokenizer, prompt, candidate.strip())[:1]
            if first and first[0] != self.tokenizer.unk_token_id:
                firsts[first[0]] = None
        enough = len(firsts) == 2 if self.task.candidates == "pair" else len(firsts) >= 2
        return tuple(firsts) if enough else None


def _bos(task: Task, tokenizer: Any) -> tuple[int, ...]:
    bos = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    if bos is None:
        raise TaskError(
            f"task {task.name}: the model's tokenizer has neither a BOS nor an EOS token, but the "
            "SAEs expect prompts that begin with one"
        )
    return (bos,)


def _nothing(task: Task, left_out: Counter[str]) -> str:
    if not left_out:
        return f"task {task.name} has no question; leave it out with --sae-task"
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in left_out.most_common())
    return (
        f"task {task.name}: none of its questions can be asked of this model ({reasons}); leave it "
        "out with --sae-task"
    )


def _ending(item: Item, tokenizer: Any) -> str:
    """The last words of a prompt and its answer, so that a report can say which item it means."""
    prompt = tokenizer.decode(list(item.prompt[-_ENDING_TOKENS:]))
    return f"{' '.join(prompt.split())} → {tokenizer.decode(list(item.answer)).strip()}"


def _fingerprint(items: tuple[Item, ...]) -> str:
    content = [(item.prompt, item.answer, item.candidates) for item in items]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
