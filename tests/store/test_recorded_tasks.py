"""What the manifest says of tasks, and what a measurement of them is read from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sae_checks.errors import StoreError
from sae_checks.evals.tasks.table import TaskTable
from sae_checks.records import DatasetEntry, Intervention
from sae_checks.store import MeasuredDataset, Store
from tests.store.of_task import (
    AT_0,
    AT_1,
    LAYER_0,
    LAYER_1,
    TABLE,
    TASK,
    entries,
    found,
    other_items,
    store_of_task,
)
from tests.stored import (
    ON_TEXTS,
    provenance,
    read,
    sae_ref,
    task_of,
    task_table,
    write_measurement,
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return store_of_task(tmp_path)


def test_a_task_as_the_manifest_records_it(store: Store):
    assert entries(store) == {
        "made-up-task": DatasetEntry(
            TASK,
            "tasks",
            store.table_folder(AT_0).parent.relative_to(store.folder).as_posix(),
            {"items": 40, "cut": 3},
        )
    }


def test_a_task_is_known_again_from_the_manifest(store: Store):
    """Where its data lie is said beside what it is."""
    task = task_of(TABLE)
    store.write_manifest([found(TASK, description={"location": task.location})], {})
    assert entries(store)["made-up-task"].task == task


def test_a_run_that_read_no_items_keeps_what_was_said_of_them(store: Store):
    store.write_manifest([found(TASK)], {})
    assert entries(store)["made-up-task"].description == {"items": 40, "cut": 3}


def test_a_task_of_the_same_name_gives_way(store: Store):
    other = other_items(items=41)
    store.write_manifest([found(other)], {})
    entry = entries(store)["made-up-task"]
    assert (entry.ref, entry.description) == (other, {})
    assert store.folder / entry.folder != store.table_folder(AT_0).parent
    store.write(replace(AT_0, dataset=other), TABLE)
    assert set(read(store.folder).of(TaskTable, "made-up-task")) == {LAYER_0}


def test_tasks_of_other_names_stay(store: Store):
    other = other_items(name="another")
    store.write(replace(AT_0, dataset=other), replace(TABLE, dataset="another"))
    store.write_manifest([found(other, description={"items": 40})], {})
    assert list(entries(store)) == ["another", "made-up-task"]
    # A run on texts alone.
    store.write_manifest([MeasuredDataset(ON_TEXTS, "context", {"corpus": "tales"})], {})
    assert list(entries(store)) == ["another", "made-up-task"]
    measurement = read(store.folder)
    assert set(measurement.of(TaskTable, "another")) == {LAYER_0}
    assert set(measurement.of(TaskTable, "made-up-task")) == {LAYER_0, LAYER_1}
    assert [entry.ref for entry in measurement.manifest.tasks] == [other, TASK]


def test_a_failure_is_kept_until_the_task_is_measured(store: Store):
    sentence = "task another: none of its questions can be asked of this model"
    other = other_items(name="another")
    store.write_manifest([found(other, failure=sentence)], {})
    store.write_manifest([], {})  # a run that did not ask for it
    measurement = read(store.folder)
    assert measurement.dataset_failures == {"another": sentence}
    assert measurement.of(TaskTable, "another") == {}
    store.write_manifest([found(other, description={"items": 40})], {})
    assert read(store.folder).dataset_failures == {}


def test_a_measurement_of_tasks_alone(store: Store):
    measurement = read(store.folder)
    assert measurement.release.saes == (sae_ref(0), sae_ref(1))
    assert set(measurement.tables) == {AT_0.key, AT_1.key}
    assert measurement.failures == {}
    assert measurement.tables[AT_1.key].sae == sae_ref(1)


def test_an_sae_without_texts_and_without_tasks(store: Store, tmp_path: Path):
    Store(tmp_path, replace(store.release, saes=(sae_ref(2),)), provenance()).write_manifest([], {})
    assert read(store.folder).failures == {
        "blocks.2.hook_resid_pre": f"SAE 'blocks.2.hook_resid_pre' has no table in {store.folder}"
    }


def test_a_failure_of_an_sae_is_mended_by_its_table_of_a_task(store: Store, tmp_path: Path):
    larger = Store(tmp_path, replace(store.release, saes=(sae_ref(0), sae_ref(2))), provenance())
    larger.write_manifest([], {sae_ref(2).sae_id: "weights are NaN"})
    assert read(store.folder).failures == {sae_ref(2).sae_id: "weights are NaN"}
    larger.write(replace(AT_0, intervention=Intervention((sae_ref(2),))), task_table(2))
    larger.write_manifest([], {})
    assert read(store.folder).failures == {}


def test_a_task_that_failed_and_nothing_else(tmp_path: Path):
    folder = write_measurement(
        tmp_path, layers=1, failures={0: "not asked for"}, task_failures={"another": "no question"}
    )
    with pytest.raises(StoreError) as caught:
        read(folder)
    assert str(caught.value) == f"{folder} holds no table of any SAE; measure again"
