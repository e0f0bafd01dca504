"""A manifest as JSON and back, and what is read off it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_checks.records import (
    TEXTS,
    DatasetEntry,
    DatasetRef,
    Declared,
    DeclaredFigure,
    Manifest,
    Measurement,
    ModelLoading,
    Release,
    SaeEntry,
    TaskRef,
)
from tests import stored

TASK = TaskRef("ioi", frozenset({"b", "a"}), "0", 40, 0, "whole", "ioi.jsonl", 16, "made by")
TEXT_ENTRY = DatasetEntry(DatasetRef(TEXTS), "context", "context/texts", {"texts": 12})
TASK_ENTRY = DatasetEntry(DatasetRef.of_task(TASK), "tasks", "tasks/ioi", {"location": "ioi.jsonl"})


def through_json(manifest: Manifest) -> Manifest:
    return Manifest.from_json(json.loads(json.dumps(manifest.as_json())))


names = st.text(max_size=5)
loadings = st.builds(
    ModelLoading,
    names,
    from_pretrained_kwargs=st.lists(
        st.tuples(names, st.booleans() | st.integers()), max_size=2
    ).map(tuple),
)
figures = st.none() | st.builds(
    DeclaredFigure, st.floats(allow_nan=False, allow_infinity=False), names, st.booleans()
)
declarations = st.builds(Declared, figures, figures, st.none() | names)
saes = st.builds(
    SaeEntry,
    st.builds(
        lambda loading, declared, training_context, written: replace(
            stored.sae_ref(0),
            loading=loading,
            declared=declared,
            training_context=training_context,
            hook_point_out=written,
            width_out=written and 8,
        ),
        loadings,
        declarations,
        st.none() | st.integers(1),
        st.none() | st.just("blocks.0.hook_mlp_out"),
    ),
    names,
    st.none() | names,
)
values = st.dictionaries(names, names | st.integers() | st.lists(st.integers(), max_size=2))
datasets = st.builds(
    DatasetEntry, st.builds(DatasetRef, names, values), names, names, values, st.none() | names
)
manifests = st.builds(
    Manifest,
    *(names, names, names, st.integers(), st.integers(), st.booleans(), values),
    st.lists(saes, max_size=2).map(tuple),
    st.lists(datasets, max_size=2).map(tuple),
)


@given(manifests)
def test_it_comes_back_from_json(manifest: Manifest):
    assert through_json(manifest) == manifest


def test_nothing_is_recorded_unless_told():
    release = Release("made-up", "folder", stored.LOADING, ())
    manifest = Measurement(release, 64).manifest
    assert manifest == Manifest() == through_json(Manifest())
    assert manifest.texts == {}
    assert manifest.tasks == ()


def test_texts_are_told_from_tasks():
    manifest = Manifest(datasets=(TASK_ENTRY, TEXT_ENTRY))
    assert manifest.texts == {"texts": 12}
    assert manifest.tasks == (TASK_ENTRY,)


def test_a_task_comes_back_with_the_place_of_its_data():
    assert TASK_ENTRY.task == TASK
    assert replace(TASK_ENTRY, description={}).task == replace(TASK, location="")


def test_where_its_data_lie_is_no_part_of_what_a_task_is():
    elsewhere = replace(TASK, location="/elsewhere/ioi.jsonl")
    assert DatasetRef.of_task(elsewhere) == DatasetRef.of_task(TASK)
    assert DatasetRef.of_task(replace(TASK, seed=1)) != DatasetRef.of_task(TASK)


def test_a_table_is_asked_for_by_the_key_that_it_has():
    table = stored.sae_table(0)
    observed = replace(table, observed=stored.sae_ref(1))
    assert stored.table_ref(table).key == table.key
    assert stored.table_ref(observed).key == observed.key


@pytest.mark.parametrize("content", [{}, {"saes": 7}, {"saes": [], "datasets": [], "more": 1}])
def test_what_is_no_manifest_raises(content: dict[str, object]):
    with pytest.raises((LookupError, TypeError)):
        Manifest.from_json(content)


def test_what_a_release_declares_is_kept():
    declared = Declared(DeclaredFigure(20.0, "its path"), None, "a/corpus", "batchtopk")
    sae = replace(stored.sae_ref(0), declared=declared)
    content = json.loads(json.dumps(replace(Manifest(), saes=(SaeEntry(sae, "a"),)).as_json()))
    (entry,) = Manifest.from_json(content).saes
    assert entry.ref == sae


def test_what_was_measured_before_declarations_were_kept_declares_its_data_set_alone():
    sae = replace(stored.sae_ref(0), dataset="a/corpus", declared=Declared(dataset="b/corpus"))
    content = json.loads(json.dumps(replace(Manifest(), saes=(SaeEntry(sae, "a"),)).as_json()))
    del content["saes"][0]["ref"]["declared"]
    (entry,) = Manifest.from_json(content).saes
    assert entry.ref == replace(sae, declared=Declared(dataset="a/corpus"))


def test_a_task_that_two_evaluations_read_is_one_task():
    other = replace(TASK_ENTRY, evaluation="stack_tasks", folder="stack_tasks/ioi")
    manifest = Manifest(datasets=(TEXT_ENTRY, TASK_ENTRY, other))
    assert manifest.tasks == (TASK_ENTRY,)
