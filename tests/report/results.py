"""Results of made-up runs, as reports are given them."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from sae_checks.evals.propagation.pairs import PAIR, Pair
from sae_checks.evals.stack.choice import STACK, StackName
from sae_checks.judge.check import Check
from sae_checks.judge.estimate import Estimate
from sae_checks.judge.thresholds import Limit, Thresholds
from sae_checks.judge.verdict import Verdict, judge
from sae_checks.records import PositionRange, Release, SaeRef
from sae_checks.records.place import CellRef, Place
from sae_checks.records.selectors import POSITIONS, TASK
from sae_checks.session.limits import run_thresholds
from sae_checks.session.result import Outcome, RunFacts, RunResult
from sae_checks.session.suite import bundled_checks
from tests import stored

RELEASE = Release("made-up", "folder", stored.LOADING, (stored.sae_ref(0), stored.sae_ref(1)))
TODAY = date(2026, 1, 31)


def run_facts(**changes: Any) -> RunFacts:
    """Of two SAEs on a corpus."""
    facts: dict[str, Any] = {
        "release": RELEASE,
        "context": stored.CONTEXT,
        "corpus": "tales",
        "tokens": 6_400,
        "seed": 0,
        "limits": Path("thresholds.toml"),
    }
    return RunFacts(**{**facts, **changes})


def run_result(**changes: Any) -> RunResult:
    """Of a run that had no tests, but for the changes."""
    result: dict[str, Any] = {"facts": run_facts(), "thresholds": Thresholds(), "today": TODAY}
    return RunResult(**{**result, **changes})


@cache
def limits() -> Thresholds:
    """The suite's own limits, with no accepted failure."""
    return replace(run_thresholds(None, {}), known_failures=())


def sae_ref(layer: int, training_context: int = 128) -> SaeRef:
    """One of a release of the residual stream."""
    return stored.sae_ref(layer, training_context)


def estimate(value: float, reach: float = 0.0, texts: int = 97, **changes: Any) -> Estimate:
    """Of so many texts of 32 tokens; its interval reaches so far to either side."""
    of = {"texts": texts, "tokens": 32 * texts, **changes}
    return Estimate(value, value - reach, value + reach, reach / 2, **of)


def outcome(check: str | Check, cell: CellRef, value: float, reach: float = 0.0) -> Outcome:
    """What becomes of a test with this value: passed, failed, undecided, by the suite's limits."""
    made = bundled_checks()[check] if isinstance(check, str) else check
    known = made.name in limits().checks
    limit = limits().limit(made.name, cell.place) if known else made.default
    assert limit is not None, "a check has limits in the thresholds, or its own"
    held = estimate(value, reach, unit_name="item" if cell.task else "text")
    return became(made, cell, judge(held, limit, family=cell.family))


def became(check: Check, cell: CellRef, verdict: Verdict) -> Outcome:
    """What pytest makes of a verdict."""
    named = {"undecided": "undecided", "not_applicable": "not applicable"}
    held = named.get(verdict.status, "passed") if verdict.holds else "failed"
    if verdict.status == "undecided" and cell.family == "range":
        held = "undecided"  # a range that is undecided does not fail the run
    return Outcome(check, cell, held, verdict)


def release_result(
    saes: int = 3,
    *,
    broken: Mapping[tuple[str, int], float] | None = None,
    undecided: Collection[tuple[str, int]] = (),
    tasks: Sequence[str] = ("lambada", "ioi"),
    ranges: int = 8,
    name: str = "made-up",
    refs: Sequence[SaeRef] | None = None,
    **changes: Any,
) -> RunResult:
    """A run of the bundled suite on a release whose every test passes, but for some.

    Args:
        saes: how many, a layer each; of training context 128.
        broken: values by check and layer; with all ranges of the check.
        undecided: checks and layers whose intervals reach beyond margin and limit alike.
        tasks: their names.
        ranges: of positions, inside the training context and past it each.
        name: of the release.
        refs: the SAEs themselves, instead of `saes`.
        changes: of the result.
    """
    chosen = tuple(refs or map(sae_ref, range(saes)))
    release = Release(name, "folder", stored.LOADING, chosen)
    values, unsure = dict(broken or {}), set(undecided)
    outcomes = []
    for check in bundled_checks().values():
        for cell in _cells(check, release, tasks, ranges):
            layer = cell.saes[0].layer if cell.saes else -1
            key = (check.name, layer)
            limit = limits().limit(check.name, cell.place)
            value = values.get(key, _within(limit))
            reach = 10.0 * (abs(value) + 1) if key in unsure else 0.01 * limit.margin
            outcomes.append(outcome(check, cell, value, reach))
    facts = run_facts(release=release, context=1024, tokens=100_000, tasks=tuple(tasks))
    return run_result(
        **{"facts": facts, "thresholds": limits(), "outcomes": tuple(outcomes), **changes}
    )


def _within(limit: Limit) -> float:
    """A value that holds a limit with room to spare, whatever the limit is."""
    if limit.min is not None and limit.max is not None:
        return (limit.min + limit.max) / 2
    if limit.max is not None:
        return limit.max - 0.5 * abs(limit.max) - limit.margin
    return 0.25 if limit.min is None else limit.min + 0.5 * abs(limit.min) + limit.margin


def _cells(check: Check, release: Release, tasks: Sequence[str], ranges: int) -> Iterator[CellRef]:
    """The cells of a check as a run of the suite has them."""
    kind, saes = check.cells.name, release.saes
    whole = Place.of_release(release.name)
    if kind.startswith("propagation") and not check.cells.whole_release:
        for first, later in itertools.combinations(saes, 2):
            yield CellRef(check.cells, whole.at(PAIR, Pair.of(first, later)), (first, later))
    elif kind in ("stack", "stack_beside_saes", "stack_task"):
        place = whole.at(STACK, StackName.of(saes))
        for at in [place.at(TASK, task) for task in tasks] if kind == "stack_task" else [place]:
            yield CellRef(check.cells, at, saes)
    elif kind == "task_release":
        yield from (CellRef(check.cells, whole.at(TASK, task)) for task in tasks)
    elif check.cells.whole_release:
        yield CellRef(check.cells, whole)
    elif kind != "shift":
        for sae in saes:
            yield from _of_sae(check, Place.of_sae(release.name, sae), sae, tasks, ranges)


def _of_sae(
    check: Check, place: Place, sae: SaeRef, tasks: Sequence[str], ranges: int
) -> Iterator[CellRef]:
    kind, trained = check.cells.name, sae.training_context or 128
    spans = {"in_context": (1, trained - 1), "past_context": (trained, 1022)}
    if kind == "task":
        yield from (CellRef(check.cells, place.at(TASK, task), (sae,)) for task in tasks)
    elif kind not in spans:
        yield CellRef(check.cells, place, (sae,))
    else:
        first, last = spans[kind]
        claim = place.at(POSITIONS, PositionRange(first, last))
        yield CellRef(check.cells, claim, (sae,))
        step = (last - first + 1) / ranges
        for part in range(ranges):
            ends = first + int(part * step), first + int((part + 1) * step) - 1
            at = place.at(POSITIONS, PositionRange(*ends))
            yield CellRef(check.cells, at, (sae,), family="range")
