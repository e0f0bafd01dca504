"""Leaving cells, tasks or SAEs out of a run, or adding them, moves no verdict.

How sure a cell has to be follows from the release and the limits alone (`family.py`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sae_checks.judge.thresholds import CheckLimits, Limit, Thresholds
from sae_checks.records import Measurement, Release, by_key
from sae_checks.records.place import CellRef
from sae_checks.records.ranges import position_ranges
from sae_checks.session.decision import DecisionRule
from sae_checks.session.family import Family
from sae_checks.session.suite import bundled_checks
from tests import stored
from tests.places import cell_ref

SAES, TASKS = 4, ("one", "two", "three")
NAMES = ("delta_ce", "kl", "l0", "delta_ln_p", "layer_agreement")
LIMITS = Thresholds(
    checks={
        # Close enough to what is measured for every verdict to occur.
        "delta_ce": CheckLimits(Limit("nats", max=0.1, margin=0.01)),
        "kl": CheckLimits(Limit("nats", max=0.2, margin=0.01)),
        "l0": CheckLimits(Limit("features", min=1, max=100, margin=0.5)),
        "delta_ln_p": CheckLimits(Limit("nats", min=-0.1, margin=0.05)),
        "layer_agreement": CheckLimits(Limit("correlation", max=0.6, margin=0.1)),
    }
)
REFS = [stored.sae_ref(layer) for layer in range(SAES)]
CHECKS = bundled_checks()


def spread(layer: int, position: np.ndarray) -> np.ndarray:
    """ΔCE from far below its limit to far above it, and in between."""
    noise = np.random.default_rng(90 + layer).normal(0, 0.05, (len(position), 1))
    return np.broadcast_to((0.02, 0.099, 0.105, 0.3)[layer] + noise, position.shape)


def cells() -> list[tuple[str, CellRef]]:
    """Claims and ranges on texts, claims on tasks, and of the release on a task."""
    made = []
    for ref in REFS:
        inside = position_ranges(ref.training_context, stored.CONTEXT).in_context
        for name in ("delta_ce", "kl", "l0"):
            made.append((name, cell_ref("in_context", "made-up", ref, None)))
            for each in inside:
                made.append((name, cell_ref("in_context", "made-up", ref, each, family="range")))
        for task in TASKS:
            made.append(("delta_ln_p", cell_ref("task", "made-up", ref, None, task)))
    for task in TASKS:
        made.append(("layer_agreement", cell_ref("task_release", "made-up", None, None, task)))
    return made


CELLS = cells()
TABLES = {ref.sae_id: stored.sae_table(ref.layer, spread) for ref in REFS}
ITEMS = {
    task: {
        ref.sae_id: stored.task_table(
            ref.layer,
            task,
            sae_ln_p=np.random.default_rng(ref.layer).normal(-1.1 - 0.1 * ref.layer, 0.2, 40),
            clean_ln_p=np.full(40, -1.0),
        )
        for ref in REFS
    }
    for task in TASKS
}


def verdicts(
    which: list[int], saes: set[str], tasks: set[str], *, adaptive: bool
) -> dict[int, tuple[str, float, float]]:
    """Status and adjusted interval of these cells, from the tables of these SAEs and tasks."""
    measurement = Measurement(
        Release("made-up", "folder", stored.LOADING, tuple(REFS)),
        stored.CONTEXT,
        by_key([table for key, table in TABLES.items() if key in saes])
        | by_key([table for task in tasks for table in ITEMS[task].values()]),
    )
    ranges = {ref.sae_id: position_ranges(ref.training_context, stored.CONTEXT) for ref in REFS}
    family = Family(LIMITS, CHECKS, SAES, ranges)
    rule = DecisionRule(LIMITS, family, adaptive=adaptive)
    found = {}
    for index in which:
        name, ref = CELLS[index]
        one = rule.verdict(measurement, CHECKS[name], ref)
        found[index] = (one.status, one.adjusted.low, one.adjusted.high)
    return found


@pytest.mark.parametrize("adaptive", [False, True])
def test_every_verdict_occurs(adaptive: bool):
    everything = verdicts(list(range(len(CELLS))), set(TABLES), set(TASKS), adaptive=adaptive)
    assert {status for status, _, _ in everything.values()} == {"pass", "fail", "undecided"}


@settings(deadline=None, max_examples=30)
@given(st.sets(st.integers(0, len(CELLS) - 1), min_size=1), st.booleans())
def test_a_part_is_judged_as_it_is_in_the_whole(which: set[int], adaptive: bool):
    """Only what the cells themselves are made of is measured."""
    everything = verdicts(list(range(len(CELLS))), set(TABLES), set(TASKS), adaptive=adaptive)
    refs = [CELLS[index][1] for index in which]
    saes = {ref.sae.sae_id for ref in refs if ref.sae}
    tasks = {ref.task for ref in refs if ref.task}
    alone = verdicts(sorted(which), saes, tasks, adaptive=adaptive)
    assert alone == {index: everything[index] for index in which}


@pytest.mark.parametrize("name", NAMES)
def test_reporting_more_costs_no_error(name: str):
    """Checks that only report, and limits given in a decorator alone, share in nothing."""
    ranges = {ref.sae_id: position_ranges(ref.training_context, stored.CONTEXT) for ref in REFS}
    ref = next(ref for each, ref in CELLS if each == name)
    more = {
        **LIMITS.checks,
        "mse": CheckLimits(Limit("activation²", report_only=True)),
        "explained_variance": CheckLimits(Limit("fraction", min=0.7), by_default=True),
    }
    before = Family(LIMITS, CHECKS, SAES, ranges).error(CHECKS[name], ref)
    after = Family(replace(LIMITS, checks=more), CHECKS, SAES, ranges).error(CHECKS[name], ref)
    assert before == after
