"""What a run does with tables that others store meanwhile, or left in parts."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sae_checks.evals.tasks.table import TaskTable
from sae_checks.measure import run
from sae_checks.measure.plan import Plan
from sae_checks.measure.work import Growing, Work
from sae_checks.records import Release, Table
from sae_checks.records.dataset import TableRef
from sae_checks.store import Store, StoredTable
from tests import stored
from tests.stored import task_table


def growing(table: TaskTable, **fields: Any) -> Growing:
    return Growing(stored.table_ref(table), table, np.arange(table.rows), **fields)


def work_of(one: Growing, follow_up: object = None) -> Work:
    evaluation: Any = SimpleNamespace(follow_up=lambda ablate: follow_up)
    # Of what is measured in the end, so that something is.
    plan: Any = SimpleNamespace(names=frozenset({"ablations"}), grown=frozenset())
    return Work(
        evaluation,
        plan if follow_up else Plan(()),
        {one.ref.intervention: [one]},
        frozenset([one.ref.intervention]),
    )


class Ablations:
    """Gives a table back with other figures."""

    def measure(self, measuring: object, tables: dict[str, Table], progress: object):
        return {name: stored.task_table(1) for name in tables}


@pytest.mark.parametrize(
    ("units", "written"), [(None, True), (40, True), (20, True), (41, False)], ids=str
)
def test_what_is_measured_in_the_end_takes_no_units_from_another_run(
    monkeypatch, units: int | None, written: bool
):
    """One that measures more of the same SAE at the same time."""
    one, calls = growing(task_table(0)), []
    there = None if units is None else StoredTable(task_table(0), np.arange(units))
    store: Any = SimpleNamespace(
        read=lambda ref: there, write=lambda ref, table, numbers, description: calls.append(table)
    )
    request: Any = SimpleNamespace(store=store, options=SimpleNamespace(ablate=1))
    measuring = SimpleNamespace(interventions=[one.ref.intervention])
    monkeypatch.setattr(run, "_measuring", lambda *arguments: measuring)
    dataset: Any = SimpleNamespace(description={})
    nothing: Any = None
    loaded: Any = SimpleNamespace(saes=SimpleNamespace(failures={}))
    run._follow(
        request, loaded, work_of(one, Ablations()), [one.ref.intervention], dataset, nothing
    )
    assert one.table is not None
    assert one.table.sae.layer == 1  # it is judged with what was measured, written or not
    assert [table is one.table for table in calls] == [True] * written


def test_a_table_that_was_left_in_parts_is_stored_as_one(tmp_path):
    """By the next run, which finds nothing to measure."""
    table = task_table(0)
    release = Release("made-up", "folder", stored.LOADING, (table.sae,))
    store = Store(tmp_path, release, stored.provenance())
    ref: TableRef = stored.table_ref(table)
    store.append(ref, table, np.arange(table.rows))
    found = store.find(ref, pytest.fail)
    assert found is not None
    assert found.in_parts
    job: Any = SimpleNamespace(works=[work_of(Growing.of(ref, found))])
    request: Any = SimpleNamespace(store=store)
    run._compact(request, job)
    assert (store.table_folder(ref) / "items.parquet").exists()
    again = store.read(ref)
    assert again is not None
    assert not again.in_parts


class Decoding:
    """A tokenizer that says what each token reads as, or fails as some do at ids they lack."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def batch_decode(self, ids: Sequence[Sequence[int]], **options: object) -> list[str]:
        if self.error is not None:
            raise self.error
        return ["".join(chr(97 + token) for token in each) for each in ids]


def test_tokens_that_do_not_decode_are_told_and_keep_nothing_from_being_measured(tmp_path):
    release = Release("made-up", "folder", stored.LOADING, (task_table(0).sae,))
    store = Store(tmp_path, release, stored.provenance())
    dataset: Any = SimpleNamespace(
        ref=stored.ON_TEXTS, tokens=[[0, 1], [2]], description={"fingerprint": "0"}
    )
    request: Any = SimpleNamespace(store=store)
    notes: list[str] = []
    progress: Any = SimpleNamespace(note=notes.append)
    for error in (TypeError("sequence item 0: expected str instance, NoneType found"), None):
        model: Any = SimpleNamespace(tokenizer=Decoding(error))
        run._keep_words(request, model, dataset, progress)
        assert store.has_words(stored.ON_TEXTS, "0") == (error is None)
    assert notes == [
        "reports show no tokens of texts, which do not decode (TypeError: sequence item 0: "
        "expected str instance, NoneType found)"
    ]
    broken: Any = SimpleNamespace(tokenizer=Decoding(ValueError("asked again")))
    run._keep_words(request, broken, dataset, progress)  # they are there
    assert len(notes) == 1
