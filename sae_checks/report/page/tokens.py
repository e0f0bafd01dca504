"""What each token of a document lost, and what the tokens of documents and items read as."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sae_checks.evals.context.table import ContextTable
from sae_checks.evals.tasks.table import TaskTable
from sae_checks.judge.check import Check
from sae_checks.records import BoolArray, FloatArray
from sae_checks.records.words import TokenWords
from sae_checks.session.result import RunResult
from sae_checks.session.words import words_of

PROMPT_WORDS = 100  # the last tokens of a prompt that are shown before its answer


@dataclass(frozen=True)
class TokenFigure:
    """A figure of each token.

    Attributes:
        name: as the page says it.
        unit: of it.
        column: of the context tables.
        less: a column that is taken from it; "" for none.
        of_next: whether it is about the prediction of the token that follows.
    """

    name: str
    unit: str
    column: str
    less: str = ""
    of_next: bool = False

    @property
    def columns(self) -> frozenset[str]:
        """That it is made of."""
        return frozenset({self.column, self.less} - {""})


# The first one whose columns a check needs is what its tokens are shown by.
QUANTITIES = (
    TokenFigure("ΔCE", "nats", "ce_sae", "ce_clean", of_next=True),
    TokenFigure("KL", "nats", "kl", of_next=True),
    TokenFigure("MSE", "activation²", "mse"),
    TokenFigure("‖x̂‖ − ‖x‖", "activation", "reconstruction_norm", "norm"),
    TokenFigure("L0", "features", "l0"),
    TokenFigure("L1", "activation", "l1"),
    TokenFigure("‖x‖", "activation", "norm"),
    TokenFigure("CE of the model untouched", "nats", "ce_clean", of_next=True),
)
# Of several SAEs: what one of them does to a token by itself says nothing of it.
_OF_SEVERAL = ("stack", "propagation")


def quantity_of(check: Check) -> TokenFigure | None:
    """What the tokens of a check's documents are shown by; None where no token has a figure."""
    if check.cells.name.startswith(_OF_SEVERAL):
        return None
    return next((each for each in QUANTITIES if each.columns <= check.needs), None)


@dataclass
class UnitLosses:
    """What the page holds of single documents and items, each once.

    Attributes:
        found: figures of tokens, by SAE, data set, document and quantity.
        texts: words by data set and unit: where each stands in `vocabulary`.
        vocabulary: each word once.
    """

    found: dict[str, dict[str, Any]] = field(default_factory=dict)
    texts: dict[str, list[int]] = field(default_factory=dict)
    vocabulary: dict[str, int] = field(default_factory=dict)
    _words: dict[str, TokenWords | None] = field(default_factory=dict)

    def key(
        self, result: RunResult, sae: str, dataset: str, document: int, quantity: TokenFigure
    ) -> str | None:
        """Where the figures of a document's tokens stand; None where they are not known."""
        key = f"{sae} {dataset} {document} {quantity.name}"
        if key not in self.found:
            losses = self._losses(result, sae, dataset, document, quantity)
            if losses is None:
                return None
            self.found[key] = losses
        return key

    def item(self, result: RunResult, sae: str, task: str, item: int) -> dict[str, Any] | None:
        """The last words of an item's prompt, and its answer, with what each lost as far as known.

        None where the words were not kept.
        """
        assert result.measurement is not None, "its items were found in it"
        table = result.measurement.of(TaskTable, task)[sae]
        prompt = int(table.prompt_tokens[item])
        start = max(0, prompt - PROMPT_WORDS)
        key = self._text(result, task, item, start, None)
        if key is None:
            return None
        lost = {} if table.losses is None else table.losses.of_item(item)
        values = [lost.get(start + at) for at in range(len(self.texts[key]))]
        return {
            "words": key,
            "prompt": prompt - start,
            "first": start,
            "cut": start > 0,
            "values": values,
        }

    def _losses(
        self, result: RunResult, sae: str, dataset: str, document: int, quantity: TokenFigure
    ) -> dict[str, Any] | None:
        """A figure at each position of the text that has most of the document."""
        assert result.measurement is not None, "its documents were found in it"
        table = result.measurement.of(ContextTable, dataset).get(sae)
        if table is None or not quantity.columns <= table.columns.keys():
            return None
        row, here = _row(table, document)
        values = table.columns[quantity.column][row]
        if quantity.less:
            values = values - table.columns[quantity.less][row]
        values = np.where(here, values, np.nan)
        known = np.flatnonzero(np.isfinite(values))
        if not len(known):
            return None
        first, last = int(known[0]), int(known[-1])
        return {
            "name": quantity.name,
            "unit": quantity.unit,
            "signed": bool(quantity.less),
            "next": quantity.of_next,
            "first": first,
            "training": table.sae.training_context,
            "values": _rounded(values[first : last + 1]),
            # The token that the last position predicts belongs to them.
            "words": self._text(result, dataset, row, first, last + 1 + quantity.of_next),
        }

    def _text(
        self, result: RunResult, dataset: str, unit: int, start: int, stop: int | None
    ) -> str | None:
        if dataset not in self._words:
            self._words[dataset] = words_of(result, dataset)
        kept = self._words[dataset]
        words = [] if kept is None else kept.of_unit(unit)[start:stop]
        if not words:
            return None
        key = f"{dataset} {unit} {start}:{stop or ''}"
        if key not in self.texts:
            numbers = self.vocabulary
            self.texts[key] = [numbers.setdefault(word, len(numbers)) for word in words]
        return key


def _row(table: ContextTable, document: int) -> tuple[int, BoolArray]:
    if table.documents is None:
        return document, np.ones(table.context, dtype=np.bool_)
    here = table.documents == document
    row = int(here.sum(axis=1).argmax())
    return row, here[row]


def _rounded(values: FloatArray) -> Sequence[float | None]:
    """Three digits are seen."""
    return [None if np.isnan(each) else float(f"{each:.3g}") for each in values.tolist()]
