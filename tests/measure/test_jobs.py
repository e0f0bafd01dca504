"""Which stored tables do for a run, and what is measured of those that do not."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sae_checks.evals.tasks import EVALUATION
from sae_checks.evals.tasks.columns import offered_columns
from sae_checks.evals.tasks.losses import LOSSES
from sae_checks.evals.tasks.table import TaskTable
from sae_checks.measure import jobs
from sae_checks.measure.work import Work
from sae_checks.records import DatasetRef, Release
from sae_checks.records.dataset import TableRef
from sae_checks.store import Store
from tests import stored
from tests.stored import sae_ref, task_table

TASK = DatasetRef.of_task(stored.task_ref("made-up-task", offered_columns("pair")))
RELEASE = Release("made-up", "folder", stored.LOADING, (sae_ref(0), sae_ref(1)))


def without_losses(table: TaskTable) -> TaskTable:
    """As 0.7.0 stored it."""
    return replace(table, side={n: each for n, each in table.side.items() if n != LOSSES})


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path, RELEASE, stored.provenance())


def work(store: Store, *tables: TaskTable) -> Work:
    """What a run makes of some stored tables, where checks need features."""
    for table in tables:
        store.write(TableRef(TaskTable, TASK, table.intervention), table, np.arange(table.rows))
    request: Any = SimpleNamespace(store=store, release=RELEASE, needs=frozenset({"features"}))
    wanted: Any = SimpleNamespace(ref=TASK, offered=offered_columns("pair"), saes=RELEASE.saes)
    progress: Any = SimpleNamespace(note=pytest.fail)
    return jobs._find(request, wanted, EVALUATION, progress)


def missing(work: Work) -> list[str]:
    return [saes.saes[0].sae_id for saes in work.missing]


def test_a_stored_table_does_without_what_is_only_shown(store: Store):
    found = work(store, *(without_losses(task_table(layer)) for layer in range(2)))
    assert missing(found) == []
    assert LOSSES in found.plan  # of what might be measured anew


def test_one_that_grows_keeps_to_the_columns_that_it_has(store: Store):
    old = replace(without_losses(task_table(0)), complete=False)
    found = work(store, old)
    assert missing(found) == [sae_ref(1).sae_id]
    assert LOSSES not in found.plan
    assert "features" in found.plan


def test_losses_of_one_that_grows_go_on(store: Store):
    one, other = (replace(task_table(layer), complete=False) for layer in range(2))
    assert LOSSES in work(store, one, without_losses(other)).plan


def test_a_table_without_what_is_judged_is_measured_again(store: Store):
    bare = replace(task_table(0), side={})
    assert missing(work(store, bare, task_table(1))) == [sae_ref(0).sae_id]
