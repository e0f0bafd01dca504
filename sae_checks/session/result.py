"""What a run gives to its reports: all that is known of it, as data; no sentence is made here.

`RunFacts` is known before anything is measured, `Failing` of one test as soon as it has run,
`RunResult` in the end. Reports know these and nothing else of a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from sae_checks.judge.check import Check
from sae_checks.judge.estimate import Estimate
from sae_checks.judge.thresholds import Changes, KnownFailure, Question, Thresholds
from sae_checks.judge.verdict import Verdict
from sae_checks.records import Manifest, Measurement, Release
from sae_checks.records.place import CellRef


@dataclass(frozen=True)
class Outcome:
    """What became of one test.

    passed, failed, error, accepted, unexpectedly passed, undecided, or not applicable.
    """

    check: Check
    cell: CellRef
    outcome: str
    verdict: Verdict | None


@dataclass(frozen=True)
class ComparedBaseline:
    """The baseline that a run compares with.

    Attributes:
        identity: what it is: release, where it comes from, how many SAEs, their weights.
        question: what is asked of the comparison.
        same_weights: whether every SAE has the weights of the one that it is compared with.
    """

    identity: str
    question: Question
    same_weights: bool


@dataclass(frozen=True)
class RunFacts:
    """What is gated, on what, and at what budget: known before anything is measured.

    Attributes:
        release: which one.
        context: tokens of a text.
        corpus: its name.
        shift: the name of the second corpus; "" where there is none.
        tokens: the budget of texts, in tokens.
        seed: of the order in which documents and items are taken.
        limits: the file of thresholds.
        changes: what it changes of the shipped limits, where it is laid over them.
        property_names: of a cell's place in a JUnit report, of every selector there is.
        tasks: names of the tasks that checks ask about.
        items: the budget of each task.
        whole_answers: whether all tokens of an answer are scored, not its first one alone.
        within_context: of how many SAEs no position past their training context is measured.
        notes: how SAEs are put together for some checks, where that does not go without saying.
        tables: the folder that measurements are kept in; None where stored ones are judged.
        stored: the folder of the stored measurement that is judged, and its manifest.
        baseline: that the release is compared with, if any.
        device: what is computed on; "" where stored tables are judged.
    """

    release: Release
    context: int
    corpus: str
    tokens: int
    seed: int
    limits: Path
    property_names: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    items: int = 0
    whole_answers: bool = False
    within_context: int = 0
    notes: tuple[str, ...] = ()
    tables: Path | None = None
    stored: tuple[Path, Manifest] | None = None
    baseline: ComparedBaseline | None = None
    shift: str = ""
    changes: Changes | None = None
    device: str = ""


@dataclass(frozen=True)
class Passes:
    """How often SAEs were measured on a text, or on an item of a task.

    Attributes:
        spent: so often.
        budget: so often at the whole budget.
        size: texts or items of the whole budget.
    """

    spent: int
    budget: int
    size: int


def total(by_phase: Mapping[str, Passes]) -> tuple[int, int]:
    """Passes spent and passes of the whole budget, over all phases."""
    return sum(p.spent for p in by_phase.values()), sum(p.budget for p in by_phase.values())


@dataclass(frozen=True)
class FeatureEffect:
    """What a feature does on a task.

    Attributes:
        feature: its number.
        score: items on which it helps less those on which it harms.
        items: on how many it is active.
        delta_ln_p: mean Δ ln p(answer) of those items, in nats.
        ablated: mean change of ln p(answer) without the feature; None where it was not ablated.
        link: to its dashboard, or None.
    """

    feature: int
    score: int
    items: int
    delta_ln_p: float
    ablated: Estimate | None
    link: str | None


@dataclass(frozen=True)
class TaskFeatures:
    """The best and the worst features of an SAE on a task, by score."""

    task: str
    best: tuple[FeatureEffect, ...]
    worst: tuple[FeatureEffect, ...]


@dataclass(frozen=True)
class HeavyUnit:
    """A document or an item that weighs most in a value.

    Attributes:
        number: of the document, or the item's row.
        source: of the item; None of a document.
        words: the first of the document, the last of the item's prompt; "" where not known.
        corpus: of the document, where it is the second one; "" else.
    """

    number: int
    source: str | None
    words: str
    corpus: str = ""


@dataclass(frozen=True)
class NotAccepted:
    """An accepted failure that covers a cell but does not accept it.

    Attributes:
        entry: which one.
        expired: whether its day has passed; otherwise its bound is exceeded.
    """

    entry: KnownFailure
    expired: bool


@dataclass(frozen=True)
class Failing:
    """A test whose verdict does not hold, and where to look.

    Attributes:
        not_accepted: an accepted failure that covers the cell but does not accept it.
        ranges: of a claim about positions, its ranges and their verdicts.
        heaviest: the documents or items that move the value most to the wrong side.
        features: the best and worst of the SAE on the cell's task.
    """

    check: Check
    cell: CellRef
    verdict: Verdict
    not_accepted: NotAccepted | None = None
    ranges: tuple[tuple[str, Verdict], ...] = ()
    heaviest: tuple[HeavyUnit, ...] = ()
    features: TaskFeatures | None = None


@dataclass(frozen=True)
class StaleFailure:
    """An accepted failure that accepts nothing any more.

    Attributes:
        entry: which one.
        cells: how many it covers, all of which pass; 0 where it matches no cell at all.
    """

    entry: KnownFailure
    cells: int


@dataclass(frozen=True)
class PlannedCell:
    """What the whole budget could tell about a cell, by a pilot.

    Attributes:
        verdict: on the pilot; None where the cell could not be measured.
        reason: why not.
        detectable: the excess over the limit that the whole budget would notice 8 times in 10;
            NaN where it is not known.
        budget: texts or items of the whole budget.
    """

    check: Check
    cell: CellRef
    verdict: Verdict | None
    reason: str
    detectable: float
    budget: int


@dataclass(frozen=True)
class BudgetPlan:
    """What a budget would cost and could tell, by a pilot on its first texts and items.

    Attributes:
        seconds: that the pilot took, by data set and activity.
        cells: those that have a limit.
    """

    seconds: Mapping[tuple[str, str], float]
    cells: tuple[PlannedCell, ...]


@dataclass(frozen=True)
class BaselineWriting:
    """What became of the baseline that a run was to write.

    Attributes:
        fails: whether the run fails for it.
        errors: how many tests could not be measured; none is written then.
        partial: whether only part of the collected tests ran; none is written then.
        incomplete: whether measuring stopped before the whole budget; none is written then.
        file: that was written; None where none was.
        cells: of the baseline that was written.
        saes: of it.
        size: of the file in bytes.
    """

    fails: bool
    errors: int = 0
    partial: bool = False
    incomplete: bool = False
    file: Path | None = None
    cells: int = 0
    saes: int = 0
    size: int = 0


@dataclass(frozen=True)
class RunResult:
    """A run, once its tests have run (or, with `plan`, its pilot is measured).

    Attributes:
        facts: what was gated, on what, at what budget.
        thresholds: what cells were held to, and the accepted failures.
        today: by which accepted failures expire.
        outcomes: of the tests, in the order in which they ran.
        measurement: what was measured, or read; None where nothing was.
        adaptive: whether measuring stopped where verdicts were clear.
        passes: spent and budgeted, by data set: "" for texts, else the task.
        features: by SAE id and task.
        improvements: the comparisons that are better than the baseline by more than their margin.
        stale: the accepted failures of this release that accept nothing any more.
        plan: what the whole budget would cost and could tell; of `--sae-plan` alone.
        junit: where the JUnit report is written, if one is.
        program: what started the run, with what has to come before its other arguments.
        invocation: these arguments; none where they are not known.
    """

    facts: RunFacts
    thresholds: Thresholds
    today: date
    outcomes: tuple[Outcome, ...] = ()
    measurement: Measurement | None = None
    adaptive: bool = False
    passes: Mapping[str, Passes] = field(default_factory=dict)
    features: Mapping[tuple[str, str], TaskFeatures] = field(default_factory=dict)
    improvements: tuple[Outcome, ...] = ()
    stale: tuple[StaleFailure, ...] = ()
    plan: BudgetPlan | None = None
    junit: str | None = None
    program: tuple[str, ...] = ("pytest",)
    invocation: tuple[str, ...] = ()

    def known_failure(self, outcome: Outcome) -> KnownFailure | None:
        """The accepted failure that covers a test, if any does and its day has not passed."""
        return self.thresholds.known_failure(outcome.check.title, outcome.cell.place, self.today)
