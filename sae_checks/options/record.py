"""What a run is asked to do, as a record."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs

from sae_checks.judge.thresholds import Question
from sae_checks.records import FEATURE_WINDOW, PositionRange

DEFAULT_TOKENS = 100_000  # the study's own number: 100 texts of 1,024 tokens
DEFAULT_ITEMS = 1_000  # of a task: the study's own number
DEFAULT_CONTEXT = 1_024  # the study's own context, and as much as a longer model is given unasked
# More than these is a slip of the hand: all texts of the budget are tokenized, and kept in memory,
# before the first is measured.
MOST_TOKENS = 100_000_000
MOST_ITEMS = 1_000_000
MOST_CONTEXT = 1_048_576


@dataclass(frozen=True)
class Options:
    """The parsed options of one run; field names are the option names.

    Attributes:
        given: names of the fields that somebody set, be it to what they are by default.
    """

    release: str | None = None
    ids: tuple[str, ...] = ()
    model: str | None = None
    corpus: str | None = None
    shift: str | None = None
    tokens: int = DEFAULT_TOKENS
    context: int | None = None
    training_context: int | None = None
    seed: int = 0
    packing: str | None = None
    ranges: tuple[PositionRange, ...] = ()
    special_tokens: str = "keep"
    device: str = "auto"
    dtype: str = "float32"
    batch_tokens: int | None = None
    task: tuple[str, ...] | None = None  # None: those that fit the corpus
    items: int = DEFAULT_ITEMS
    answer: str = "first_token"
    feature_window: int = FEATURE_WINDOW
    ablate: int = 0
    fixed: bool = False
    plan: bool = False
    baseline: str | None = None
    baseline_update: bool = False
    baseline_force: bool = False
    equivalence: bool = False
    match: tuple[tuple[str, str], ...] = ()
    accept: Path | None = None
    reports: tuple[tuple[str, Path], ...] = ()
    figures: Path | None = None
    markdown: Path | None = None
    summary_full: bool = False
    store: Path = field(default_factory=lambda: Path(platformdirs.user_cache_dir("sae-checks")))
    thresholds: Path | None = None
    measurements: Path | None = None
    given: frozenset[str] = frozenset()

    def is_given(self, name: str) -> bool:
        """Whether a field was set, or is not what it is by default."""
        (default,) = (
            each.default if each.default_factory is dataclasses.MISSING else each.default_factory()
            for each in dataclasses.fields(self)
            if each.name == name
        )
        return name in self.given or getattr(self, name) != default

    @property
    def question(self) -> Question:
        """What comparisons with the baseline ask."""
        return "equivalence" if self.equivalence else "regression"


def options_of(values: Mapping[str, Any]) -> Options:
    """The options of what was given by name: a value that is None or False was not."""
    values_given = {name: value for name, value in values.items() if value is not None}
    names = frozenset(name for name, value in values_given.items() if value is not False)
    return Options(**values_given, given=names)
